import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { DatabaseError } from '../../src/database/errors.ts'
import { openDatabase } from '../../src/database/open.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { type Database, inserted, newRows, part } from '../../src/database/sql.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-database-'))
let server: Postgres
let files = 0
beforeAll(async () => {
  if (!noPostgres) server = await startPostgres()
}, 60_000)
afterAll(() => {
  rmSync(folder, { recursive: true })
  server?.stop()
})

const engines: [string, () => Promise<string>][] = [
  ['SQLite in memory', async () => 'memory'],
  ['a file of SQLite', async () => `sqlite:${join(folder, `${++files}.sqlite`)}`],
  ...(noPostgres ? [] : [['PostgreSQL', () => server.newDatabase()] as [string, () => Promise<string>]]),
]
test.skipIf(noPostgres !== undefined)(`PostgreSQL is tested, too${noPostgres ? `: ${noPostgres}` : ''}`, () => {})

interface Version {
  version: number
}

/** A busy machine may take longer than a request may wait for a statement. */
const patientLimits = { statementMs: 10_000, graceMs: 2_000 }

async function opened(url: string): Promise<Database> {
  const warn = (message: string) => {
    throw new Error(message)
  }
  return url.startsWith('postgres')
    ? await openPostgres({ url, clock: systemClock, limits: patientLimits })
    : await openDatabase({ url, folder: undefined, clock: systemClock, warn })
}

/** What a rejected promise was rejected with. */
const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((thrown) => thrown)

const budget = (id: string, lim = 100) => ({ id, key: 'k', unit: 'tokens', lim, window_start: 1, window_ms: 2 })
const budgetColumns = ['id', 'key', 'unit', 'lim', 'window_start', 'window_ms'] as const

describe.each(engines)('%s', (_name, newUrl) => {
  let url: string
  let sql: Database
  beforeAll(async () => {
    url = await newUrl()
    sql = await opened(url)
  })
  afterAll(() => sql.close())

  test('gives numbers as numbers and texts as they were', async () => {
    const texts = ['', "'); DROP TABLE keys; --", '世界 🙂', '$1 ?1', 'half \ud83d a pair', 'a \0 in it']
    const rows = texts.map((text, index) => ({ ...budget(`text ${index}`, 1_796_000_000_000 + index), unit: text }))
    await sql`INSERT INTO ${newRows('budgets', budgetColumns, rows)}`
    expect(await sql`SELECT unit, lim, reserved FROM budgets WHERE id LIKE ${'text %'} ORDER BY id`).toEqual([
      ...texts.slice(0, 4).map((unit, index) => ({ unit, lim: 1_796_000_000_000 + index, reserved: 0 })),
      { unit: 'half \ufffd a pair', lim: 1_796_000_000_004, reserved: 0 },
      { unit: 'a \ufffd in it', lim: 1_796_000_000_005, reserved: 0 },
    ])
    expect(await sql`SELECT count(*) AS n, sum(lim) AS total FROM budgets WHERE id LIKE ${'text %'}`).toEqual([
      { n: 6, total: 6 * 1_796_000_000_000 + 15 },
    ])
  })

  test('keeps fractions, whole numbers and nothing apart in one column', async () => {
    const columns = ['hour', 'key', 'model', 'upstream', 'client', 'requests', 'errors'] as const
    const tokens = ['tokens_in', 'tokens_cached', 'tokens_out', 'tokens_reasoning', 'credits', 'usd'] as const
    const rows = [0.25, 1, null].map((credits, hour) => ({
      ...{ hour, key: 'fractions', model: '', upstream: '', client: '', requests: 1, errors: 0 },
      ...{ tokens_in: 2, tokens_cached: 0, tokens_out: 3, tokens_reasoning: 0, credits, usd: null },
    }))
    await sql`INSERT INTO ${newRows('usage', [...columns, ...tokens], rows)}
      ON CONFLICT (hour, key, model, upstream, client) DO UPDATE SET requests = usage.requests + excluded.requests`
    expect(await sql`SELECT credits, usd FROM usage WHERE key = ${'fractions'} ORDER BY hour`).toEqual([
      { credits: 0.25, usd: null },
      { credits: 1, usd: null },
      { credits: null, usd: null },
    ])
  })

  test('a statement of parts takes those that are there', async () => {
    await sql`INSERT INTO ${newRows('budgets', budgetColumns, [budget('part a', 1), budget('part b', 2)])}`
    const find = async (lim?: number) =>
      await sql`SELECT id FROM budgets WHERE id LIKE ${'part %'} ${lim === undefined ? part`` : part`AND lim = ${lim}`} AND key = ${'k'} ORDER BY id`
    expect(await find(2)).toEqual([{ id: 'part b' }])
    expect(await find()).toEqual([{ id: 'part a' }, { id: 'part b' }])
    expect(await find(1)).toEqual([{ id: 'part a' }])
  })

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['not a number', Number.NaN],
    ['a number that is not exact', 2 ** 53],
    ['an object', { lim: 1 }],
    ['a date', new Date(0)],
  ])('%s is refused, not stored as NULL', async (_what, value) => {
    const given = value as number
    expect(await failure(sql`UPDATE budgets SET lim = ${given}`)).toBeInstanceOf(TypeError)
    const rows = [{ ...budget('refused'), lim: given }]
    expect(await failure(sql`INSERT INTO ${newRows('budgets', budgetColumns, rows)}`)).toMatchObject({
      message: expect.stringContaining('lim cannot be stored'),
    })
  })

  test('a key that is there already is a problem of its own', async () => {
    const insert = () => sql`INSERT INTO ${newRows('budgets', budgetColumns, [budget('twice')])}`
    await insert()
    expect(await failure(insert())).toMatchObject({ problem: 'unique' })
    expect(await failure(sql`SELECT nothing FROM nowhere`)).not.toBeInstanceOf(DatabaseError)
  })

  test('of several new rows all are stored or none', async () => {
    const insert = (...ids: string[]) =>
      sql`INSERT INTO ${newRows(
        'budgets',
        budgetColumns,
        ids.map((id) => budget(id)),
      )} RETURNING id`
    expect(await insert('row 1', 'row 2')).toEqual([{ id: 'row 1' }, { id: 'row 2' }])
    expect(await failure(insert('row 3', 'row 2'))).toMatchObject({ problem: 'unique' })
    expect(await insert('row 3')).toEqual([{ id: 'row 3' }])
    expect(await insert()).toEqual([])
  })

  test('of rows of which some are there, those that were new are named', async () => {
    const insert = (...ids: string[]) =>
      sql`INSERT INTO ${newRows(
        'budgets',
        budgetColumns,
        ids.map((id) => budget(id)),
      )} ON CONFLICT (id) DO NOTHING ${inserted('id')}`
    expect(await insert('new 1', 'new 2')).toEqual([{ id: 'new 1' }, { id: 'new 2' }])
    expect(await insert('new 2', 'new 3', 'new 3', 'new 1')).toEqual([{ id: 'new 3' }])
    expect(await insert('new 3')).toEqual([])
    expect(await insert('new 4')).toEqual([{ id: 'new 4' }])
  })

  test('a transaction counts as a whole, and others see it as a whole', async () => {
    await sql`INSERT INTO ${newRows('budgets', budgetColumns, [budget('whole')])}`
    const add = (amount: number) => sql`UPDATE budgets SET settled = settled + ${amount} WHERE id = ${'whole'}`
    const settled = async () => (await sql`SELECT settled FROM budgets WHERE id = ${'whole'}`)[0]?.settled
    const failed = sql.transaction(async (inside) => {
      await inside`UPDATE budgets SET settled = 50 WHERE id = ${'whole'}`
      await new Promise(setImmediate)
      throw new Error('changed my mind')
    })
    // Not part of the transaction, though asked while it is open.
    const beside = add(1)
    expect(await failure(failed)).toMatchObject({ message: 'changed my mind' })
    await beside
    expect(await settled()).toBe(1)
    const results = await Promise.all(
      Array.from({ length: 20 }, () =>
        sql.transaction(async (inside) => {
          const [found] = await inside<{
            settled: number
          }>`SELECT settled FROM budgets WHERE id = ${'whole'} ${sql.engine === 'postgres' ? part`FOR UPDATE` : part``}`
          await new Promise(setImmediate)
          await inside`UPDATE budgets SET settled = ${(found?.settled ?? 0) + 1} WHERE id = ${'whole'}`
          return 'done'
        }),
      ),
    )
    expect(results).toEqual(Array.from({ length: 20 }, () => 'done'))
    expect(await settled()).toBe(21)
  })

  test('of 200 calls at once on a budget for 50, 50 pass', async () => {
    await sql`INSERT INTO ${newRows('budgets', budgetColumns, [budget('fifty', 500)])}`
    const reserve = () =>
      sql`UPDATE budgets SET reserved = reserved + 10 WHERE id = ${'fifty'} AND settled + reserved + 10 <= lim RETURNING id`
    const granted = await Promise.all(Array.from({ length: 200 }, reserve))
    expect(granted.filter((rows) => rows.length === 1)).toHaveLength(50)
  })

  test('a key and an index sort alike: by bytes', async () => {
    const ids = ['sort a', 'sort B', 'sort é', 'sort Z', 'sort z']
    await sql`INSERT INTO ${newRows(
      'budgets',
      budgetColumns,
      ids.map((id) => budget(id)),
    )}`
    const rows = await sql<{ id: string }>`SELECT id FROM budgets WHERE id LIKE ${'sort %'} ORDER BY id`
    expect(rows.map(({ id }) => id)).toEqual(['sort B', 'sort Z', 'sort a', 'sort z', 'sort é'])
  })

  test('several that open it at once find one schema', async () => {
    const others = await Promise.all(Array.from({ length: 4 }, () => opened(url)))
    const found = await Promise.all(others.map((other) => other<Version>`SELECT version FROM schema_version`))
    await Promise.all(others.map((other) => other.close()))
    for (const versions of found) expect(versions).toEqual(Array.from(versions, (_, index) => ({ version: index + 1 })))
    expect(new Set(found.map(({ length }) => length)).size).toBe(1)
  })
})

test.each(engines.slice(1))('%s of a newer version is left alone', async (_name, newUrl) => {
  const url = await newUrl()
  const first = await opened(url)
  await first`INSERT INTO schema_version (version) VALUES (${7_000})`
  await first.close()
  expect(await failure(opened(url))).toMatchObject({ message: expect.stringContaining('has schema 7000') })
})
