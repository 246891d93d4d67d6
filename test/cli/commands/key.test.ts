import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { key } from '../../../src/cli/commands/key.ts'
import { runCli } from '../../../src/cli/index.ts'
import { openSqlite } from '../../../src/database/sqlite.ts'
import { manualClock } from '../../support/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-key-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
let path = ''
beforeEach(() => {
  path = join(folder, `${++files}.sqlite`)
})

async function run(line: string, env: Record<string, string> = { DATABASE_URL: `sqlite:${path}` }) {
  const said = { code: 0, stdout: '', stderr: '' }
  const io = {
    env,
    cwd: folder,
    readFile: () => undefined,
    realPath: (file: string) => file,
    stdout: (text: string) => {
      said.stdout += text
    },
    stderr: (text: string | (() => string)) => {
      said.stderr += typeof text === 'string' ? text : text()
    },
    version: 'test',
  }
  const none = () => Promise.reject(new Error('another command'))
  const commands = {
    setup: none,
    serve: none,
    demo: none,
    models: none,
    quota: none,
    launch: none,
    env: none,
    doctor: none,
    key,
  }
  said.code = await runCli(line.split(' '), io, commands)
  return said
}

const json = async (line: string) => JSON.parse((await run(`${line} --json`)).stdout)

test('a key is made, shown, limited, disabled, enabled, rotated and deleted', async () => {
  const created = await json(
    'key create --name ci --models glm-4.6,glm-5.3 --rpm 60 --parallel 4 --budget usd:20/month --expires 2999-01-31',
  )
  expect(created).toEqual({
    id: expect.stringMatching(/^key_[0-9a-f]{24}$/),
    name: 'ci',
    prefix: created.secret.slice(0, 10),
    created_at: expect.any(Number),
    expires_at: Date.parse('2999-01-31T00:00:00Z'),
    disabled: false,
    models: ['glm-4.6', 'glm-5.3'],
    ...{ rpm: 60, parallel: 4 },
    budgets: [
      {
        ...{ unit: 'usd', limit: 20, window: 'month', spent: 0, reserved: 0, left: 20 },
        resets_at: expect.any(Number),
      },
    ],
    state: 'active',
    secret: expect.stringMatching(/^z2a_[0-9A-Za-z]{43}$/),
  })
  const { secret, ...view } = created
  expect(await json('key list')).toEqual({ keys: [view] })
  for (const name of ['ci', created.id, created.prefix]) expect(await json(`key show ${name}`)).toEqual(view)
  const { parallel: _parallel, ...less } = view
  expect(await json('key limit ci --parallel none --rpm 90')).toEqual({ ...less, rpm: 90 })
  expect(await json('key disable ci')).toMatchObject({ disabled: true, state: 'disabled' })
  expect(await json('key enable ci')).toMatchObject({ disabled: false, state: 'active' })
  const rotated = await json('key rotate ci')
  expect(rotated.secret).not.toBe(secret)
  expect(rotated).toMatchObject({ id: view.id, rpm: 90, budgets: view.budgets, prefix: rotated.secret.slice(0, 10) })
  expect(await json('key limit ci --name build --budget none')).toMatchObject({ name: 'build', budgets: [] })
  expect(await run('key delete build')).toMatchObject({ code: 0, stdout: `Deleted build (${rotated.prefix}…).\n` })
  expect(await json('key list')).toEqual({ keys: [] })
  // The file never held a secret.
  const text = await Bun.file(path).text()
  for (const each of [secret, rotated.secret]) expect(text).not.toContain(each.slice(10))
})

test('people read tables', async () => {
  expect((await run('key list')).stdout).toBe('There are no keys yet: zai2api key create --name NAME makes one.\n')
  const { stdout } = await run('key create --name ci --models glm-4.6 --tpm 200k --budget usd:0.5/day,tokens:2m/total')
  expect(stdout).toMatch(
    /^Key {8}ci, active\nId {9}key_\w+\nModels {5}glm-4\.6\nUpstreams {2}all\nAPIs {7}all\nLimits {5}200000 tpm\nBudget {5}0 tokens of 2,000,000 tokens \/ total\nBudget {5}\$0 of \$0\.5 \/ day, resets \d{4}-\d\d-\d\d 00:00 UTC\nCreated {4}.+ UTC\nExpires {4}never\nLast used {2}never\n\nThe secret, which is shown only now:\nz2a_\w{43}\n$/,
  )
  expect(stdout.match(/z2a_/g)).toHaveLength(1)
  expect((await run('key show ci')).stdout).toMatch(/^Key {8}ci \(z2a_\w{6}…\), active\n/)
  expect((await run('key rotate ci')).stdout.match(/z2a_/g)).toHaveLength(1)
  const lines = (await run('key list')).stdout.split('\n')
  expect(lines[0]).toMatch(/^NAME {2}PREFIX {7}STATE {3}MODELS {3}LIMITS {6}BUDGET +LAST USED$/)
  expect(lines[1]).toMatch(/^ci {4}z2a_\w{6}… {2}active {2}glm-4\.6 {2}200000 tpm {2}0 tokens of .+ {2}never$/)
})

describe('what cannot be set is said with its flag', () => {
  test.each([
    ['key create', '--name: a key needs a name: who or what uses it'],
    ['key create --name ci --budget eur:5/day', '--budget: expected the unit usd, tokens, credits'],
    ['key create --name ci --expires 2020-01-01', '--expires: 2020-01-01T00:00:00.000Z is over already'],
    ['key create --name ci --rpm many', '--rpm: expected a whole number'],
    ['key create --name ci --models glm-5.4 --budget usd:5/day', '--budget: the price of GLM-5.4 is not known here'],
    ['key create --name ci --models none-* --budget usd:5/day', ''],
    ['key limit other --rpm 5', 'There is no key "other". zai2api key list shows all.'],
  ])('%s', async (line, said) => {
    const { code, stderr, stdout } = await run(line)
    if (said === '') expect([code, stderr]).toEqual([0, ''])
    else {
      expect(stdout).toBe('')
      expect(code).toBe(said.startsWith('There') ? 1 : 2)
      expect(stderr).toStartWith(`zai2api: ${said}`)
    }
  })

  test('a name that is taken', async () => {
    await run('key create --name ci')
    expect((await run('key create --name ci')).stderr).toBe('zai2api: --name: there is a key of this name already\n')
  })
})

test('models without a price are named where a pattern lets others through', async () => {
  const { code, stderr } = await run('key create --name ci --models glm-5.* --budget usd:5/day')
  expect(code).toBe(0)
  expect(stderr).toContain('GLM-5.4')
  expect(stderr).not.toContain('GLM-5.3,')
  expect(stderr).toContain('the price is not known, so this key is refused there')
})

test('whoever makes keys on a coding plan is told whom it is for', async () => {
  const env = { DATABASE_URL: `sqlite:${path}`, ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'coding' }
  const { code, stderr } = await run('key create --name ci', env)
  expect(code).toBe(0)
  expect(stderr).toStartWith("zai2api: Z.AI's coding plan (zai-api) is for one person")
  expect((await run('key list', env)).stderr).toBe('')
  expect((await run('key create --name cd', { ...env, ZAI_API_BASE: 'general' })).stderr).toBe('')
})

test('a key is bound to upstreams of the configuration, and off the plan nothing is said of it', async () => {
  const env = {
    ...{ DATABASE_URL: `sqlite:${path}`, ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'coding', UPSTREAMS: 'zai-api,zai-web' },
  }
  const { stderr } = await run('key create --name ci', env)
  expect(stderr).toContain('(zai-api) is for one person')
  expect(stderr).toEndWith('zai2api key limit ci --upstreams zai-web\n')
  const limited = await run('key limit ci --upstreams zai-web --json', env)
  expect(JSON.parse(limited.stdout)).toMatchObject({ name: 'ci', upstreams: ['zai-web'] })
  expect((await run('key show ci', env)).stdout).toContain('Upstreams  zai-web\n')
  expect((await run('key create --name mei --upstreams zai-web', env)).stderr).toBe('')
  const refused = await run('key create --name lin --upstreams zai-wbe', env)
  expect([refused.code, refused.stderr]).toEqual([
    2,
    'zai2api: --upstreams: there is no upstream "zai-wbe" here; expected some of zai-api, zai-web, demo; for a server with other settings, name its file with --config\n',
  ])
})

test('a key may be bound to an upstream that only the server has, which is said', async () => {
  const created = await run('key create --name ci --upstreams zai-api --json')
  expect([created.code, JSON.parse(created.stdout).upstreams, created.stderr]).toEqual([
    0,
    ['zai-api'],
    'zai2api: this configuration does not have zai-api: the key is of use with a gateway that does\n',
  ])
  expect((await run('key limit ci --upstreams zai-web')).stderr).toBe('')
})

describe('without a database that lasts it says so:', () => {
  test.each<[string, Record<string, string>, string]>([
    [
      'memory',
      { DATABASE_URL: 'memory' },
      'zai2api key needs a database that lasts, and DATABASE_URL is memory; keys of',
    ],
    [
      'no home',
      {},
      'zai2api key needs a database that lasts, and neither HOME nor STATE_DIRECTORY is set for its file',
    ],
  ])('%s', async (_name, env, said) => {
    const { code, stderr } = await run('key list', env)
    expect(code).toBe(2)
    expect(stderr).toStartWith(`zai2api: ${said}`)
    expect(stderr).toEndWith('keys of a running server are made on its page, or with POST /admin/api/keys\n')
  })
})

test('a path that belongs to something else is refused', async () => {
  expect(await run('key list', { DATABASE_URL: `sqlite:${folder}` })).toEqual({
    ...{ code: 2, stdout: '' },
    stderr: `zai2api: DATABASE_URL: ${folder} is no file. Give the path of a file.\n`,
  })
})

test('the file of the state folder is the default', async () => {
  const home = join(folder, 'home')
  mkdirSync(home)
  const { code } = await run('key create --name ci', { HOME: home })
  expect(code).toBe(0)
  const file = join(home, '.local/state/zai2api/zai2api.sqlite')
  const database = openSqlite({ path: file, clock: manualClock(), warn: () => {} })
  expect(await database`SELECT name FROM keys`).toEqual([{ name: 'ci' }])
  await database.close()
})

describe('beside a gateway that runs', () => {
  const gateways: Bun.Subprocess[] = []
  afterEach(async () => {
    for (const gateway of gateways.splice(0)) {
      gateway.kill()
      await gateway.exited
    }
  })

  /** The port of the demo with this database, as the user of `home` runs it. */
  async function gatewayWith(database: string, home: string): Promise<string> {
    const gateway = Bun.spawn([process.execPath, 'src/main.ts', 'demo', '--port', '0'], {
      env: { PATH: process.env.PATH ?? '', HOME: home, DATABASE_URL: database },
      stdout: 'pipe',
      stderr: 'ignore',
    })
    gateways.push(gateway)
    let said = ''
    for await (const text of gateway.stdout.pipeThrough(new TextDecoderStream())) {
      said += text
      const port = /listening on http:\/\/[^/]+:(\d+)/.exec(said)?.[1]
      if (port !== undefined) return port
    }
    throw new Error(`no address in ${said}`)
  }

  test.each([
    ['the same database, nothing is said', (own: string) => own, undefined],
    [
      'another one, that is said',
      (own: string) => `${own}.other`,
      'it has another database; zai2api db status names the one that the key is in',
    ],
    [
      'one in memory, it says that the gateway keeps nothing',
      () => 'memory',
      'its database is in memory, as that of the demo is, and ends with it; start zai2api serve in its place, or make the key on its page for as long as it runs',
    ],
  ])(
    'with %s',
    async (_name, databaseOf, why) => {
      const isSame = why === undefined
      const home = mkdtempSync(join(folder, 'home-'))
      const DATABASE_URL = `sqlite:${path}`
      const LISTEN_PORT = await gatewayWith(databaseOf(DATABASE_URL), home)
      const env = { HOME: home, DATABASE_URL, LISTEN_PORT }
      // Each waits some seconds for a gateway that never learns of the key.
      for (const line of ['key create --name ci', ...(isSame ? ['key rotate ci'] : [])]) {
        const { code, stdout, stderr } = await run(line, env)
        expect([code, stdout]).toEqual([0, expect.stringContaining('The secret, which is shown only now:\n')])
        expect(stderr).toBe(
          isSame
            ? ''
            : `zai2api: the gateway that runs at http://127.0.0.1:${LISTEN_PORT} does not know this key, because ${why}\n`,
        )
      }
    },
    60_000,
  )
})
