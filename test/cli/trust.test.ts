import { describe, expect, test } from 'bun:test'
import { type Commands, runCli } from '../../src/cli/index.ts'
import { type SettingName, settings, tomlKeyOf } from '../../src/config/table.ts'

/** The sources of settings and their levels of trust. */
const places = { flag: 3, env: 3, named: 2, user: 1, dotEnv: 0, toml: 0 } as const
type Place = keyof typeof places
const placeNames = ['flag', 'env', 'named', 'user', 'dotEnv', 'toml'] as const

interface Written {
  setting: SettingName
  place: Place
  value: string
}

interface World {
  env: Record<string, string>
  files: Record<string, string>
  flags: string[]
}

const fileOf = { named: '/etc/named.toml', user: '/home/me/.config/zai2api/zai2api.toml', toml: '/repo/zai2api.toml' }

function worldOf(written: readonly Written[]): World {
  const world: World = { env: { HOME: '/home/me' }, files: {}, flags: [] }
  for (const { setting, place, value } of written) {
    const row = settings[setting]
    const line = `${tomlKeyOf(row)} = ${JSON.stringify(value)}\n`
    if (place === 'flag') world.flags.push(`--${row.env.toLowerCase().replaceAll('_', '-')}=${value}`)
    else if (place === 'env') world.env[row.env] = value
    else if (place === 'dotEnv') world.files['/repo/.env'] = `${world.files['/repo/.env'] ?? ''}${row.env}=${value}\n`
    else world.files[fileOf[place]] = (world.files[fileOf[place]] ?? '') + line
  }
  if (world.files[fileOf.named] !== undefined) world.flags.push(`--config=${fileOf.named}`)
  return world
}

interface Links {
  [path: string]: string
}

async function run(command: string, { env, files, flags }: World, links: Links = {}) {
  const said = { stderr: '', started: false }
  const start = async () => {
    said.started = true
    return 0
  }
  const commands: Commands = {
    ...{ setup: start, serve: start, demo: start, models: start, quota: start, key: start, launch: start, env: start },
    doctor: async (load) => {
      load()
      return start()
    },
  }
  const io = {
    env,
    cwd: '/repo',
    readFile: (path: string) => files[links[path] ?? path],
    realPath: (path: string) => links[path] ?? path,
    stdout: () => {},
    stderr: (text: string | (() => string)) => {
      said.stderr += typeof text === 'string' ? text : text()
    },
    version: 'test',
  }
  const code = await runCli([...flags, ...command.split(' ')], io, commands)
  return { ...said, code }
}

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

describe('prompts go to no receiver that only the folder names', () => {
  const key: Written = { setting: 'zaiApiKeys', place: 'env', value: 'a.b' }
  const token: Written = { setting: 'zaiTokens', place: 'user', value: 'eyJ.a.b' }
  const evil: Written = { setting: 'apiEndpoint', place: 'dotEnv', value: 'https://evil.example/api' }
  const readers = (value: string): Written => ({ setting: 'upstreams', place: 'toml', value })

  test.each<[string, string, Written[], string]>([
    [
      'guests instead of the account',
      'serve',
      [key, readers('zai-web')],
      'upstreams in /repo/zai2api.toml would send prompts to zai-web at https://chat.z.ai',
    ],
    [
      'guests after the account',
      'claude',
      [key, readers('zai-api,zai-web')],
      'upstreams in /repo/zai2api.toml would send prompts to zai-web at',
    ],
    [
      'somebody else’s account',
      'claude',
      [token, { setting: 'zaiApiKeys', place: 'dotEnv', value: 'a.b' }],
      'ZAI_API_KEY in /repo/.env would send prompts to zai-api at',
    ],
    [
      'a page after the account',
      'serve',
      [{ ...key, place: 'user' }, readers('zai-api,zai-web'), evil],
      'API_ENDPOINT in /repo/.env would send prompts to zai-web at https://evil.example',
    ],
    [
      'a page where guests are typing',
      'claude',
      [evil],
      'API_ENDPOINT in /repo/.env would send prompts to zai-web at https://evil.example',
    ],
    [
      'a page for the guests of a server, who has no credential at all',
      'serve',
      [evil],
      'API_ENDPOINT in /repo/.env would send prompts to zai-web at https://evil.example',
    ],
    [
      'a server that wants no key',
      'serve',
      [readers('[{"id":"own","kind":"openai-compatible","base":"https://evil.example/v1","models":["x"]}]')],
      'upstreams in /repo/zai2api.toml would send prompts to own at https://evil.example',
    ],
    [
      'a gateway elsewhere',
      'env openai',
      [{ setting: 'host', place: 'dotEnv', value: 'evil.example' }],
      'HOST in /repo/.env would send prompts to http://evil.example:8080',
    ],
    [
      'a file elsewhere',
      'serve',
      [key, { setting: 'store', place: 'dotEnv', value: '../x.sqlite' }],
      'STORE in /repo/.env would keep conversations outside of the working directory',
    ],
    [
      'a file by its address',
      'serve',
      [key, { setting: 'store', place: 'toml', value: 'file:/tmp/x' }],
      'store in /repo/zai2api.toml would keep',
    ],
  ])('%s', async (_name, command, written, says) => {
    const { code, started, stderr } = await run(command, worldOf(written))
    expect([code, started]).toEqual([2, false])
    expect(stderr).toStartWith(`zai2api: ${says}`)
    expect(stderr.split('\n')).toHaveLength(2)
  })

  test.each<[string, string, Written[]]>([
    ['the demo', 'serve', [key, readers('demo')]],
    ['what is asked anyway', 'serve', [key, readers('zai-api')]],
    [
      'an account of the folder',
      'claude',
      [
        { ...key, place: 'dotEnv' },
        { setting: 'zaiApiBase', place: 'toml', value: 'https://x.example/v4' },
      ],
    ],
    ['a page that the user’s own file names', 'serve', [{ ...evil, place: 'user' }]],
    ['a page beside the account of the folder', 'serve', [{ ...token, place: 'dotEnv' }, evil]],
    ['a file of the folder', 'serve', [key, { setting: 'store', place: 'dotEnv', value: 'data/x.sqlite' }]],
    ['a gateway on this machine', 'env openai', [{ setting: 'host', place: 'dotEnv', value: '0.0.0.0' }]],
  ])('but to %s', async (_name, command, written) => {
    expect(await run(command, worldOf(written))).toEqual({ code: 0, started: true, stderr: '' })
  })
})

const folderDoubt = 'what is in this folder may come from somebody else'

describe('the folder alone lets nobody use an account', () => {
  const key: Written = { setting: 'zaiApiKeys', place: 'env', value: 'a.b' }
  const authToken = (place: Place): Written => ({ setting: 'authToken', place, value: 'sk-of-the-folder' })
  const opens = (whom: string) =>
    `would open the account of environment variable ZAI_API_KEY to ${whom}, and ${folderDoubt}`
  const [machines, pages] = [opens('other machines'), opens('web pages of other origins')]
  const author = opens('whoever wrote that key')

  test.each<[string, Written[], string, string]>([
    [
      'another address',
      [{ setting: 'host', place: 'dotEnv', value: '0.0.0.0' }, authToken('env')],
      `HOST in /repo/.env ${machines}`,
      'pass --host or set HOST in the environment',
    ],
    [
      'pages of an origin',
      [{ setting: 'corsOrigins', place: 'toml', value: 'https://evil.example' }],
      `cors_origins in /repo/zai2api.toml ${pages}`,
      'pass --cors-origins or set CORS_ORIGINS in the environment',
    ],
    [
      'all pages, besides one of the user’s',
      [
        { setting: 'corsOrigins', place: 'dotEnv', value: 'https://mine.example,*' },
        { setting: 'corsOrigins', place: 'user', value: 'https://mine.example' },
      ],
      `CORS_ORIGINS in /repo/.env ${pages}`,
      'pass --cors-origins or set CORS_ORIGINS in the environment',
    ],
    [
      'a key that its author knows',
      [authToken('dotEnv')],
      `AUTH_TOKEN in /repo/.env ${author}`,
      'set AUTH_TOKEN in the environment',
    ],
    [
      'such a key instead of the user’s',
      [authToken('dotEnv'), { ...authToken('user'), value: 'sk-mine' }],
      `AUTH_TOKEN in /repo/.env ${author}`,
      'set AUTH_TOKEN in the environment',
    ],
    [
      'such a key beside the user’s',
      [{ setting: 'anthropicApiKey', place: 'dotEnv', value: 'sk-other' }, authToken('env')],
      `ANTHROPIC_API_KEY in /repo/.env ${author}`,
      'set ANTHROPIC_API_KEY in the environment',
    ],
    [
      'a key of the operator that its author knows',
      [{ setting: 'adminToken', place: 'dotEnv', value: 'sk-other' }],
      `ADMIN_TOKEN in /repo/.env ${author}`,
      'set ADMIN_TOKEN in the environment',
    ],
  ])('%s', async (_what, written, says, allow) => {
    for (const command of ['serve', 'doctor'])
      expect(await run(command, worldOf([key, ...written]))).toEqual({
        code: 2,
        started: false,
        stderr: `zai2api: ${says}; to allow it, ${allow}\n`,
      })
  })

  test.each<[string, Written[]]>([
    ['where the account is of the folder, too', [{ ...key, place: 'dotEnv' }, authToken('dotEnv'), at0('dotEnv')]],
    ['where the user says so', [key, authToken('env'), at0('env')]],
    ['where the file that setup and service install write says so', [key, authToken('user'), at0('user')]],
    ['where the folder only says the same', [key, authToken('user'), authToken('dotEnv'), at0('user'), at0('dotEnv')]],
    ['where there is no account', [authToken('dotEnv'), at0('dotEnv')]],
    ['where nobody is let in by it', [key, { setting: 'host', place: 'dotEnv', value: '127.0.0.2' }]],
    ['where it is ignored', [key, { setting: 'anthropicApiKey', place: 'dotEnv', value: 'sk-x' }]],
    ['where it lets in less', [key, { setting: 'rateLimitRpm', place: 'dotEnv', value: '5' }]],
    ['where it is the machine’s', [key, { setting: 'maxConcurrent', place: 'dotEnv', value: '9000' }]],
    ['for the demo', [key, { setting: 'upstreams', place: 'env', value: 'demo' }, authToken('dotEnv'), at0('dotEnv')]],
  ])('but %s', async (_what, written) => {
    expect(await run('serve', worldOf(written))).toEqual({ code: 0, started: true, stderr: '' })
  })

  test.each<[SettingName, string, string]>([
    ['rateLimitRpm', '5', '0'],
    ['rateLimitTpm', '5', '6'],
    ['maxConcurrent', '5', '6'],
    ['anonymousMode', 'false', 'true'],
    ['webSearch', 'off', 'on'],
  ])('nor may it weaken %s of the user’s own file', async (setting, value, weaker) => {
    const { env } = settings[setting]
    const world = worldOf([
      { setting, place: 'user', value },
      { setting, place: 'dotEnv', value: weaker },
    ])
    expect(await run('serve', world)).toEqual({
      code: 2,
      started: false,
      stderr: `zai2api: ${env} in /repo/.env would give up the protection of ${env.toLowerCase()} in /home/me/.config/zai2api/zai2api.toml, and ${folderDoubt}; to allow it, pass --${env.toLowerCase().replaceAll('_', '-')} or set ${env} in the environment\n`,
    })
  })

  test('commands that run a client are not affected, because they listen on loopback with a new key', async () => {
    expect((await run('claude', worldOf([key, authToken('dotEnv'), at0('dotEnv')]))).started).toBe(true)
  })

  test('nor may it name a database outside of the folder, or a server, for a gateway that keeps keys and usage', async () => {
    for (const value of ['sqlite:../x.sqlite', 'postgres://ann:secret@db.example/app', 'mysql://localhost/app'])
      expect(await run('serve', worldOf([{ setting: 'databaseUrl', place: 'dotEnv', value }]))).toEqual({
        code: 2,
        started: false,
        stderr: `zai2api: DATABASE_URL in /repo/.env would keep keys and usage outside of the working directory, and ${folderDoubt}; to allow it, pass --database-url or set DATABASE_URL in the environment\n`,
      })
    for (const value of ['memory', 'sqlite:data/x.sqlite'])
      expect((await run('serve', worldOf([{ setting: 'databaseUrl', place: 'dotEnv', value }]))).started).toBe(true)
    const another = worldOf([key, { setting: 'databaseUrl', place: 'dotEnv', value: 'mysql://localhost/app' }])
    expect((await run('claude', another)).started).toBe(true)
  })

  test('nor may it name a store outside of the folder for a server without an account', async () => {
    for (const command of ['serve', 'demo'])
      expect(await run(command, worldOf([{ setting: 'store', place: 'dotEnv', value: '/home/me/x.sqlite' }]))).toEqual({
        code: 2,
        started: false,
        stderr: `zai2api: STORE in /repo/.env would keep conversations outside of the working directory, and ${folderDoubt}; to allow it, pass --store or set STORE in the environment\n`,
      })
  })
})

function at0(place: Place): Written {
  return { setting: 'host', place, value: '0.0.0.0' }
}

describe('a row of [[upstreams]] in a folder', () => {
  const row = '[[upstreams]]\nid = "home"\nkind = "openai-compatible"\nbase = "http://evil.example/v1"\n'

  test.each(['serve', 'claude'])('gets no prompts of a user with an own key: %s', async (command) => {
    const world = { env: { HOME: '/home/me', ZAI_API_KEY: 'a.b' }, files: { '/repo/zai2api.toml': row }, flags: [] }
    const { code, started, stderr } = await run(command, world)
    expect([code, started]).toEqual([2, false])
    expect(stderr).toContain('would send prompts to home at http://evil.example')
  })

  test('gets the prompts of a user whose own file names it', async () => {
    const files = { '/home/me/.config/zai2api/zai2api.toml': row }
    expect((await run('serve', { env: { HOME: '/home/me' }, files, flags: [] })).started).toBe(true)
  })

  test('holds an account that the folder lets nobody use', async () => {
    const own = row.replace('evil.example', 'box.example').replace('\n', '\nkeys = ["k-1"]\n')
    const files = {
      '/home/me/.config/zai2api/zai2api.toml': own,
      '/repo/.env': 'HOST=0.0.0.0\nAUTH_TOKEN=known-to-all\n',
    }
    const { started, stderr } = await run('serve', { env: { HOME: '/home/me' }, files, flags: [] })
    expect(started).toBe(false)
    expect(stderr).toContain('would open the account of upstreams in /home/me/.config/zai2api/zai2api.toml')
  })
})
