import { describe, expect, test } from 'bun:test'
import { type SettingName, settings } from '../../src/config/table.ts'
import { places, run, type Written, worldOf } from './trusting.ts'

const placeNames = ['flag', 'env', 'named', 'user', 'dotEnv', 'toml'] as const

const pairs: [credential: SettingName, address: SettingName, value: string, commands: string[], more: Written[]][] = [
  [
    'zaiApiKeys',
    'zaiApiBase',
    'https://evil.example/v4',
    ['serve', 'models', 'quota', 'doctor', 'claude', 'env codex'],
    [],
  ],
  // Another service of the same vendor is another address, too.
  ['zaiApiKeys', 'zaiApiBase', 'bigmodel', ['serve', 'opencode'], []],
  ['zaiTokens', 'apiEndpoint', 'http://evil.example/api', ['serve', 'models', 'doctor', 'codex', 'env claude'], []],
  ['backupToken', 'apiEndpoint', 'https://evil.example/api', ['serve', 'claude'], []],
  ['otlpHeaders', 'otlpEndpoint', 'http://evil.example:4318', ['serve', 'demo', 'claude'], []],
  ['authToken', 'listenPort', '9999', ['claude', 'env openai', 'models'], []],
  ['authToken', 'host', 'evil.example', ['claude', 'env openai'], []],
  ['anthropicApiKey', 'listenPort', '9999', ['claude', 'env anthropic'], []],
]

describe('a credential goes to no address that is trusted less than it:', () => {
  for (const [credential, address, value, commands, more] of pairs)
    for (const command of commands)
      test(`${settings[credential].env} and ${settings[address].env}=${value} for ${command}`, async () => {
        for (const from of placeNames.filter((place) => place !== 'flag'))
          for (const to of placeNames) {
            // --config takes the place of the file in the working directory.
            if ([from, to].includes('named') && [from, to].includes('toml')) continue
            const key = { setting: credential, place: from, value: 'x=secret-1234' }
            const flag = address === 'listenPort' && to === 'flag' ? `--port=${value}` : undefined
            const world = worldOf([key, ...(flag ? [] : [{ setting: address, place: to, value }]), ...more])
            if (flag) world.flags.push(flag)
            const { code, started, stderr } = await run(command, world)
            const allowed = places[to] >= places[from]
            expect([from, to, code, started]).toEqual([from, to, allowed ? 0 : 2, allowed])
            expect(stderr.split('\n')).toHaveLength(allowed ? 1 : 2)
            expect(stderr).not.toContain('secret-1234')
          }
      })

  test('the line names file, setting, key and address, and how to allow it', async () => {
    const world = worldOf([
      { setting: 'zaiApiKeys', place: 'env', value: 'a.b' },
      { setting: 'zaiApiBase', place: 'toml', value: 'https://evil.example/v4' },
    ])
    expect((await run('claude', world)).stderr).toBe(
      'zai2api: zai_api_base in /repo/zai2api.toml would send environment variable ZAI_API_KEY to https://evil.example, and what is in this folder may come from somebody else; to allow it, pass --zai-api-base or set ZAI_API_BASE in the environment\n',
    )
  })

  test.each<[string, Written[]]>([
    ['another service of the same host', [{ setting: 'zaiApiBase', place: 'dotEnv', value: 'coding' }]],
    ['the same address in other words', [{ setting: 'zaiApiBase', place: 'toml', value: 'https://api.z.ai/x/v4' }]],
    ['another path of the site', [{ setting: 'apiEndpoint', place: 'dotEnv', value: 'https://chat.z.ai/api/v3' }]],
    ['an address nobody goes to', [{ setting: 'apiEndpoint', place: 'dotEnv', value: 'https://evil.example/api' }]],
    [
      'one that is overruled',
      [
        { setting: 'zaiApiBase', place: 'dotEnv', value: 'https://evil.example/v4' },
        { setting: 'zaiApiBase', place: 'env', value: 'general' },
      ],
    ],
    [
      'the value that a trusted source has, too',
      [
        { setting: 'zaiApiBase', place: 'toml', value: 'https://mine.example/v4' },
        { setting: 'zaiApiBase', place: 'user', value: 'https://mine.example/v4' },
      ],
    ],
    ['what has no say in it', [{ setting: 'primaryModel', place: 'dotEnv', value: 'glm-4.6' }]],
  ])('%s is allowed', async (_name, written) => {
    const place = written.some((one) => one.place === 'user') ? 'user' : 'env'
    const world = worldOf([{ setting: 'zaiApiKeys', place, value: 'a.b' }, ...written])
    for (const command of ['serve', 'claude', 'models', 'doctor'])
      expect(await run(command, world)).toEqual({ code: 0, started: true, stderr: '' })
  })

  test('an overridden key does not count, and neither does the demo', async () => {
    const evil: Written = { setting: 'zaiApiBase', place: 'dotEnv', value: 'https://evil.example/v4' }
    const world = worldOf([{ setting: 'zaiApiKeys', place: 'env', value: 'a.b' }, evil])
    expect((await run('demo', world)).started).toBe(true)
    expect((await run('--upstreams demo serve', world)).started).toBe(true)
  })

  test('if a link in the folder leads to the user’s own file', async () => {
    const files = {
      '/home/me/keys.toml': 'zai_api_key = "a.b"',
      '/repo/.env': 'ZAI_API_BASE=https://evil.example/v4\n',
    }
    const links = { '/repo/zai2api.toml': '/home/me/keys.toml' }
    expect(await run('serve', { env: {}, files, flags: [] }, links)).toMatchObject({ code: 2, started: false })
    const named = { ...files, '/repo/.env': `${files['/repo/.env']}ZAI2API_CONFIG=/home/me/keys.toml\n` }
    expect(await run('serve', { env: {}, files: named, flags: [] })).toMatchObject({ code: 2, started: false })
  })

  test('any file may hold both the key and the address', async () => {
    const text = 'zai_api_key = "a.b"\nzai_api_base = "https://mine.example/v4"\n'
    const links = { '/repo/zai2api.toml': '/data/zai2api.toml' }
    expect((await run('serve', { env: {}, files: { '/data/zai2api.toml': text }, flags: [] }, links)).started).toBe(
      true,
    )
  })

  test('config sends nothing, so it shows everything and prints the refusal', async () => {
    const world = worldOf([
      { setting: 'zaiTokens', place: 'env', value: 'eyJ.a.b' },
      { setting: 'apiEndpoint', place: 'dotEnv', value: 'https://evil.example/api' },
    ])
    expect(await run('config', world)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^zai2api: API_ENDPOINT in \/repo\/\.env would send .+\n$/),
    })
  })
})
