import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from '../../src/database/sql.ts'
import { openSqlite, type SqliteOptions } from '../../src/database/sqlite.ts'
import { createKeys } from '../../src/keys/index.ts'
import { createKeyRegistry } from '../../src/keys/registry.ts'
import { modelTable } from '../../src/models/table.ts'
import { createKeyStore } from '../../src/store/keys.ts'
import { type ManualClock, manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'

// Another process changes keys while the gateway's own writes do not reach the file. The limit of pages is one
// connection's own, so that the other can write.

const folder = mkdtempSync(join(tmpdir(), 'zai2api-state-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

const noPolicy = {}

interface Side {
  sql: Database
  clock: ManualClock
  warnings: string[]
  keys: ReturnType<typeof createKeys>
  store: ReturnType<typeof createKeyStore>
}

function openSide(path: string, limits: Pick<SqliteOptions, 'maxPages' | 'isLasting'> = {}): Side {
  const warnings: string[] = []
  const clock = manualClock()
  const warn = (message: string) => void warnings.push(message)
  const sql = openSqlite({ path, clock, warn, ...limits })
  const store = createKeyStore(sql)
  const table = modelTable()
  const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes)
  const keys = createKeys({
    store,
    now: clock.now,
    random,
    dialects: ['openai-chat'],
    upstreams: () => ['demo'],
    table: () => table,
  })
  return { sql, clock, warnings, keys, store }
}

async function fill({ sql }: Side): Promise<void> {
  for (let row = 0; ; row++)
    try {
      await sql`INSERT INTO requests (id, at, meta) VALUES (${String(row)}, 1, ${'x'.repeat(20_000)})`
    } catch {
      return
    }
}

/** A gateway that has just met a full disk, another process, and keys that were made before. */
async function onFullDisk(...names: string[]) {
  const own = join(folder, String(++files))
  mkdirSync(own)
  const path = join(own, 'zai2api.sqlite')
  const ours = openSide(path, { maxPages: 60 })
  const secrets: Record<string, string> = {}
  for (const name of names) secrets[name] = (await ours.keys.create({ name, budgets: 'tokens:1000/day' })).secret
  await fill(ours)
  expect(ours.warnings).toEqual([expect.stringContaining('keys and budgets go on in memory')])
  const theirs = openSide(path)
  return { path, ours, theirs, secrets }
}

async function makeRoom({ sql, clock }: Side): Promise<void> {
  await sql`PRAGMA max_page_count = 1000000`
  clock.advance(5_000)
  await sql.transaction(async () => {})
}

const budgetOf = ({ id }: { id: string }) => `${id}/tokens/day`

async function spend({ store, clock }: Side, key: { id: string }, id: string, tokens: number): Promise<void> {
  const reservation = { id, key: key.id, expires: clock.now() + 60_000 }
  await store.reserve(reservation, ([budget]) => ({
    amounts: budget
      ? [
          {
            ...budget,
            startedAt: Date.UTC(2026, 1, 1),
            generation: budget.startedAt === 0 ? budget.generation + 1 : budget.generation,
            amount: tokens,
            estimate: 1,
          },
        ]
      : [],
  }))
  await store.settle(id, new Map([[budgetOf(key), tokens]]))
}

const spentOf = async ({ store }: Side, key: { id: string }) =>
  (await store.budgets(key.id)).map(({ settled, reserved }) => ({ settled, reserved }))

test('what another process takes away while the disk is full is refused within a second, and afterwards', async () => {
  const { path, ours, theirs, secrets } = await onFullDisk('disabled', 'rotated', 'deleted', 'limited', 'used')
  const registry = await createKeyRegistry({
    ...{ store: ours.store, clock: ours.clock, warn: () => {}, policy: () => noPolicy },
  })
  const used = await ours.keys.show('used')
  await spend(ours, used, 'in memory', 70)
  await ours.keys.change('used', { rpm: 5 })
  await theirs.keys.change('disabled', { disabled: true })
  const rotated = await theirs.keys.rotate('rotated')
  await theirs.keys.delete('deleted')
  await theirs.keys.change('limited', { models: 'glm-4.6' })
  const added = await theirs.keys.create({ name: 'added' })

  const states = () =>
    Object.fromEntries(
      Object.entries({ ...secrets, 'rotated anew': rotated.secret, added: added.secret }).map(([name, secret]) => {
        try {
          return [name, registry.callerOf(secret)?.policy.models ?? 'all']
        } catch (thrown) {
          return [name, (thrown as { code?: string }).code]
        }
      }),
    )
  const expected = {
    ...{ disabled: 'key_disabled', rotated: 'invalid_api_key', deleted: 'invalid_api_key' },
    ...{ limited: ['glm-4.6'], used: 'all', 'rotated anew': 'all', added: 'all' },
  }
  ours.clock.advance(999)
  await until(() => Bun.deepEquals(states(), expected), 'keys are refused')
  await registry.close()

  await makeRoom(ours)
  expect(ours.warnings.slice(1)).toEqual([`${path} can be written again`])
  await ours.sql.close()
  const after = openSide(path)
  expect(Object.groupBy(await after.keys.list(), ({ name }) => name)).toMatchObject(
    Object.groupBy(
      [
        { name: 'disabled', state: 'disabled' },
        { name: 'rotated', prefix: rotated.prefix },
        { name: 'limited', models: ['glm-4.6'] },
        { name: 'used', rpm: 5 },
        { name: 'added' },
      ],
      ({ name }) => name,
    ),
  )
  expect(await spentOf(after, used)).toEqual([{ settled: 70, reserved: 0 }])
  await after.sql.close()
  await theirs.sql.close()
})

test('what both spend from a budget is added up', async () => {
  const { path, ours, theirs } = await onFullDisk('shared')
  const key = await ours.keys.show('shared')
  await spend(ours, key, 'ours', 70)
  await spend(theirs, key, 'theirs', 20)
  expect(await spentOf(ours, key)).toEqual([{ settled: 90, reserved: 0 }])
  await spend(ours, key, 'ours again', 5)
  await spend(theirs, key, 'theirs again', 2)
  await makeRoom(ours)
  expect(await spentOf(theirs, key)).toEqual([{ settled: 97, reserved: 0 }])
  await ours.sql.close()
  await theirs.sql.close()
  expect(await spentOf(openSide(path), key)).toEqual([{ settled: 97, reserved: 0 }])
})

test('a reset by another process forgives what was spent in memory before it, and nothing after it', async () => {
  const { ours, theirs } = await onFullDisk('reset')
  const key = await ours.keys.show('reset')
  await spend(ours, key, 'before', 70)
  await theirs.keys.reset('reset')
  await spend(ours, key, 'after', 5)
  await makeRoom(ours)
  expect(await spentOf(theirs, key)).toEqual([{ settled: 5, reserved: 0 }])
  await ours.sql.close()
  await theirs.sql.close()
})

test('what is changed in memory reaches the file, beside what others have changed of the same key', async () => {
  const { ours, theirs } = await onFullDisk('a', 'b')
  await ours.keys.change('a', { disabled: true, rpm: 7 })
  await theirs.keys.change('a', { models: 'glm-4.6', parallel: 2 })
  await ours.keys.change('a', { parallel: null })
  const before = await theirs.store.version()
  await ours.keys.delete('b')
  const made = await ours.keys.create({ name: 'made in memory' })
  await makeRoom(ours)
  const found = (await theirs.keys.list()).sort((one, other) => (one.name < other.name ? -1 : 1))
  expect(found).toMatchObject([
    { name: 'a', disabled: true, rpm: 7, models: ['glm-4.6'] },
    { name: 'made in memory', prefix: made.prefix },
  ])
  expect((await theirs.keys.show('a')).parallel).toBeUndefined()
  expect(await theirs.store.version()).toBeGreaterThan(before)
  await ours.sql.close()
  await theirs.sql.close()
})

test.skipIf(process.platform === 'win32')(
  'a key disabled in memory stays so in the file that replaces the full one',
  async () => {
    const { path, ours, theirs, secrets } = await onFullDisk('a')
    expect(Object.keys(secrets)).toEqual(['a'])
    await ours.keys.change('a', { disabled: true })
    await theirs.sql`VACUUM INTO ${`${path}.copy`}`
    await theirs.sql.close()
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
    renameSync(`${path}.copy`, path)
    ours.clock.advance(5_000)
    await ours.sql.transaction(async () => {})
    expect(ours.warnings.slice(1)).toEqual([expect.stringContaining('was deleted or replaced')])
    await ours.sql.close()
    expect(await openSide(path).keys.show('a')).toMatchObject({ disabled: true })
  },
)

test('the end of a process that still cannot write says that its changes are lost', async () => {
  const { ours } = await onFullDisk('a')
  for (let index = 0; index < 3_000; index++)
    await ours.sql`INSERT INTO reservations (id, budget, amount, expires) VALUES (${`reservation ${index}`}, ${'b'}, 1, 1)`
  await ours.sql.close()
  expect(ours.warnings.at(-1)).toContain('what changed of keys and budgets since it could is lost')
})

test('a command that changes keys fails on a full disk, instead of changing them in memory', async () => {
  const { path, ours } = await onFullDisk('a')
  await ours.sql.close()
  const command = openSide(path, { maxPages: 1, isLasting: true })
  const create = async () => {
    for (let made = 0; made < 100; made++) await command.keys.create({ name: `key ${made}`, models: 'glm-'.repeat(40) })
  }
  expect(await create().catch((thrown) => thrown)).toMatchObject({ problem: 'full' })
  expect(command.warnings).toEqual([])
  await command.sql.close()
})
