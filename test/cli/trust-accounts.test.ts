import { describe, expect, test } from 'bun:test'
import { type SettingName, settings } from '../../src/config/table.ts'
import { type Place, run, type Written, worldOf } from './trusting.ts'

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
