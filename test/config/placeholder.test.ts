import { describe, expect, test } from 'bun:test'
import { envExample } from '../../src/config/documents.ts'
import { loadConfig } from '../../src/config/load.ts'
import { isPlaceholder } from '../../src/config/placeholder.ts'
import { listenPolicy, newKey } from '../../src/config/policy.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { documentsOf, readmes } from '../support/readme.ts'

test.each([
  ...[
    'sk-your-api-key',
    'your-api-key',
    'YOUR_API_KEY',
    'your-auth-token',
    'your-anthropic-token',
    'your-token',
    'yourkey',
  ],
  ...['sk-your-real-key-here', 'your.api.key', '"your-api-key"', 'Bearer your-key', 'zai-your-key'],
  ...['changeme', 'CHANGE_ME', 'change-me', 'change-this-key', 'ChangeIt', 'replace-me', 'replace-with-a-real-key'],
  ...['insert-key', 'paste-your-key', 'put-key-here', 'token-here', 'add_key_here', 'set-me', 'generate-one'],
  ...[
    'xxx',
    'XXXX',
    'sk-xxxxxxxxxxxxxxxx',
    'sk-ant-xxxx',
    'xxxxxxxx.xxxxxxxx',
    'xxxx-xxxx-xxxx',
    '***',
    '......',
    '000000',
  ],
  ...[
    '<key>',
    '<your key>',
    '[token]',
    '{API_KEY}',
    '(key)',
    '$AUTH_TOKEN',
    `\${AUTH_TOKEN}`,
    '%AUTH_TOKEN%',
    '$env:KEY',
  ],
  ...['placeholder', 'sk-placeholder', 'todo', 'TBD', 'fixme', 'none', 'null', 'undefined', 'dummy', 'example-key'],
  ...['api-key', 'API_KEY', 'api_token', 'auth-token', 'anything'],
])('%s is a placeholder', (text) => {
  expect(isPlaceholder(text)).toBe(true)
})

test.each([
  ...['sk-x', 'sk-one', '1', 'key', 'secret', 'test', 'plan', '123456', 'a.b', 'id0123.secret', 'abcdef', "sk-it's"],
  ...['tomorrow-comes-the-sun', 'yours-truly', 'exchange-rate', 'heresy', 'bench-key-00000000', 'setter', 'xylophone'],
  ...['0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp', 'eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IngifQ.xxxxxx'],
])('%s counts as a key, even if it is weak', (text) => {
  expect(isPlaceholder(text)).toBe(false)
})

test('no generated key is a placeholder', () => {
  for (let round = 0; round < 500; round++)
    expect(isPlaceholder(newKey((bytes) => crypto.getRandomValues(bytes)))).toBe(false)
})

test('every key in the documents is a placeholder', async () => {
  const files = readmes.flatMap(({ file }) => documentsOf(file))
  const documents = [envExample(), ...(await Promise.all(files.map((file) => Bun.file(file).text())))]
  const shown = documents.flatMap((text) => [
    ...text.matchAll(/(?:AUTH_TOKEN|_API_KEY|[^_]ZAI_TOKEN)=(['"]?)([!-~]+?)\1(?=[\s`]|$)/gm),
  ])
  const keys = new Set(shown.map(([, , key = '']) => key).filter((key) => !/^(\.\.\.|…)?$/.test(key)))
  expect(keys.size).toBeGreaterThan(0)
  expect([...keys].filter((key) => !isPlaceholder(key))).toEqual([])
})

describe('a placeholder', () => {
  const load = (env: Record<string, string>, dotEnv = '', toml = '') =>
    loadConfig(
      new Map(),
      {
        env,
        cwd: '/srv',
        readFile: (path) => ({ '/srv/.env': dotEnv, '/srv/zai2api.toml': toml })[path],
      },
      upstreamKinds,
    )

  test.each<[string, Parameters<typeof load>, string]>([
    ['the environment', [{ AUTH_TOKEN: 'changeme' }], 'environment variable AUTH_TOKEN'],
    ['.env', [{}, 'AUTH_TOKEN=sk-your-api-key'], 'AUTH_TOKEN in /srv/.env'],
    ['TOML', [{}, '', 'auth_token = "xxx"'], 'auth_token in /srv/zai2api.toml'],
  ])('in %s counts as no key and causes a serious warning', (_name, world, origin) => {
    const { config, warnings } = load(...world)
    expect(config.authToken).toBeUndefined()
    expect(warnings).toEqual([
      { message: `${origin} is a placeholder, which counts as no key: put a real key there`, serious: true },
    ])
  })

  test('does not allow listening beyond loopback, and the refusal names it', () => {
    const policy = listenPolicy(load({ HOST: '0.0.0.0', AUTH_TOKEN: '<key>' }), (bytes) => bytes.fill(0))
    expect(policy).toEqual({
      ok: false,
      message: expect.stringContaining('environment variable AUTH_TOKEN is a placeholder'),
    })
  })

  test('yields to a real key in a weaker source, and causes no warning under a real key in a stronger one', () => {
    expect(load({ AUTH_TOKEN: 'xxx' }, 'AUTH_TOKEN=sk-real').config.authToken).toBe('sk-real')
    expect(load({ AUTH_TOKEN: 'sk-real' }, 'AUTH_TOKEN=xxx').warnings).toEqual([])
  })

  // Treated as unset, it would send the prompts to another upstream.
  test('in a key of an upstream is kept, so that the upstream is, and causes a warning', () => {
    const { config, warnings } = load({ ZAI_API_KEY: 'real.key,your-api-key' })
    expect([config.upstreams.map(({ id }) => id), config.zaiApiKeys]).toEqual([
      ['zai-api'],
      ['real.key', 'your-api-key'],
    ])
    expect(warnings).toEqual([
      {
        message: 'environment variable ZAI_API_KEY is a placeholder, which nobody accepts: put a real key there',
        serious: false,
      },
    ])
  })
})
