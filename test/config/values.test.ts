import { describe, expect, test } from 'bun:test'
import type { Config } from '../../src/config/load.ts'
import { configWarnings, listenPolicy } from '../../src/config/policy.ts'
import type { SettingName } from '../../src/config/table.ts'
import { didYouMean } from '../../src/config/usage-error.ts'
import { config, errorOf, load, type World } from './loading.ts'

// Names of models are printed and passed to shells and clients.
test.each(['a\u001b[2J', 'a\u009b2J', 'a\u202eb', 'a\u200b', 'a\u0007'])('%j is no name of a model', (name) => {
  expect(errorOf({ env: { PRIMARY_MODEL: name } })).toContain('must be a name without spaces')
  expect(errorOf({ env: { MODEL_MAP: JSON.stringify({ a: name }) } })).toContain('must be name=model pairs')
  expect(errorOf({ env: { MODEL_MAP: JSON.stringify({ [name]: 'a' }) } })).toContain('must be name=model pairs')
  expect(errorOf({ env: { ZAI_MODELS: JSON.stringify([{ id: name }]) } })).toContain('ZAI_MODELS')
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
