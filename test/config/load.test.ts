import { describe, expect, test } from 'bun:test'
import { parseEnv } from 'node:util'
import { describeConfig } from '../../src/cli/commands/config.ts'
import { configurationTable, envExample } from '../../src/config/documents.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { configWarnings, listenPolicy } from '../../src/config/policy.ts'
import { proxyVariableProblem } from '../../src/config/proxy-variables.ts'
import { secretsIn } from '../../src/config/secrets.ts'
import type { Setting } from '../../src/config/setting.ts'
import type { ProcessEnvironment } from '../../src/config/sources.ts'
import {
  addressOf,
  credentialOf,
  flagOf,
  type SettingName,
  settingList,
  settings,
  tomlKeyOf,
} from '../../src/config/table.ts'
import { didYouMean, UsageError } from '../../src/config/usage-error.ts'
import type { ModelRow } from '../../src/models/row.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { kindsWithRows } from '../support/kinds-with-rows.ts'

interface World {
  flags?: Partial<Record<SettingName | 'config', string>>
  env?: Record<string, string>
  dotEnv?: string
  toml?: string
  files?: Record<string, string>
}

function surroundings({ env = {}, dotEnv, toml, files = {} }: World): ProcessEnvironment {
  const present: Record<string, string | undefined> = { ...files, '/srv/.env': dotEnv, '/srv/zai2api.toml': toml }
  return { env, cwd: '/srv', readFile: (path) => present[path] }
}

function load(world: World = {}, isOpenToAll = (_path: string) => false) {
  const { flags = {} } = world
  const given = new Map<SettingName | 'config', string>()
  for (const { name } of settingList) if (flags[name] !== undefined) given.set(name, flags[name])
  if (flags.config !== undefined) given.set('config', flags.config)
  return loadConfig(given, { ...surroundings(world), isOpenToAll }, upstreamKinds)
}

function config(world: World = {}): Config {
  return load(world).config
}

function errorOf(world: World): string {
  try {
    load(world)
  } catch (thrown) {
    if (thrown instanceof UsageError) return thrown.message
    throw thrown
  }
  return 'no errorOf'
}

describe('without any source', () => {
  test('every setting has its default', () => {
    expect(config()).toEqual({
      host: '127.0.0.1',
      listenPort: 8080,
      reusePort: false,
      corsOrigins: [],
      allowQueryKey: false,
      maxBodyBytes: 33_554_432,
      maxMessages: 10_000,
      maxConcurrent: 4_000,
      rateLimitRpm: 0,
      rateLimitTpm: 0,
      bodyTimeoutMs: 30_000,
      stallMs: 300_000,
      adminToken: undefined,
      keepaliveMs: 10_000,
      keepaliveStyle: 'comment',
      models: [],
      shutdownMs: 30_000,
      databaseUrl: undefined,
      budgetStrict: false,
      authToken: undefined,
      anthropicApiKey: undefined,
      zaiApiKeys: [],
      zaiTokens: [],
      backupToken: undefined,
      anonymousMode: true,
      primaryModel: 'GLM-4.5',
      smallModel: 'GLM-4.5-Air',
      thinkingModel: 'GLM-4.5-Thinking',
      searchModel: 'GLM-4.5-Search',
      modelMap: {},
      thinkingProcessing: 'think',
      reasoningField: 'reasoning_content',
      toolSupport: true,
      webSearch: 'auto',
      mcpServers: [],
      mcpMaxRounds: 10,
      mcpCallMs: 60_000,
      mcpTotalMs: 300_000,
      mcpMaxTools: 128,
      mcpMaxResult: 100_000,
      scanLimit: 200_000,
      loopLimit: 10_000,
      store: 'memory',
      upstreams: [{ id: 'zai-web' }],
      apiEndpoint: 'https://chat.z.ai/api/v2/chat/completions',
      zaiApiBase: 'general',
      queueLimit: 100,
      queueMs: 120_000,
      upstreamHeadersMs: 60_000,
      upstreamIdleMs: 120_000,
      maxImageBytes: 20_971_520,
      zaiGuestTtlMs: 480_000,
      zaiCreateChat: true,
      zaiMessagesMode: 'flatten',
      zaiSign: true,
      zaiSigningKey: 'key-@@@@)))()((9))-xxxx&&&%%%%%',
      zaiFeVersion: 'prod-fe-1.1.98',
      logLevel: 'info',
      debugLogging: false,
      logFormat: 'auto',
      logKeep: '30d,1000000',
      capture: 'metadata',
      captureMb: 64,
      captureDiskMb: 1024,
      metrics: true,
      metricsPort: 0,
      otlpEndpoint: undefined,
      otlpHeaders: [],
      webBaseUrl: 'https://chat.z.ai',
      completionPath: '/api/v2/chat/completions',
      upstreamKinds,
    })
  })

  test('every origin is the default', () => {
    expect(new Set(load().origins.values())).toEqual(new Set(['default']))
  })
})

describe('the source of higher precedence wins:', () => {
  const everywhere: Required<Pick<World, 'flags' | 'env' | 'dotEnv' | 'toml'>> = {
    flags: {
      listenPort: '1',
      toolSupport: 'on',
      logLevel: 'debug',
      primaryModel: 'a',
      corsOrigins: 'http://a',
      modelMap: 'x=a',
    },
    env: {
      LISTEN_PORT: '2',
      TOOL_SUPPORT: 'off',
      LOG_LEVEL: 'warn',
      PRIMARY_MODEL: 'b',
      CORS_ORIGINS: 'http://b',
      MODEL_MAP: 'x=b',
    },
    dotEnv: 'LISTEN_PORT=3\nTOOL_SUPPORT=yes\nLOG_LEVEL=error\nPRIMARY_MODEL=c\nCORS_ORIGINS=http://c\nMODEL_MAP=x=c\n',
    toml: 'listen_port = 4\ntool_support = false\nlog_level = "off"\nprimary_model = "d"\ncors_origins = ["http://d"]\n[model_map]\nx = "d"\n',
  }
  const { flags, env, dotEnv, toml } = everywhere
  const kinds = ({ listenPort, toolSupport, logLevel, primaryModel, corsOrigins, modelMap }: Config) => [
    listenPort,
    toolSupport,
    logLevel,
    primaryModel,
    corsOrigins,
    modelMap,
  ]
  test.each<[string, World, unknown[], string]>([
    ['flag', { flags, env, dotEnv, toml }, [1, true, 'debug', 'a', ['http://a'], { x: 'a' }], 'flag --port'],
    [
      'environment',
      { env, dotEnv, toml },
      [2, false, 'warn', 'b', ['http://b'], { x: 'b' }],
      'environment variable LISTEN_PORT',
    ],
    ['.env', { dotEnv, toml }, [3, true, 'error', 'c', ['http://c'], { x: 'c' }], 'LISTEN_PORT in /srv/.env'],
    ['file', { toml }, [4, false, 'off', 'd', ['http://d'], { x: 'd' }], 'listen_port in /srv/zai2api.toml'],
    ['default', {}, [8080, true, 'info', 'GLM-4.5', [], {}], 'default'],
  ])('%s', (_name, world, expected, origin) => {
    const loaded = load(world)
    expect<unknown>(kinds(loaded.config)).toEqual(expected)
    expect(loaded.origins.get('listenPort')).toBe(origin)
  })

  test.each<[string, World]>([
    ['empty flag', { flags: { listenPort: '' }, toml: 'listen_port = 4' }],
    ['empty variable', { env: { LISTEN_PORT: '' }, toml: 'listen_port = 4' }],
    ['blank variable', { env: { LISTEN_PORT: ' \t' }, toml: 'listen_port = 4' }],
    ['empty line of .env', { dotEnv: 'LISTEN_PORT=\n', toml: 'listen_port = 4' }],
  ])('an %s is unset', (_name, world) => {
    expect(config(world).listenPort).toBe(4)
  })

  test('an empty text of the file is unset', () => {
    expect(config({ toml: 'primary_model = ""' }).primaryModel).toBe('GLM-4.5')
  })

  test('an invalid value that is overridden is no error', () => {
    expect(config({ flags: { listenPort: '1' }, env: { LISTEN_PORT: 'x' } }).listenPort).toBe(1)
  })

  test('an unknown variable of the environment is ignored', () => {
    expect(config({ env: { LISTEN_PROT: 'x' }, dotEnv: 'OTHER=1' })).toEqual(config())
  })
})

describe('the configuration file', () => {
  const files = { '/srv/a.toml': 'listen_port = 5', '/etc/b.toml': 'listen_port = 6' }
  test.each<[string, World, number]>([
    ['is named by --config, relative to the working directory', { flags: { config: 'a.toml' }, files }, 5],
    [
      'is named by --config before ZAI2API_CONFIG',
      { flags: { config: 'a.toml' }, env: { ZAI2API_CONFIG: '/etc/b.toml' }, files },
      5,
    ],
    ['is named by ZAI2API_CONFIG', { env: { ZAI2API_CONFIG: '/etc/b.toml' }, files }, 6],
    ['is named by ZAI2API_CONFIG of .env', { dotEnv: 'ZAI2API_CONFIG=/etc/b.toml', files }, 6],
    ['replaces ./zai2api.toml', { flags: { config: 'a.toml' }, toml: 'listen_port = 7', files }, 5],
    ['is ./zai2api.toml where nothing is named', { flags: { config: '' }, toml: 'listen_port = 7', files }, 7],
  ])('%s', (_name, world, port) => {
    expect(config(world).listenPort).toBe(port)
  })

  test.each<[string, World, string]>([
    [
      'must exist where it is named',
      { flags: { config: 'nowhere.toml' } },
      'configuration file /srv/nowhere.toml does not exist; --config and ZAI2API_CONFIG name a TOML file',
    ],
    [
      'must be TOML',
      { toml: 'a = = 1' },
      "/srv/zai2api.toml is not TOML: TOML Parse error: Expected a value but found '='",
    ],
    [
      'has no value of another type',
      { toml: 'listen_port = true' },
      'listen_port in /srv/zai2api.toml is true but must be a whole number from 0 to 65535',
    ],
    [
      'has no list where one value is wanted',
      { toml: 'host = ["a"]' },
      'host in /srv/zai2api.toml is ["a"] but must be a host name or an IP address',
    ],
    [
      'has no nested keys',
      { toml: '[zai_token]\na = 1' },
      'zai_token in /srv/zai2api.toml must be keys of printable ASCII, separated by commas',
    ],
  ])('%s', (_name, world, expected) => {
    expect(errorOf(world)).toBe(expected)
  })

  test('refuses an unknown key, suggests the nearest one and lists all', () => {
    const message = errorOf({ toml: 'listen_prot = 1' })
    expect(message).toStartWith(
      'unknown key listen_prot in /srv/zai2api.toml; did you mean listen_port? allowed: host, listen_port, reuse_port, cors_origins, ',
    )
    for (const setting of settingList) expect(message).toContain(tomlKeyOf(setting))
    expect(message).not.toContain('\n')
    expect(errorOf({ toml: 'entirely_else = 1' })).toStartWith(
      'unknown key entirely_else in /srv/zai2api.toml; allowed: host, ',
    )
  })

  test('stops the start when it cannot be read', () => {
    const readFile = () => {
      throw new Error('EISDIR: illegal operation\non a directory')
    }
    expect(() => loadConfig(new Map(), { env: {}, cwd: '/srv', readFile }, upstreamKinds)).toThrow(
      new UsageError('/srv/.env cannot be read: EISDIR: illegal operation'),
    )
  })
})

// Names of models are printed and passed to shells and clients.
test.each(['a\u001b[2J', 'a\u009b2J', 'a\u202eb', 'a\u200b', 'a\u0007'])('%j is no name of a model', (name) => {
  expect(errorOf({ env: { PRIMARY_MODEL: name } })).toContain('must be a name without spaces')
  expect(errorOf({ env: { MODEL_MAP: JSON.stringify({ a: name }) } })).toContain('must be name=model pairs')
  expect(errorOf({ env: { MODEL_MAP: JSON.stringify({ [name]: 'a' }) } })).toContain('must be name=model pairs')
  expect(errorOf({ env: { ZAI_MODELS: JSON.stringify([{ id: name }]) } })).toContain('ZAI_MODELS')
})

test('an error message is one line, whatever the value contains', () => {
  expect(errorOf({ toml: '"a\\nb\\u001b[2J" = 1' })).toStartWith(
    'unknown key a\\u000ab\\u001b[2J in /srv/zai2api.toml; allowed: host, ',
  )
})

describe('.env', () => {
  test.each([
    ['plain', 'PRIMARY_MODEL=GLM-4.6', 'GLM-4.6'],
    ['in double quotes', 'PRIMARY_MODEL="GLM-4.6"', 'GLM-4.6'],
    ['in single quotes', "PRIMARY_MODEL='GLM#4.6'", 'GLM#4.6'],
    ['before a comment', 'PRIMARY_MODEL=GLM-4.6 # the new one', 'GLM-4.6'],
    ['exported', 'export PRIMARY_MODEL=GLM-4.6', 'GLM-4.6'],
    ['with spaces around', ' PRIMARY_MODEL = GLM-4.6 ', 'GLM-4.6'],
    ['with Windows line ends', 'HOST=::1\r\nPRIMARY_MODEL=GLM-4.6\r\n', 'GLM-4.6'],
  ])('a value %s is read', (_name, dotEnv, expected) => {
    expect(config({ dotEnv }).primaryModel).toBe(expected)
  })

  test('several tokens may stand on lines of their own', () => {
    expect(config({ dotEnv: 'ZAI_TOKEN="one\ntwo\n"\n' }).zaiTokens).toEqual(['one', 'two'])
  })
})

describe('a value is understood:', () => {
  test.each<[string, boolean]>([
    ['true', true],
    ['TRUE', true],
    ['1', true],
    ['yes', true],
    ['On', true],
    ['false', false],
    ['0', false],
    ['No', false],
    ['off', false],
  ])('TOOL_SUPPORT=%s', (text, expected) => {
    expect(config({ env: { TOOL_SUPPORT: text } }).toolSupport).toBe(expected)
  })

  test.each<[string, string, SettingName, unknown]>([
    ['LOG_LEVEL', 'WARN', 'logLevel', 'warn'],
    ['LISTEN_PORT', ' 0 ', 'listenPort', 0],
    ['ZAI_TOKEN', 'a, b\nc\td,,a', 'zaiTokens', ['a', 'b', 'c', 'd']],
    ['CORS_ORIGINS', '*', 'corsOrigins', ['*']],
    ['CORS_ORIGINS', 'https://a.example, tauri://localhost', 'corsOrigins', ['https://a.example', 'tauri://localhost']],
    ['UPSTREAMS', 'demo,zai-web', 'upstreams', [{ id: 'demo' }, { id: 'zai-web' }]],
    [
      'MODEL_MAP',
      'claude-opus-*=GLM-4.7, gpt-4o=GLM-4.5',
      'modelMap',
      { 'claude-opus-*': 'GLM-4.7', 'gpt-4o': 'GLM-4.5' },
    ],
    ['MODEL_MAP', '{"gpt-4o": "GLM-4.5"}', 'modelMap', { 'gpt-4o': 'GLM-4.5' }],
    ['API_ENDPOINT', 'http://127.0.0.1:9/api?v=2', 'apiEndpoint', 'http://127.0.0.1:9/api?v=2'],
    ['HOST', '::1', 'host', '::1'],
    ['ZAI_API_KEY', 'a.b, c.d', 'zaiApiKeys', ['a.b', 'c.d']],
    ['ZAI_API_BASE', 'bigmodel-coding', 'zaiApiBase', 'bigmodel-coding'],
    ['ZAI_API_BASE', 'http://127.0.0.1:9/x/v4', 'zaiApiBase', 'http://127.0.0.1:9/x/v4'],
    ['AUTH_TOKEN', ' sk-x \n', 'authToken', 'sk-x'],
  ])('%s=%j', (variable, text, name, expected) => {
    expect<unknown>(config({ env: { [variable]: text } })[name]).toEqual(expected)
  })

  test('TOML values have native types', () => {
    const toml = 'zai_token = ["a", "b"]\nupstreams = "demo"\nkeepalive_ms = 500\nzai_sign = "no"'
    const { zaiTokens, upstreams, keepaliveMs, zaiSign } = config({ toml })
    expect([zaiTokens, upstreams, keepaliveMs, zaiSign]).toEqual([['a', 'b'], [{ id: 'demo' }], 500, false])
  })
})

describe('[[upstreams]]', () => {
  const row = {
    id: 'home',
    kind: 'openai-compatible' as const,
    base: 'http://127.0.0.1:8000/v1',
    keys: ['k-secret-1234'],
  }
  const toml =
    '[[upstreams]]\nid = "home"\nkind = "openai-compatible"\nbase = "http://127.0.0.1:8000/v1"\nkeys = ["k-secret-1234"]\n'

  test('are tried in their order, from the file or from JSON, the built-in ones by name', () => {
    const upstreams: Config['upstreams'] = [{ id: 'home', row }, { id: 'zai-web' }]
    expect(config({ toml: `${toml}[[upstreams]]\nid = "zai-web"\n` }).upstreams).toEqual(upstreams)
    expect(config({ env: { UPSTREAMS: JSON.stringify([row, 'zai-web']) } }).upstreams).toEqual(upstreams)
  })

  test('have their own models, so the default models stay unset', () => {
    expect(config({ toml }).primaryModel).toBeUndefined()
  })

  test('are shown without their keys', () => {
    const shown = describeConfig(load({ toml }), { json: false })
    expect(shown).toContain('home')
    expect(shown).not.toContain('k-secret-1234')
    expect(secretsIn(config({ toml }))).toContain('k-secret-1234')
  })

  test('cause a warning for an address without TLS', () => {
    const far = toml.replace('127.0.0.1', 'box.example')
    expect(configWarnings(load({ toml: far })).map(({ message }) => message)).toEqual([
      'base of home in [[upstreams]] is plain http to box.example: whoever is on the way reads the key and the prompts; use https',
    ])
  })

  test.each([
    ['id = "home"', `upstreams[0].kind must be ${kindsWithRows(upstreamKinds)}`],
    ['id = "home"\nkind = "openai-compatible"', 'upstreams[0].base must be an http(s) URL'],
    ['id = "Home"\nkind = "zai-api"\nkeys = ["a.b"]', 'upstreams[0].id must be a name of lower-case letters'],
    ['id = "zai-api"\nkind = "zai-api"\nkeys = ["a.b"]', 'upstreams[0]: zai-api is set up by settings of its own'],
    ['id = "plan"\nkind = "zai-api"', 'upstreams[0].keys must be a list of keys'],
    ['id = "plan"\nkind = "zai-api"\nkeys = ["a.b"]\nbase = "codng"', 'upstreams[0].base must be general, coding'],
    [
      'id = "home"\nkind = "openai-compatible"\nbase = "http://h/v1"\nkey = "a"',
      'upstreams[0].key is not known; did you mean keys?',
    ],
    [
      'id = "home"\nkind = "openai-compatible"\nbase = "http://user:pass@h/v1"',
      'upstreams[0].base must be an http(s) URL',
    ],
    [
      'id = "home"\nkind = "openai-compatible"\nbase = "http://h/v1"\nreasoning = "yes"',
      'upstreams[0].reasoning must be one of template, effort and none',
    ],
  ])('an error names the field: %s', (written, message) => {
    expect(errorOf({ toml: `[[upstreams]]\n${written}\n` })).toContain(message)
  })

  test('have unique ids', () => {
    expect(errorOf({ toml: toml + toml })).toBe(
      'upstreams in /srv/zai2api.toml names home twice; each upstream needs an id of its own',
    )
  })
})

describe('[[models]]', () => {
  const row: ModelRow = { id: 'glm-5.5', context_tokens: 400_000, input: ['text', 'image'], price: { input: 0.5 } }

  test('adds rows, in the file or as JSON', () => {
    const toml =
      '[[models]]\nid = "glm-5.5"\ncontext_tokens = 400_000\ninput = ["text", "image"]\nprice = { input = 0.5 }\n'
    expect(config({ toml }).models).toEqual([row])
    expect(config({ env: { ZAI_MODELS: JSON.stringify([row]) } }).models).toEqual([row])
  })

  test.each([
    ['id = "a b"', 'models[0].id must be a name or a list of names'],
    ['context_tokens = 1', 'models[0].id must be a name or a list of names'],
    ['id = "a"\ncontext_tokens = 0', 'models[0].context_tokens must be a whole number, 1 or more'],
    ['id = "a"\ncontext_tokens = "1M"', 'models[0].context_tokens must be a whole number, 1 or more'],
    [
      'id = "a"\n[[models]]\nid = "b"\nreasoning = "yes"',
      'models[1].reasoning must be one of never, switchable, always, built-in',
    ],
    ['id = "a"\ninput = ["pictures"]', 'models[0].input[0] must be one of text, image, video, file'],
    ['id = "a"\nprice = { input = -1 }', 'models[0].price.input must be dollars for a million tokens, 0 or more'],
    [
      'id = "a"\nprice = { inptu = 1 }',
      'models[0].price.inptu is not known; did you mean input? allowed: input, cached, output',
    ],
    ['id = "a"\nreleased = "2026-02-31"', 'models[0].released must be a day such as "2026-11-24"'],
    ['id = "a"\nreleased = "2026-04-31"', 'models[0].released must be a day such as "2026-11-24"'],
    ['id = "a"\nchecked = "2026-02-29"', 'models[0].checked must be a day such as "2026-11-24"'],
    ['id = "a"\ndefault_temperature = 2.5', 'models[0].default_temperature must be a number from 0 to 2'],
    ['id = "a"\nreleased = "soon"', 'models[0].released must be a day such as "2026-11-24"'],
  ])('an error names the field: %j', (toml, message) => {
    expect(errorOf({ toml: `[[models]]\n${toml}\n` })).toBe(`models in /srv/zai2api.toml: ${message}`)
  })

  test('an unknown key gets a suggestion', () => {
    expect(errorOf({ toml: '[[models]]\nid = "a"\ncontxt_tokens = 1' })).toStartWith(
      'models in /srv/zai2api.toml: models[0].contxt_tokens is not known; did you mean context_tokens? allowed: id, ',
    )
  })

  test('a value that is no list of rows gets an example in the error', () => {
    expect(errorOf({ env: { ZAI_MODELS: '{"id":"a"}' } })).toContain('must be rows such as [{"id":"glm-5.5"')
  })
})

describe('a bad value stops the start:', () => {
  test.each<[string, string, string]>([
    ['HOST', 'http://x', 'a host name or an IP address'],
    ['HOST', '[::1]', 'a host name or an IP address'],
    ['LISTEN_PORT', '65536', 'a whole number from 0 to 65535'],
    ['LISTEN_PORT', '-1', 'a whole number from 0 to 65535'],
    ['LISTEN_PORT', '80.5', 'a whole number from 0 to 65535'],
    ['LISTEN_PORT', '8o80', 'a whole number from 0 to 65535'],
    ['CORS_ORIGINS', 'https://a.example/', '* or origins such as https://chat.example, separated by commas'],
    ['CORS_ORIGINS', 'a.example', '* or origins such as https://chat.example, separated by commas'],
    ['MAX_BODY_BYTES', '32MB', 'a whole number, 1 or more'],
    ['KEEPALIVE_MS', '10001', 'a whole number from 1 to 10000'],
    ['SHUTDOWN_MS', '1e99', 'a whole number, 0 or more'],
    ['ANONYMOUS_MODE', 'maybe', 'true or false'],
    ['PRIMARY_MODEL', 'GLM 4.5', 'a name without spaces'],
    ['MODEL_MAP', 'gpt-4o', 'name=model pairs separated by commas, or a JSON object of them'],
    ['MODEL_MAP', '{"gpt-4o": 4}', 'name=model pairs separated by commas, or a JSON object of them'],
    ['MODEL_MAP', '{"gpt-4o"', 'name=model pairs separated by commas, or a JSON object of them'],
    ['THINKING_PROCESSING', 'hide', 'think, tags, strip or raw'],
    ['UPSTREAMS', 'zai-web,openai', 'one or more of zai-web, zai-api, demo, separated by commas'],
    ['UPSTREAMS', ',', 'one or more of zai-web, zai-api, demo, separated by commas'],
    ['API_ENDPOINT', 'chat.z.ai/api', 'an http(s) URL with a path and without user name'],
    ['API_ENDPOINT', 'ftp://chat.z.ai/api', 'an http(s) URL with a path and without user name'],
    ['API_ENDPOINT', 'https://chat.z.ai', 'an http(s) URL with a path and without user name'],
    ['API_ENDPOINT', 'https://me@chat.z.ai/api', 'an http(s) URL with a path and without user name'],
    ...['plan', 'api.z.ai/api/paas/v4', 'https://api.z.ai/v1', 'https://me@api.z.ai/api/paas/v4'].map(
      (text): [string, string, string] => [
        'ZAI_API_BASE',
        text,
        'general, coding, bigmodel, bigmodel-coding or an http(s) URL that ends in /v4',
      ],
    ),
    ['ZAI_MESSAGES_MODE', 'turns', 'flatten or roles'],
    ['LOG_LEVEL', 'loud', 'debug, info, warn, error or off'],
    ['LOG_FORMAT', 'xml', 'auto, short, text or json'],
    ['MAX_CONCURRENT', '0', 'a whole number, 1 or more'],
    ['METRICS_PORT', '70000', 'a whole number from 0 to 65535'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'an http(s) URL without user name'],
  ])('%s=%s', (variable, text, allowed) => {
    expect(errorOf({ env: { [variable]: text } })).toBe(
      `environment variable ${variable} is ${JSON.stringify(text)} but must be ${allowed}`,
    )
  })

  test.each<[string, World, string]>([
    ['flag', { flags: { listenPort: 'x' } }, 'flag --port is "x" but must be a whole number from 0 to 65535'],
    ['.env', { dotEnv: 'LISTEN_PORT=x' }, 'LISTEN_PORT in /srv/.env is "x" but must be a whole number from 0 to 65535'],
    [
      'file',
      { toml: 'listen_port = "x"' },
      'listen_port in /srv/zai2api.toml is "x" but must be a whole number from 0 to 65535',
    ],
  ])('from a %s', (_name, world, expected) => {
    expect(errorOf(world)).toBe(expected)
  })

  test.each([['AUTH_TOKEN'], ['ANTHROPIC_API_KEY'], ['ZAI_API_KEY'], ['ZAI_TOKEN'], ['BACKUP_TOKEN'], ['ADMIN_TOKEN']])(
    '%s, without showing the secret',
    (variable) => {
      const message = errorOf({ env: { [variable]: 'sëcret-word' } })
      expect(message).toStartWith(`environment variable ${variable} must be `)
      expect(message).not.toContain('cret-word')
    },
  )
})

describe('one setting follows from another:', () => {
  test('the Anthropic key is AUTH_TOKEN where it is not set', () => {
    const { config, origins } = load({ env: { AUTH_TOKEN: 'sk-one' } })
    expect(config.anthropicApiKey).toBe('sk-one')
    expect(origins.get('anthropicApiKey')).toBe('environment variable AUTH_TOKEN')
    expect(load({ env: { AUTH_TOKEN: 'sk-one', ANTHROPIC_API_KEY: 'sk-two' } }).config.anthropicApiKey).toBe('sk-two')
  })

  test.each<[string, World, string[], string]>([
    ['no key', {}, ['zai-web'], 'default'],
    ['a key of the official API', { env: { ZAI_API_KEY: 'a.b' } }, ['zai-api'], 'environment variable ZAI_API_KEY'],
    [
      'a key, and UPSTREAMS says otherwise',
      { env: { ZAI_API_KEY: 'a.b' }, toml: 'upstreams = ["zai-web"]' },
      ['zai-web'],
      'upstreams in /srv/zai2api.toml',
    ],
  ])('the upstreams follow the keys: %s', (_name, world, upstreams, origin) => {
    const { config, origins } = load(world)
    expect([config.upstreams.map(({ id }) => id), origins.get('upstreams')]).toEqual([upstreams, origin])
  })

  test.each<[string, World, string | undefined, string]>([
    ['a key of the official API', { env: { ZAI_API_KEY: 'a.b' } }, undefined, 'default'],
    ['the official API first', { env: { UPSTREAMS: 'zai-api,zai-web' } }, undefined, 'default'],
    ['the official API second', { env: { UPSTREAMS: 'zai-web,zai-api' } }, 'GLM-4.5', 'default'],
    [
      'a key and a model',
      { env: { ZAI_API_KEY: 'a.b', PRIMARY_MODEL: 'glm-4.5' } },
      'glm-4.5',
      'environment variable PRIMARY_MODEL',
    ],
  ])('the primary model follows the first upstream: %s', (_name, world, primaryModel, origin) => {
    const { config, origins } = load(world)
    expect([config.primaryModel, origins.get('primaryModel')]).toEqual([primaryModel, origin])
  })

  test('the key of the example counts as unset, so a weaker source applies', () => {
    const dotEnv = 'AUTH_TOKEN=sk-your-api-key\nANTHROPIC_API_KEY=sk-your-api-key'
    expect(config({ dotEnv }).authToken).toBeUndefined()
    expect(config({ dotEnv }).anthropicApiKey).toBeUndefined()
    expect(config({ dotEnv, toml: 'auth_token = "sk-real"' }).anthropicApiKey).toBe('sk-real')
  })

  test.each<[string, World, Config['logLevel']]>([
    ['DEBUG_LOGGING alone means debug', { env: { DEBUG_LOGGING: 'true' } }, 'debug'],
    ['LOG_LEVEL is stronger', { env: { DEBUG_LOGGING: 'true', LOG_LEVEL: 'error' } }, 'error'],
    [
      'LOG_LEVEL is stronger, wherever it stands',
      { env: { DEBUG_LOGGING: 'true' }, toml: 'log_level = "info"' },
      'info',
    ],
    ['DEBUG_LOGGING=false means nothing', { env: { DEBUG_LOGGING: 'false' } }, 'info'],
  ])('%s', (_name, world, level) => {
    expect(config(world).logLevel).toBe(level)
  })

  test('the endpoint is split into base URL and path', () => {
    const { webBaseUrl, completionPath } = config({ env: { API_ENDPOINT: 'http://localhost:3001/v9/done?x=1' } })
    expect([webBaseUrl, completionPath]).toEqual(['http://localhost:3001', '/v9/done?x=1'])
  })
})

describe('the addresses to listen on:', () => {
  const zeros = (bytes: Uint8Array) => bytes.fill(0)
  test.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['localhost', true],
    ['LOCALHOST', true],
    ['0.0.0.0', false],
    ['::', false],
    ['126.0.0.1', false],
    ['128.0.0.1', false],
    ['192.168.1.2', false],
    ['::2', false],
    ['127.example.org', false],
    ['localhost.example.org', false],
  ])('%s without a key: %p', (host, ok) => {
    expect(listenPolicy(load({ flags: { host } }), zeros)).toMatchObject(ok ? { ok, open: true } : { ok })
  })

  test('every address is allowed with a key', () => {
    const keyed = load({ env: { HOST: '0.0.0.0', AUTH_TOKEN: 'sk-12345' } })
    expect(listenPolicy(keyed, zeros)).toEqual({ ok: true, open: false })
  })

  test.each<[string, Record<string, string>]>([
    ['AUTH_TOKEN', { AUTH_TOKEN: '1234567', ANTHROPIC_API_KEY: 'sk-12345' }],
    ['ANTHROPIC_API_KEY', { AUTH_TOKEN: 'sk-12345', ANTHROPIC_API_KEY: 'short' }],
    ['ADMIN_TOKEN', { AUTH_TOKEN: 'sk-12345', ADMIN_TOKEN: 'admin' }],
  ])('a key that strangers could guess is warned of: %s', (variable, env) => {
    const warnings = (host: string) =>
      configWarnings(load({ env: { HOST: host, ...env } })).map(({ message }) => message)
    expect(warnings('0.0.0.0')).toEqual([
      `${variable} has less than 8 characters: whoever reaches 0.0.0.0 can guess it soon; take a longer one`,
    ])
    expect(warnings('127.0.0.1')).toEqual([])
    expect(listenPolicy(load({ env: { HOST: '0.0.0.0', ...env } }), zeros)).toEqual({ ok: true, open: false })
  })

  test.each(['sk-', 'sk-ant-', 'Bearer sk-'])('the beginning of a key, %s, counts as no key', (key) => {
    expect(listenPolicy(load({ env: { HOST: '0.0.0.0', AUTH_TOKEN: key } }), zeros).ok).toBe(false)
  })

  test('the key of the example counts as no key', () => {
    const example = load({ env: { HOST: '0.0.0.0', AUTH_TOKEN: 'sk-your-api-key' } })
    expect(listenPolicy(example, zeros).ok).toBe(false)
  })

  test('a refusal offers a new key, in which every character is equally likely', () => {
    // 248 to 255 are skipped, because they would make the first digits more likely.
    const counting = (bytes: Uint8Array) => bytes.map((_, index) => [255, 248, 0, 61, 62, 247][index % 6] ?? 0)
    const policy = listenPolicy(load({ flags: { host: '0.0.0.0' } }), counting)
    if (policy.ok) throw new Error('listening was allowed')
    expect(policy.message.split('\n').at(-1)).toBe(`AUTH_TOKEN=sk-${'0z0z'.repeat(8)}`)
    expect(policy.message).toContain('0.0.0.0')
  })
})

function warningsOf(world: World): string[] {
  return configWarnings(load(world)).map(({ message }) => message)
}

describe('a file with keys that every user can read', () => {
  const warning = (path: string) => `${path} holds keys, and every user of this machine can read it: chmod 600 ${path}`
  const warningsAt = (world: World, isOpenToAll: (path: string) => boolean) =>
    configWarnings(load(world, isOpenToAll)).map(({ message }) => message)

  test.each<[string, World, string]>([
    ['a key of an upstream', { toml: 'zai_api_key = "a.b"' }, '/srv/zai2api.toml'],
    ['the key of the gateway', { toml: 'auth_token = "sk-open-sesame"' }, '/srv/zai2api.toml'],
    ['a key of a row', { toml: '[[upstreams]]\nid = "x"\nkind = "zai-api"\nkeys = ["a.b"]' }, '/srv/zai2api.toml'],
    ['a token in .env', { dotEnv: 'ZAI_TOKEN=token' }, '/srv/.env'],
  ])('is warned of: %s', (_name, world, path) => {
    expect(warningsAt(world, () => true)).toContain(warning(path))
    expect(warningsAt(world, () => false)).toEqual([])
  })

  test('is no matter without keys', () => {
    expect(warningsAt({ toml: 'listen_port = 9000', dotEnv: 'ZAI_API_KEY=' }, () => true)).toEqual([])
  })
})

describe('a name in .env that is no setting', () => {
  const idle = 'in /srv/.env is not a setting and has no effect'
  test.each([
    ['AUTHTOKEN', 'AUTH_TOKEN'],
    ['AUTH_TOKNE', 'AUTH_TOKEN'],
    ['auth_token', 'AUTH_TOKEN'],
    ['UPSTREAM', 'UPSTREAMS'],
    ['ZAI_APIKEY', 'ZAI_API_KEY'],
    ['ZAI_TOKENS', 'ZAI_TOKEN'],
    ['PORT', 'LISTEN_PORT'],
    ['ZAI2API_CONFG', 'ZAI2API_CONFIG'],
  ])('%s causes a warning that suggests %s', (name, nearest) => {
    expect(warningsOf({ dotEnv: `HOST=::1\n${name}=sk-secret\n` })).toEqual([
      `${name} ${idle}; did you mean ${nearest}?`,
    ])
  })

  test('causes a warning without a suggestion if only its prefix is known', () => {
    expect(warningsOf({ dotEnv: 'ZAI_SOMETHING_ELSE=1' })).toEqual([`ZAI_SOMETHING_ELSE ${idle}`])
  })

  test.each([
    [
      'one of another program',
      'OPENAI_API_KEY=1\nANTHROPIC_BASE_URL=1\nANTHROPIC_AUTH_TOKEN=1\nDATABASE_URL=1\nHOME=1',
    ],
    ['one for the clients', 'ZAI2API_KEY=1'],
    ['a setting', 'AUTH_TOKEN=1\nZAI2API_CONFIG='],
  ])('is not %s', (_name, dotEnv) => {
    expect(warningsOf({ dotEnv })).toEqual([])
  })

  test('causes no warning in the environment, which holds names of other programs', () => {
    expect(warningsOf({ env: { AUTHTOKEN: 'sk-x', ZAI_NOTHING: '1', ZAI2API_KEY: 'k' } })).toEqual([])
  })

  test.each(['ZAI_APIKEY', 'ZAI_API_KEYS', 'Z_AI_API_KEY'])(
    '%s in the environment causes a warning, unless the setting it resembles is set',
    (name) => {
      const expected = `environment variable ${name} is not a setting and has no effect; did you mean ZAI_API_KEY?`
      expect(warningsOf({ env: { [name]: 'a.b' } })).toEqual([expected])
      expect(warningsOf({ env: { [name]: 'a.b', ZAI_API_KEY: 'a.b' } })).toEqual([])
    },
  )
})

describe('CORS_ORIGINS=*', () => {
  test.each([
    ['causes a warning without AUTH_TOKEN', {}, ['CORS_ORIGINS=* needs AUTH_TOKEN']],
    ['is accepted with AUTH_TOKEN', { AUTH_TOKEN: 'sk-x' }, []],
  ])('%s', (_name, env, expected) => {
    expect(warningsOf({ env: { CORS_ORIGINS: '*', ...env } })).toEqual(
      expected.map((begin) => expect.stringContaining(begin)),
    )
  })

  test('is not warned about if the origins are named', () => {
    expect(warningsOf({ env: { CORS_ORIGINS: 'https://ui.example' } })).toEqual([])
  })
})

describe('an address without TLS', () => {
  const api = { ZAI_API_KEY: 'a.b', UPSTREAMS: 'zai-api' }
  test.each<[string, Record<string, string>, string[]]>([
    [
      'of an upstream',
      { ...api, ZAI_API_BASE: 'http://api.example/v4' },
      ['ZAI_API_BASE is plain http to api.example'],
    ],
    [
      'in a private network',
      { ...api, ZAI_API_BASE: 'http://10.0.0.9:8000/v4' },
      ['ZAI_API_BASE is plain http to 10.0.0.9'],
    ],
    [
      'of the web chat',
      { UPSTREAMS: 'zai-web', API_ENDPOINT: 'http://chat.example/c' },
      ['API_ENDPOINT is plain http'],
    ],
    [
      'of the collector',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel.example' },
      ['OTEL_EXPORTER_OTLP_ENDPOINT is plain'],
    ],
    ['of this machine', { ...api, ZAI_API_BASE: 'http://127.0.0.1:8000/v4' }, []],
    ['of this machine by name', { ...api, ZAI_API_BASE: 'http://localhost:8000/v4' }, []],
    ['of this machine, IPv6', { ...api, ZAI_API_BASE: 'http://[::1]:8000/v4' }, []],
    ['with TLS', { ...api, ZAI_API_BASE: 'https://api.example/v4' }, []],
    ['that nobody uses', { UPSTREAMS: 'demo', ZAI_API_BASE: 'http://api.example/v4' }, []],
  ])('%s', (_what, env, expected) => {
    expect(warningsOf({ env })).toEqual(expected.map((begin) => expect.stringContaining(begin)))
  })
})

describe('a proxy that would be bypassed:', () => {
  test.each([['ALL_PROXY'], ['all_proxy'], ['HTTPS_PROXY'], ['https_proxy'], ['HTTP_PROXY'], ['http_proxy']])(
    '%s naming SOCKS is a problem',
    (variable) => {
      expect(proxyVariableProblem({ [variable]: 'socks5h://127.0.0.1:1080' })).toStartWith(
        `environment variable ${variable} names a SOCKS proxy`,
      )
    },
  )

  test.each([[{}], [{ ALL_PROXY: '' }], [{ ALL_PROXY: 'http://127.0.0.1:3128' }], [{ HTTP_PROXY: undefined }]])(
    '%j is none',
    (env) => {
      expect(proxyVariableProblem(env)).toBeUndefined()
    },
  )
})

describe('a typing error', () => {
  const words = ['serve', 'demo', 'models', 'config', 'version']
  test.each([
    ['srve', 'did you mean serve? '],
    ['sevre', 'did you mean serve? '],
    ['modles', 'did you mean models? '],
    ['Model', 'did you mean models? '],
    ['versions', 'did you mean version? '],
    ['xyzzy', ''],
    ['', ''],
  ])('%s: %j', (word, expected) => {
    expect(didYouMean(word, words)).toBe(expected)
  })
})

describe('the role of a setting', () => {
  const roles = (setting: Setting) => [credentialOf(setting), addressOf(setting)]

  test('is credential for all secrets and for nothing else', () => {
    expect(settingList.filter((setting) => setting.role === undefined)).toEqual([])
    const credentials = settingList.filter((setting) => credentialOf(setting) !== undefined)
    expect(credentials.map(({ env }) => env)).toEqual(settingList.filter(({ secret }) => secret).map(({ env }) => env))
  })

  test('is not plain for a setting that holds an address, a host, a path or a secret', () => {
    const telling = /url|host|where|key|http/i
    const known = ['ALLOW_QUERY_KEY', 'CORS_ORIGINS', 'MCP_SERVERS', 'ZAI_SIGNING_KEY']
    const silent = settingList.filter(
      ({ env, kind, role }) =>
        role === 'plain' &&
        !known.includes(env) &&
        (telling.test(`${kind.placeholder} ${kind.allowed}`) ||
          /(KEY|TOKEN|SECRET|URL|BASE|ENDPOINT|HOST|_PORT)S?$/.test(env)),
    )
    // Whether a port is shared, and a local port to which nothing is sent.
    expect(silent.map(({ env }) => env)).toEqual(['REUSE_PORT', 'METRICS_PORT'])
  })

  test('is address for at least one setting of every destination with a credential', () => {
    const destinations = new Set(settingList.flatMap((setting) => credentialOf(setting) ?? []))
    const addressed = new Set<unknown>(settingList.flatMap((setting) => addressOf(setting) ?? []))
    expect([...destinations].filter((destination) => !addressed.has(destination))).toEqual([])
  })

  test('is plain for most', () => {
    expect(roles(settings.logLevel)).toEqual([undefined, undefined])
    expect(roles(settings.zaiApiKeys)).toEqual(['zai-api', undefined])
    expect(roles(settings.upstreams)).toEqual([undefined, 'prompts'])
  })
})

describe('the documents about the settings', () => {
  test('.env.example is what envExample writes', async () => {
    expect(await Bun.file('.env.example').text()).toBe(envExample())
  })

  test('.env.example changes nothing as it stands', () => {
    expect(config({ dotEnv: envExample() })).toEqual(config())
    expect(parseEnv(envExample())).toEqual({})
  })

  test('.env.example shows every default: uncommented, it changes nothing either', () => {
    const uncommented = envExample().replace(/^#(?=[A-Z_]+=)/gm, '')
    expect(Object.keys(parseEnv(uncommented))).toEqual(settingList.map(({ env }) => env))
    expect(config({ dotEnv: uncommented })).toEqual(config())
  })

  test('the table of the README has one row a setting', () => {
    const [head, , ...rows] = configurationTable().trimEnd().split('\n')
    expect(head).toBe('| Variable | Flag | Default | Meaning |')
    expect(rows.map((row) => row.split('`')[1])).toEqual(settingList.map(({ env }) => env))
    for (const row of rows) expect(row.replaceAll('\\|', '').split('|')).toHaveLength(6)
    expect(rows[1]).toBe(
      '| `LISTEN_PORT` | `--port` | `8080` | Port to listen on; 0 takes a free one. Must be a whole number from 0 to 65535. |',
    )
  })

  test('no secret has a flag or a default, and no name is taken twice', () => {
    const secret = settingList.filter((setting) => setting.secret)
    expect(secret.map(({ env }) => env)).toEqual([
      'AUTH_TOKEN',
      'ANTHROPIC_API_KEY',
      'ADMIN_TOKEN',
      'ZAI_API_KEY',
      'ZAI_TOKEN',
      'BACKUP_TOKEN',
      'OTEL_EXPORTER_OTLP_HEADERS',
    ])
    expect(secret.map(flagOf)).toEqual(secret.map(() => undefined))
    expect(secret.map((setting) => setting.default)).toEqual(secret.map(() => ''))
    const flags = settingList.flatMap((setting) => flagOf(setting) ?? [])
    expect(new Set(flags).size).toBe(settingList.length - secret.length)
    expect(flagOf(settings.listenPort)).toBe('port')
  })
})

test('the address of a database is shown without its password, which counts as a secret', () => {
  const env = { DATABASE_URL: 'postgres://ann:the-password@db.example/zai2api' }
  expect(describeConfig(load({ env }), { json: false })).toContain('postgres://ann:***@db.example/zai2api ')
  expect(secretsIn(config({ env }))).toContain('the-password')
  expect(describeConfig(load({ env: { DATABASE_URL: 'sqlite:x y.sqlite' } }), { json: true })).toContain(
    'sqlite:x y.sqlite',
  )
})
