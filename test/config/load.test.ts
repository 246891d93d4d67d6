import { describe, expect, test } from 'bun:test'
import { parseEnv } from 'node:util'
import { describeConfig } from '../../src/cli/commands/config.ts'
import { configurationTable, envExample } from '../../src/config/documents.ts'
import type { Config } from '../../src/config/load.ts'
import { configWarnings } from '../../src/config/policy.ts'
import { proxyVariableProblem } from '../../src/config/proxy-variables.ts'
import { secretsIn } from '../../src/config/secrets.ts'
import type { Setting } from '../../src/config/setting.ts'
import { addressOf, credentialOf, flagOf, settingList, settings } from '../../src/config/table.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { config, errorOf, load, type World } from './loading.ts'

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

function warningsOf(world: World): string[] {
  return configWarnings(load(world)).map(({ message }) => message)
}

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
