import { describe, expect, test } from 'bun:test'
import { posix } from 'node:path'
import { Glob } from 'bun'

/**
 * Who may import whom, besides its own files. A row is a folder of src or a file in it; the folders of dialects and
 * upstreams are rows of their own, so that siblings do not know each other. `type x` allows `import type` alone, and
 * the path of a file that file alone.
 */
const mayImport: Record<string, string[]> = {
  core: ['type @sinclair/typebox'],
  // Helpers for waiting: work that several callers share, that can be cancelled, or that must not run all at once.
  async: ['core', 'node:*'],
  json: ['core', '@sinclair/typebox'],
  'http-client': ['async', 'core', 'bun', 'http-parser-js', 'node:*'],
  wire: ['core', 'http-client', 'eventsource-parser', 'node:*'],
  // What OpenAI's three APIs have in common, and what clients of other APIs also send.
  'dialects/openai': ['core'],
  // The one list of them.
  'dialects/index.ts': ['core', 'dialects/*'],
  'dialects/*': ['core', 'json', 'dialects/openai', '@sinclair/typebox'],
  // Facts about models, for the upstreams and for the commands that configure, list and launch.
  models: ['core', '@sinclair/typebox'],
  'prompted-tools': ['core', 'json'],
  tokens: ['core', 'gpt-tokenizer'],
  // A kind: `config` has the schema of its rows, and several kinds are vendors of the same protocol.
  'upstreams/*': [
    'async',
    'config',
    'core',
    'http-client',
    'json',
    'models',
    'prompted-tools',
    'wire',
    'upstreams/chat-completions',
    'upstreams/opening',
    'upstreams/upstream-kind.ts',
    '@sinclair/typebox',
    'node:crypto',
  ],
  // The protocol, which knows no kind and no settings.
  'upstreams/chat-completions': [
    'async',
    'type config',
    'core',
    'http-client',
    'json',
    'models',
    'prompted-tools',
    'wire',
    'upstreams/opening',
    '@sinclair/typebox',
  ],
  // The steps of opening a call that do not depend on the protocol.
  'upstreams/opening': ['core', 'http-client', 'prompted-tools', 'wire'],
  // What every kind of upstream defines, and the one list of them.
  'upstreams/upstream-kind.ts': ['type config', 'core', 'type http-client', 'type models', '@sinclair/typebox'],
  'upstreams/started-upstreams.ts': ['config', 'core', 'models', 'upstreams/upstream-kind.ts'],
  'upstreams/index.ts': ['upstreams/*'],
  // What each costs.
  'upstreams/billing.ts': ['config', 'core', 'models', 'upstreams/upstream-kind.ts'],
  attachments: ['async', 'core', 'unpdf', 'node:zlib'],
  gateway: ['async', 'core', 'json', 'type attachments', 'tokens', 'ajv'],
  // The gateway as a client of MCP servers, around the gateway to upstreams.
  mcp: ['async', 'core', 'type gateway', 'http-client', '@modelcontextprotocol/client'],
  observe: ['core', 'type models', '@logtape/*', 'prom-client', 'node:*'],
  // One set of statements for SQLite and PostgreSQL.
  database: ['core', 'bun', 'bun:sqlite', 'node:*'],
  store: ['core', 'database', 'bun:sqlite'],
  // Keys that the operator gives to others: what they may do, and what it costs.
  keys: ['core', 'models', 'type observe', 'database', 'store'],
  http: [
    'async',
    'core',
    'gateway',
    'observe',
    'store',
    'elysia',
    'eventsource-parser',
    '@sinclair/typebox',
    'swagger-ui-dist',
    'node:crypto',
  ],
  // What the operator sees and does: the shapes of /admin/api, who may use it, and its routes.
  admin: [
    'core',
    'type database',
    'gateway',
    'config',
    'http',
    'keys',
    'models',
    'observe',
    'page',
    'store',
    'dialects/openai',
    '@sinclair/typebox',
    'node:crypto',
    'node:zlib',
  ],
  // What runs in the browser, and how it is bundled: of the gateway it knows the shapes of the API and the names of headers.
  page: ['type admin', 'dialects/*/headers.ts', 'preact', '@preact/signals', 'eventsource-parser', 'node:path'],
  config: ['core', 'gateway', 'models', 'observe', '@sinclair/typebox', 'node:*'],
  server: ['config', 'core', 'elysia', 'http', 'observe'],
  'version.ts': ['../package.json'],
  // The web application: it joins the routes of all parts.
  app: ['**'],
  // The whole program, assembled from its parts: storage, upstreams, gateway, observers.
  composition: ['**'],
  'compose.ts': ['**'],
  cli: ['**'],
  'main.ts': ['server', 'program.ts'],
  'program.ts': ['**'],
}

const pure = /^(core|dialects|json|prompted-tools)\/|\/(decode|encode)\.ts$/
const synchronous = /^(core|dialects)\/|\/(decode|encode)\.ts$/

/** What is said only in some places, and why. */
const forbidden = [
  {
    says: /\b(process|Bun)\.env\b/,
    inside: (path: string) => !['cli/io.ts', 'server/restart.ts'].includes(path),
    because: 'the environment is read in cli/io.ts',
  },
  {
    says: /\b(Date\.now|new Date\(\)|Math\.random|randomUUID|getRandomValues)\b/,
    inside: (path: string) => pure.test(path),
    because: 'time and ids come in as arguments',
  },
  { says: /\bawait\b/, inside: (path: string) => synchronous.test(path), because: 'translators are synchronous' },
]

const vagueFolder = /(^|\/)(utils|helpers|common|types|lib)\//

const files = [...new Glob('**/*.{ts,tsx}').scanSync('src')].sort()

test('there is code to look at', () => expect(files).toContain('core/stream-normaliser.ts'))

describe('every file keeps to its layer', () => {
  test.each(files)('%s', async (path) => {
    expect(violations(path, await Bun.file(`src/${path}`).text())).toEqual([])
  })
})

test('no file needs itself by way of others', async () => {
  const imports = new Map<string, string[]>()
  for (const path of files) {
    const found = importsOf(await Bun.file(`src/${path}`).text()).filter(({ typeOnly }) => !typeOnly)
    imports.set(
      path,
      found.flatMap(({ target }) => (target.startsWith('.') ? [posix.join(posix.dirname(path), target)] : [])),
    )
  }
  expect(circlesIn(imports)).toEqual([])
})

test('a circle is found, inside a folder, too', () => {
  const imports = new Map([
    ['core/a.ts', ['core/b.ts', 'core/d.ts']],
    ['core/b.ts', ['core/c.ts']],
    ['core/c.ts', ['core/b.ts', 'core/d.ts']],
    ['core/d.ts', []],
  ])
  expect(circlesIn(imports)).toEqual(['core/b.ts > core/c.ts > core/b.ts'])
})

describe('the check itself finds', () => {
  test.each([
    ['a layer that is not below', 'core/a.ts', "import { send } from '../wire/http.ts'", 'imports wire'],
    ['a package of another layer', 'gateway/a.ts', "import { Elysia } from 'elysia'", 'imports elysia'],
    [
      'a value where a type is allowed',
      'core/a.ts',
      "import { Type } from '@sinclair/typebox'",
      'imports @sinclair/typebox',
    ],
    ['a type from a layer above', 'core/a.ts', "import type { Route } from '../gateway/route.ts'", 'imports gateway'],
    [
      'a file beside the one that is allowed',
      'page/a.ts',
      "import { x } from '../dialects/a/x.ts'",
      'imports dialects/a',
    ],
    ['a sibling', 'dialects/a/x.ts', "import { y } from '../b/y.ts'", 'imports dialects/b'],
    ['a sibling among upstreams', 'upstreams/a/x.ts', "import { y } from '../b/y.ts'", 'imports upstreams/b'],
    [
      'a setting in the client of a protocol',
      'upstreams/chat-completions/a.ts',
      "import { settings } from '../../config/table.ts'",
      'imports config',
    ],
    ['an import over several lines', 'tokens/a.ts', "import {\n  send,\n} from '../wire/http.ts'", 'imports wire'],
    ['an import for its effect', 'wire/a.ts', "import 'elysia'", 'imports elysia'],
    ['a re-export', 'core/a.ts', "export * from '../wire/http.ts'", 'imports wire'],
    ['a dynamic import', 'core/a.ts', "const load = () => import('../wire/http.ts')", 'imports wire'],
    ['a file outside src', 'wire/a.ts', "import { x } from '../../test/x.ts'", 'imports ../test/x.ts'],
    ['the environment', 'http/a.ts', 'const port = process.env.PORT', 'says process.env'],
    ['the clock', 'dialects/a/x.ts', 'const at = Date.now()', 'says Date.now'],
    ['chance', 'upstreams/a/encode.ts', 'const id = crypto.randomUUID()', 'says randomUUID'],
    ['a wait', 'upstreams/a/decode.ts', '  await next()', 'says await'],
    ['a vague folder', 'wire/utils/a.ts', '', 'src/wire/utils/a.ts: name the folder'],
    ['a folder without a row', 'attic/a.ts', '', 'src/attic/a.ts: attic has no row'],
  ])('%s', (_name, path, source, said) => {
    expect(violations(path, source)).toEqual([expect.stringContaining(said)])
  })

  test.each([
    ['its own folder', 'core/a.ts', "import { b } from './b.ts'"],
    ['a type where a type is allowed', 'core/a.ts', "import type { TSchema } from '@sinclair/typebox'"],
    ['a file that is allowed', 'page/a.ts', "import { x } from '../dialects/a/headers.ts'"],
    ['a layer below', 'dialects/a/x.ts', "import { sseMessage } from '../../core/sse.ts'"],
    ['the rows of a new kind', 'upstreams/a/kind.ts', "import { rowSchema } from '../../config/upstream-rows.ts'"],
    ['a new vendor', 'upstreams/a/index.ts', "import { chatCompletions } from '../chat-completions/index.ts'"],
    ['words in comments', 'core/a.ts', '/**\n * await, process.env\n */\nconst a = 1 // Date.now'],
    ['the clock at the edge', 'wire/system-clock.ts', 'const now = Date.now'],
  ])('nothing wrong with %s', (_name, path, source) => expect(violations(path, source)).toEqual([]))
})

/** What is wrong with one file of src, one line each. */
function violations(path: string, source: string): string[] {
  const unit = unitOf(path)
  const row = mayImport[unit] ?? mayImport[unit.replace(/\/.*/, '/*')]
  if (vagueFolder.test(path)) return [`src/${path}: name the folder after what lives in it`]
  if (row === undefined) return [`src/${path}: ${unit} has no row in the table of test/layers.test.ts`]

  const allowed = [unit, ...row].map((pattern) => new Glob(pattern))
  const imports = importsOf(source).flatMap(({ line, target, typeOnly }) => {
    const file = target.startsWith('.') ? posix.join(posix.dirname(path), target) : undefined
    const name = file === undefined ? packageOf(target) : unitOf(file)
    const names = [name, ...(file === undefined ? [] : [file]), ...(typeOnly ? [`type ${name}`] : [])]
    if (allowed.some((glob) => names.some((each) => glob.match(each)))) return []
    return [`src/${path}:${line} imports ${name}; ${unit} may import ${row.join(', ') || 'nothing'}`]
  })

  const words = withoutComments(source)
    .split('\n')
    .flatMap((text, index) =>
      forbidden.flatMap(({ says, inside, because }) => {
        const word = inside(path) ? says.exec(text)?.[0] : undefined
        return word === undefined ? [] : [`src/${path}:${index + 1} says ${word}; ${because}`]
      }),
    )
  return [...imports, ...words]
}

/** `dialects/openai-chat/decode.ts` → `dialects/openai-chat`; other paths → their first part; outside src → as it is. */
function unitOf(path: string): string {
  if (path.startsWith('../')) return path
  return path.split('/', /^(dialects|upstreams)\//.test(path) ? 2 : 1).join('/')
}

function packageOf(target: string): string {
  return /^(@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? target
}

interface Import {
  line: number
  target: string
  typeOnly: boolean
}

/** Relies on the formatter: statements begin their line, quotes are single. Bun's own scanner leaves types out. */
function importsOf(source: string): Import[] {
  const statements = /^(?:import|export)(?: (type\b))?(?:[\w$*{},\s]+ from)? '([^'\n]+)'|\bimport\('([^'\n]+)'\)/gm
  return [...withoutComments(source).matchAll(statements)].map((match) => ({
    line: source.slice(0, match.index).split('\n').length,
    target: match[2] ?? match[3] ?? '',
    typeOnly: match[1] !== undefined,
  }))
}

/** Each circle once, as the way around it. */
function circlesIn(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = []
  const seen = new Set<string>()
  const follow = (path: string, way: readonly string[]) => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' > '))
    if (seen.has(path)) return
    seen.add(path)
    for (const next of imports.get(path) ?? []) follow(next, [...way, path])
  }
  for (const path of imports.keys()) follow(path, [])
  return circles
}

/** Line breaks stay, so that lines keep their numbers. */
function withoutComments(source: string): string {
  return source.replace(/\/\*.*?\*\/|(?<=^|\s)\/\/[^\n]*/gs, (comment) => comment.replace(/[^\n]/g, ' '))
}
