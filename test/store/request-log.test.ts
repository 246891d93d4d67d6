import { expect, test } from 'bun:test'
import { DatabaseError } from '../../src/database/errors.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Database } from '../../src/database/sql.ts'
import { type Journal, openJournal } from '../../src/store/journal.ts'
import { createRequestLog, keptOf } from '../../src/store/request-log.ts'
import { countRequests, requestPage, type StoredRequest } from '../../src/store/requests.ts'
import { usageBetween } from '../../src/store/usage.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'

const request = (members: Partial<StoredRequest>): StoredRequest => ({
  ...{ id: '', at: 0, key: 'master', model: 'm', upstream: null, client: null, session: null, agent: null },
  ...{ status: 200, error: null, ms: null, first_ms: null, tokens_in: 1, tokens_cached: null, tokens_out: null },
  ...{ tokens_reasoning: null, credits: null, usd: null, meta: '{}', detail: null },
  ...members,
})

/** A log whose database fails as often as the test says. */
async function setUp(kept = '30d,1000000', journal?: Journal) {
  const warnings: string[] = []
  const clock = manualClock()
  const sql = await openDatabase({ url: 'memory', folder: undefined, clock, warn: () => {} })
  const faults: unknown[] = []
  const failing: Database = Object.assign((...args: Parameters<Database>) => sql(...args), {
    ...sql,
    transaction: async <T>(work: Parameters<typeof sql.transaction<T>>[0]) => {
      const fault = faults.shift()
      if (fault === 'late') await sql.transaction(work)
      if (fault !== undefined) throw fault === 'late' ? new DatabaseError('late', undefined) : fault
      return await sql.transaction(work)
    },
  }) as Database
  const warn = (message: string) => void warnings.push(message)
  const log = createRequestLog({ sql: failing, clock, kept: () => keptOf(kept), warn, journal })
  const add = (count: number, at = clock.now(), from = 0) => {
    for (let index = from; index < from + count; index++) log.add(() => request({ id: `r${index}`, at: at + index }))
  }
  const stored = () => countRequests(sql)
  return { sql, log, clock, warnings, faults, add, stored }
}

/** The database works in turns of the event loop. */
const stores = async (setup: Awaited<ReturnType<typeof setUp>>, count: number) => {
  while ((await setup.stored()) !== count) await new Promise(setImmediate)
}

test('requests are stored a second later, or once there are a hundred', async () => {
  const setup = await setUp()
  setup.add(99)
  setup.clock.advance(999)
  expect(await setup.stored()).toBe(0)
  setup.clock.advance(1)
  await stores(setup, 99)
  setup.add(100, undefined, 99)
  await stores(setup, 199)
  await setup.log.close()
})

test('a request that arrived although its answer did not is used once', async () => {
  const setup = await setUp()
  setup.faults.push('late')
  setup.add(3)
  await setup.log.flush()
  expect(setup.warnings).toEqual(['the database does not take the list of requests; they wait until it does'])
  setup.clock.advance(5_000)
  await setup.log.flush()
  const query = { from: 0, to: Number.MAX_SAFE_INTEGER, by: 'day', group: 'model' } as const
  expect(await usageBetween(setup.sql, query)).toMatchObject([{ requests: 3, tokens_in: 3 }])
  await setup.log.close()
})

test('a request that arrived although its answer did not is used once, also where its row is deleted meanwhile', async () => {
  const journal = openJournal({ path: undefined, database: 'one', clock: manualClock(), warn: () => {} })
  const { sql, log, add, faults } = await setUp('1h,1000', journal)
  const used = async () =>
    (await usageBetween(sql, { from: 0, to: Number.MAX_SAFE_INTEGER, by: 'day', group: 'model' }))[0]?.requests
  add(2)
  await log.flush()
  // The first answer is lost, and that of the journal.
  faults.push('late', 'late')
  add(3, undefined, 2)
  await log.flush()
  expect(journal.count('requests')).toBe(3)
  add(2, undefined, 5)
  await log.flush()
  await log.flush()
  expect([journal.count('requests'), await used()]).toEqual([0, 7])
  await sql`DELETE FROM requests`
  faults.push('late')
  add(1, undefined, 7)
  await log.flush()
  await sql`DELETE FROM requests`
  await log.flush()
  expect([journal.count('requests'), await used()]).toEqual([0, 8])
  // Six of the journal, and the two attempts whose answers were lost.
  expect(await sql`SELECT count(*) AS n FROM settlements`).toEqual([{ n: 8 }])
  await log.close()
})

test('usage is counted by the names that it is to be counted by, and the list keeps the others', async () => {
  const { sql, log } = await setUp()
  const countedAs = { model: 'other', client: 'other' }
  for (const id of ['a', 'b']) log.add(() => ({ ...request({ id, model: `made-up-${id}`, client: id }), countedAs }))
  await log.flush()
  expect(await sql`SELECT model, client, requests FROM usage`).toEqual([
    { model: 'other', client: 'other', requests: 2 },
  ])
  expect(await sql`SELECT model FROM requests ORDER BY id`).toEqual([{ model: 'made-up-a' }, { model: 'made-up-b' }])
  await log.close()
})

test('what a database does not take waits, and the oldest of too many are dropped, said once', async () => {
  const setup = await setUp()
  const away = new DatabaseError('away', undefined)
  setup.faults.push(away, away)
  setup.add(10_010)
  await setup.log.flush()
  expect(setup.log.dropped()).toBe(10)
  setup.clock.advance(5_000)
  await until(() => setup.faults.length === 0, 'the second try')
  expect(setup.warnings).toEqual([
    'the database has not taken requests for so long that the oldest of 10000 are forgotten',
    'the database does not take the list of requests; they wait until it does',
  ])
  setup.clock.advance(5_000)
  await stores(setup, 10_000)
  expect((await requestPage(setup.sql, {}, 1))?.rows).toMatchObject([{ id: 'r10009' }])
  await setup.log.close()
})

test('a request that cannot be stored is left out and holds up nobody', async () => {
  const setup = await setUp()
  setup.log.add(() => request({ id: 'bad', ms: Number.NaN }))
  await setup.log.flush()
  setup.add(1)
  await setup.log.flush()
  expect(await setup.stored()).toBe(1)
  expect(setup.log.dropped()).toBe(1)
  expect(setup.warnings).toEqual(['1 requests are not in the list: they cannot be stored'])
  await setup.log.close()
})

test('a request that cannot be stored takes no other with it', async () => {
  const setup = await setUp()
  setup.add(2)
  setup.log.add(() => request({ id: 'bad', ms: Number.NaN }))
  setup.add(2, undefined, 2)
  await setup.log.flush()
  expect([await setup.stored(), setup.log.dropped()]).toEqual([4, 1])
  expect(setup.warnings).toEqual(['1 requests are not in the list: they cannot be stored'])
  await setup.log.close()
})

test('requests wait for a table that is missing, and are dropped for nothing but what is wrong with themselves', async () => {
  const { sql, warnings, add, log, stored } = await setUp()
  await sql`ALTER TABLE usage RENAME TO missing`
  add(3)
  await log.flush()
  expect([await stored(), log.dropped()]).toEqual([0, 0])
  await sql`ALTER TABLE missing RENAME TO usage`
  await log.flush()
  expect([await stored(), log.dropped()]).toEqual([3, 0])
  expect(warnings).toEqual(['the database does not take the list of requests; they wait until it does'])
  await log.close()
})

test('closing stores what is left, in a second try if need be, and says what it cannot store', async () => {
  const away = new DatabaseError('away', undefined)
  const lucky = await setUp()
  lucky.faults.push(away)
  lucky.add(150)
  await lucky.log.close()
  expect(await lucky.stored()).toBe(150)
  const unlucky = await setUp()
  unlucky.faults.push(away, away)
  unlucky.add(2)
  await unlucky.log.close()
  expect(unlucky.warnings.at(-1)).toBe('2 requests are not in the list: the database could not be written')
})

test.each([
  ['what is too old', '2h,1000000', 900],
  ['the oldest of too many', '30d,200', 200],
])('%s is deleted piece by piece', async (_what, kept, left) => {
  const setup = await setUp(kept)
  const { clock, log, add } = setup
  add(1_100, clock.now() - 3 * 3_600_000)
  await log.flush()
  add(900, clock.now(), 2_000)
  await log.flush()
  clock.advance(1_000)
  // Between two pieces others have their turn.
  while ((await setup.stored()) !== left) {
    clock.advance(50)
    await new Promise(setImmediate)
  }
  await log.close()
})

test.each([
  ['30d,1000000', { age: 30 * 86_400_000, rows: 1_000_000 }],
  ['12h,0', { age: 12 * 3_600_000, rows: 0 }],
])('LOG_KEEP=%s', (text, kept) => expect(keptOf(text)).toEqual(kept))
