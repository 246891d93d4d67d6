import { describe, expect, test } from 'bun:test'
import { describeConfig } from '../../src/cli/commands/config.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { configWarnings } from '../../src/config/policy.ts'
import { secretsIn } from '../../src/config/secrets.ts'
import { settingList, tomlKeyOf } from '../../src/config/table.ts'
import { UsageError } from '../../src/config/usage-error.ts'
import type { ModelRow } from '../../src/models/row.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { kindsWithRows } from '../support/kinds-with-rows.ts'
import { config, errorOf, load, type World } from './loading.ts'

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
