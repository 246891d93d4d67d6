import { describe, expect, test } from 'bun:test'
import { reloader } from '../../src/cli/reload.ts'
import type { Config, LoadedConfig } from '../../src/config/load.ts'
import { UsageError } from '../../src/config/usage-error.ts'
import type { Log } from '../../src/observe/log.ts'
import { loadedFrom } from './reloading.ts'

function logTo(lines: string[]): Log {
  const write = (message: string, facts: object = {}) => void lines.push(`${message} ${JSON.stringify(facts)}`)
  return { debug: write, info: write, warn: write, error: write }
}

function setUp(first: Record<string, string>, next: () => LoadedConfig) {
  const lines: string[] = []
  const applied: Config[] = []
  const reload = reloader({
    loaded: loadedFrom(first),
    load: next,
    apply: (config) => void applied.push(config),
    log: logTo(lines),
  })
  return { lines, applied, reload }
}

describe('a reload', () => {
  test('names what has changed, and no value', async () => {
    const { lines, applied, reload } = setUp({ ZAI_API_KEY: 'old' }, () => loadedFrom({ ZAI_API_KEY: 'new-secret' }))
    reload(true)
    expect(applied.map(({ zaiApiKeys }) => zaiApiKeys)).toEqual([['new-secret']])
    expect(lines).toEqual(['configuration reloaded {"changed":"ZAI_API_KEY"}'])
  })

  test('says what needs a restart', async () => {
    const { lines, applied, reload } = setUp({}, () => loadedFrom({ LISTEN_PORT: '9', LOG_LEVEL: 'debug' }))
    reload(true)
    expect(applied).toHaveLength(1)
    expect(lines.at(-1)).toBe('takes effect after a restart only {"settings":"LISTEN_PORT"}')
  })

  test('keeps the old configuration if the new one cannot be used, and logs why', async () => {
    const { lines, applied, reload } = setUp({}, () => {
      throw new UsageError('QUEUE_MS in .env is "x" but must be a whole number')
    })
    reload(true)
    expect(applied).toEqual([])
    expect(lines).toEqual([expect.stringContaining('must be a whole number')])
  })

  test('without a change is silent for a file, and logged for a signal', async () => {
    const { lines, applied, reload } = setUp({}, () => loadedFrom({}))
    reload(true)
    expect([applied.length, lines.length]).toEqual([0, 0])
    reload(false)
    expect(applied).toHaveLength(1)
    expect(lines).toEqual(['configuration reloaded {"changed":"nothing"}'])
  })
})

describe('a reload gives up no protection and sends no prompts elsewhere:', () => {
  const both = { ZAI_API_KEY: 'a.b', ZAI_TOKEN: 'own', UPSTREAMS: 'zai-api,zai-web' }
  const onePrivate = { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'https://models.example/v4' }
  test.each<[string, Record<string, string>, Record<string, string>, string]>([
    [
      'the key of a server that others reach',
      { HOST: '0.0.0.0', AUTH_TOKEN: 'sk-one-key' },
      {},
      'AUTH_TOKEN is gone, and a server with a key does not go on without it',
    ],
    [
      'the key of one on loopback',
      { AUTH_TOKEN: 'sk-one' },
      { LOG_LEVEL: 'debug' },
      'AUTH_TOKEN is gone, and a server with a key does not go on without it',
    ],
    [
      'most of the key',
      { AUTH_TOKEN: 'sk-one-and-two' },
      { AUTH_TOKEN: 'sk-o' },
      'AUTH_TOKEN is the beginning of what it was, as in a file that is cut off',
    ],
    [
      'most of one key of two',
      { ZAI_API_KEY: 'ab.cd,ef.gh' },
      { ZAI_API_KEY: 'ab.cd,ef.' },
      'ZAI_API_KEY is the beginning of what it was, as in a file that is cut off',
    ],
    [
      'the key, for a placeholder',
      { AUTH_TOKEN: 'sk-one' },
      { AUTH_TOKEN: 'changeme' },
      'AUTH_TOKEN is gone, and a server with a key does not go on without it',
    ],
    [
      'the key of the API, whose prompts guests would have',
      { ZAI_API_KEY: 'a.b' },
      {},
      'prompts for zai-api at https://api.z.ai would go to zai-web at https://chat.z.ai',
    ],
    [
      'the demo, for a first key',
      { UPSTREAMS: 'demo' },
      { ZAI_API_KEY: 'a.b' },
      'prompts for demo on this machine would go to zai-api at https://api.z.ai',
    ],
    [
      'the own account, for another',
      { ZAI_TOKEN: 'own' },
      { ZAI_API_KEY: 'a.b' },
      'prompts for zai-web at https://chat.z.ai would go to zai-api at https://api.z.ai',
    ],
    [
      'one upstream of two',
      both,
      { ...both, UPSTREAMS: 'zai-web' },
      'prompts for zai-api at https://api.z.ai would go to zai-web at https://chat.z.ai',
    ],
    [
      'the demo',
      { UPSTREAMS: 'demo' },
      {},
      'prompts for demo on this machine would go to zai-web at https://chat.z.ai',
    ],
    [
      'an address of one’s own',
      onePrivate,
      { ZAI_API_KEY: 'a.b' },
      'prompts for zai-api at https://models.example would go to zai-api at https://api.z.ai',
    ],
    [
      'a mirror of the site',
      { API_ENDPOINT: 'https://mirror.example/api' },
      {},
      'prompts for zai-web at https://mirror.example would go to zai-web at https://chat.z.ai',
    ],
    [
      'the keys of one upstream of two',
      both,
      { ZAI_TOKEN: 'own', UPSTREAMS: 'zai-api,zai-web' },
      'ZAI_API_KEY is gone, and others would get the prompts that went by it',
    ],
    [
      'the own account, for guests',
      { ZAI_TOKEN: 'own' },
      {},
      'ZAI_TOKEN is gone, and others would get the prompts that went by it',
    ],
    [
      'most of an origin',
      { CORS_ORIGINS: 'https://chat.example.org' },
      { CORS_ORIGINS: 'https://chat.example' },
      'CORS_ORIGINS is the beginning of what it was, as in a file that is cut off',
    ],
    ...[
      ['RATE_LIMIT_RPM', '60', '0'],
      ['RATE_LIMIT_TPM', '60000', '0'],
      ['LOOP_LIMIT', '500', '10000'],
      ['MAX_CONCURRENT', '5', '4000'],
      ['MAX_BODY_BYTES', '1000', '33554432'],
      ['QUEUE_LIMIT', '0', '100'],
      ['ANONYMOUS_MODE', 'false', 'true'],
      ['WEB_SEARCH', 'off', 'auto'],
    ].map(([name = '', before = '', after]): [string, Record<string, string>, Record<string, string>, string] => [
      name,
      { [name]: before },
      {},
      `${name} would go from ${before} to ${after}, and a running server gives up no protection`,
    ]),
    [
      'a limit, by a word',
      { RATE_LIMIT_RPM: '60' },
      { RATE_LIMIT_RPM: '0' },
      'RATE_LIMIT_RPM would go from 60 to 0, and a running server gives up no protection',
    ],
  ])('%s', (_name, first, next, reason) => {
    for (const quietly of [true, false]) {
      const { lines, applied, reload } = setUp(first, () => loadedFrom(next))
      reload(quietly)
      expect(applied).toEqual([])
      expect(lines).toEqual([
        `the new configuration cannot be used; going on with the old one ${JSON.stringify({
          reason: `${reason}; if that is meant, restart zai2api`,
        })}`,
      ])
    }
  })

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['another key', { AUTH_TOKEN: 'sk-one' }, { AUTH_TOKEN: 'sk-two' }],
    ['a first key', {}, { AUTH_TOKEN: 'sk-two' }],
    ['a first key of the API, in place of guests', {}, { ZAI_API_KEY: 'a.b' }],
    ['an account of one’s own, in place of guests', {}, { ZAI_TOKEN: 'own' }],
    ['a longer key', { AUTH_TOKEN: 'sk-one' }, { AUTH_TOKEN: 'sk-one-and-two' }],
    ['one key of the API less', { ZAI_API_KEY: 'ab.cd,ab' }, { ZAI_API_KEY: 'ab' }],
    ['another key of the API', { ZAI_API_KEY: 'a.b,c.d' }, { ZAI_API_KEY: 'e.f' }],
    ['one more upstream', { ZAI_API_KEY: 'a.b' }, { ZAI_API_KEY: 'a.b', UPSTREAMS: 'zai-api,zai-web' }],
    ['another order', both, { ...both, UPSTREAMS: 'zai-web,zai-api' }],
    ['another service of the same host', { ZAI_API_KEY: 'a.b' }, { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'coding' }],
    ['the loss of a token nobody used', { ...both, UPSTREAMS: 'zai-api' }, { ZAI_API_KEY: 'a.b' }],
    // The listen address takes effect at the next start, which will need a key.
    ['a higher limit', { RATE_LIMIT_RPM: '60' }, { RATE_LIMIT_RPM: '90' }],
    ['a lower limit', { RATE_LIMIT_RPM: '60', MAX_CONCURRENT: '9000' }, { RATE_LIMIT_RPM: '6' }],
    ['a first limit', {}, { RATE_LIMIT_RPM: '60', ANONYMOUS_MODE: 'false', WEB_SEARCH: 'off', LOOP_LIMIT: '100' }],
    ['one more origin', { CORS_ORIGINS: 'https://a.example' }, { CORS_ORIGINS: 'https://a.example,https://b.example' }],
    ['an address for the next start', {}, { HOST: '0.0.0.0' }],
  ])('but applies %s', (_name, first, next) => {
    const { lines, applied, reload } = setUp(first, () => loadedFrom(next))
    reload(true)
    expect(applied).toHaveLength(1)
    expect(lines[0]).toStartWith('configuration reloaded')
  })

  test('and says nothing once the file is whole again', () => {
    let next: Record<string, string> = {}
    const { lines, applied, reload } = setUp({ AUTH_TOKEN: 'sk-one' }, () => loadedFrom(next))
    reload(true)
    next = { AUTH_TOKEN: 'sk-one' }
    reload(true)
    expect([lines.length, applied.length]).toEqual([1, 0])
  })
})
