import { describe, expect, test } from 'bun:test'
import { run, type Written, worldOf } from './trusting.ts'

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
