import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { documentsOf, readmes } from './support/readme.ts'

// `make smoke` builds the executable and names it here. Every command of the documents is run with it, or stands in the
// table of those that cannot be.
const binary = process.env.BINARY ?? ''

/** Commands that are not run here, and why. `instead` is a command to run in their place. */
const notRun: readonly { command: RegExp; why: string; instead?: (command: string) => string }[] = [
  {
    command: /^(?:[A-Z_]+=\S+ )*make /,
    why: 'takes minutes or serves until it is stopped; that there is such a target is checked',
    instead: (command) => `make -n ${/make ([a-z-]+)/.exec(command)?.[1]}`,
  },
  { command: /^sudo |^systemctl /, why: 'changes the system, as root' },
  { command: /docker /, why: 'needs a Docker engine; test/deploy/docker.test.ts checks what it reads' },
  { command: /^apk /, why: 'is for Alpine' },
  { command: /^irm |^powershell /, why: 'is for Windows' },
  {
    command: /^zai2api (?:env|key|db|service|completions)$/,
    why: 'names a command without what it needs',
    instead: (command) => `${command} --help`,
  },
  {
    command: /^zai2api db import backup/,
    why: 'needs an empty database; test/database/transfer.test.ts has one',
  },
  {
    command: /^zai2api key create .*--upstreams zai-api$/,
    why: 'needs the official API, which is set up for it alone',
    instead: (command) => `UPSTREAMS=zai-api,demo ZAI_API_KEY=0123456789abcdef.ghijklmnopqrstuv ${command}`,
  },
  {
    command: /^zai2api service \w+/,
    why: 'changes the system; what would be written is shown',
    instead: () => 'zai2api service install --dry-run',
  },
  {
    command:
      /^(?:ZAI_API_KEY=\S+ )?zai2api (?:--port 0 )?(?:claude|codex|gemini|opencode|qwen|pi|cline|aider|goose|crush)\b/,
    why: 'starts a client, which make test-agents does',
  },
  { command: /^zai2api(?: quota| setup.*)$/, why: 'asks Z.AI; tests in test/cli/commands have a server of their own' },
  {
    command: /^sh dist\/release\/install\.sh|^npm (?:un)?install -g/,
    why: 'needs what make release and make npm pack; test/deploy has both',
  },
  { command: /^zai2api update/, why: 'needs a release; test/cli/update has one' },
  {
    command: /^zai2api(?: demo| serve| --reuse-port| --port \d+| --upstreams demo)?$/,
    why: 'serves until it is stopped; a gateway runs beside these',
  },
]

interface Command {
  document: string
  text: string
}

/** Programs that a command begins with. Other code in a line is a word, a path or a value. */
const programs = 'zai2api|make|curl|docker|sudo|cd|install|npx|npm|sh|apk|openssl|systemctl|irm|powershell'
const beginning = `(?:[A-Z_]+=\\S+ )*(?:${programs})`
const inLine = new RegExp(`^${beginning} \\S`)
const inBlock = new RegExp(`^${beginning}\\b`)

function commandsOf(document: string): Command[] {
  const text = readFileSync(document, 'utf8').replace(/<!-- client recipes: begin[\s\S]*?end -->/, '')
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].flatMap(([, language = '', code = '']) =>
    (language === '' || language === 'sh' ? code : '')
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.replace(/\s+#\s.*$/, ''))
      .filter((line) => inBlock.test(line)),
  )
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '')
  const inlines = [...prose.matchAll(/`([^`\n]+)`/g)].flatMap(([, code = '']) => (inLine.test(code) ? [code] : []))
  return [...blocks, ...inlines].map((command) => ({ document, text: command }))
}

/** The commands that a text with placeholders stands for. */
function filledIn(text: string): string[] {
  const words = /\b\w+(?:\|\w+)+\b/.exec(text)?.[0]
  const each = words === undefined ? [text] : words.split('|').map((word) => text.replace(words, word))
  return each.map((command) => command.replace(/\bNAME$/, 'openai').replace(/\bFILE$/, 'export.jsonl'))
}

describe.skipIf(binary === '')('the commands in the documents (make smoke)', () => {
  const home = mkdtempSync(join(tmpdir(), 'zai2api-documents-'))
  let env: Record<string, string> = {}
  let gateway: Bun.Subprocess<'ignore', 'pipe', 'ignore'>
  let url = ''

  beforeAll(async () => {
    symlinkSync(resolve(binary), join(home, 'zai2api'))
    writeFileSync(join(home, '.env.example'), '')
    env = { PATH: `${home}:${process.env.PATH}`, HOME: home, UPSTREAMS: 'demo', LISTEN_PORT: '0' }
    gateway = Bun.spawn(['zai2api', 'serve'], { cwd: home, env, stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' })
    let said = ''
    for await (const chunk of gateway.stdout) {
      said += new TextDecoder().decode(chunk)
      url = /listening on (\S+)/.exec(said)?.[1] ?? ''
      if (url !== '') break
    }
    env.LISTEN_PORT = new URL(url).port
  })
  afterAll(async () => {
    gateway.kill()
    await gateway.exited
    rmSync(home, { recursive: true })
  })

  const commands = readmes.flatMap(({ file }) => documentsOf(file)).flatMap(commandsOf)
  const done = new Set<string>()

  test('are there', () => expect(new Set(commands.map(({ text }) => text)).size).toBeGreaterThan(60))

  test.each(readmes.map(({ file }) => file))(
    'run, all those of %s',
    async (readme) => {
      const documents = documentsOf(readme)
      const failed: object[] = []
      for (const { document, text } of commands.filter(({ document }) => documents.includes(document)))
        for (const command of filledIn(text)) {
          const exception = notRun.find((row) => row.command.test(command))
          const line = exception === undefined ? command : exception.instead?.(command)
          if (line === undefined || done.has(line)) continue
          done.add(line)
          const folder = line.startsWith('make') ? process.cwd() : home
          const child = Bun.spawn(['sh', '-c', line.replaceAll('http://127.0.0.1:8080', url)], {
            ...{ cwd: folder, env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
          })
          const [said, complained] = await Promise.all([
            new Response(child.stdout).text(),
            new Response(child.stderr).text(),
          ])
          const code = await child.exited
          if (code !== 0) failed.push({ document, line, code, said, complained })
        }
      expect(failed).toEqual([])
    },
    120_000,
  )

  test('that are not run are there', () => {
    const all = commands.flatMap(({ text }) => filledIn(text))
    expect(notRun.filter(({ command }) => !all.some((each) => command.test(each)))).toEqual([])
  })

  const configurations = readmes.flatMap(({ file }) =>
    documentsOf(file).flatMap((document) =>
      [...readFileSync(document, 'utf8').matchAll(/^```toml\n([\s\S]*?)^```/gm)].map(([, text = '']) => [
        document,
        text,
      ]),
    ),
  )
  test.each(configurations)('a configuration in %s is read without a complaint', (_document, text = '') => {
    const file = join(home, 'example.toml')
    writeFileSync(file, text.replaceAll('"..."', '"0123456789abcdef.ghijklmn"'), { mode: 0o600 })
    const { exitCode, stderr } = Bun.spawnSync(['zai2api', 'config', '--config', file], { cwd: home, env })
    expect([exitCode, String(stderr)]).toEqual([0, ''])
  })
})
