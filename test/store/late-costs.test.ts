import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { Database } from '../../src/database/sql.ts'
import { countLateCosts, forgetLateCosts } from '../../src/store/late-costs.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

describe.skipIf(noPostgres !== undefined)('costs of calls that were let in without the database', () => {
  let server: Postgres
  let sql: Database
  let other: Database
  beforeAll(async () => {
    server = await startPostgres()
    const url = await server.newDatabase()
    const limits = { statementMs: 5_000, graceMs: 1_000 }
    sql = await openPostgres({ url, clock: systemClock, limits })
    other = await openPostgres({ url, clock: systemClock, limits })
  }, 60_000)
  afterAll(async () => {
    await sql?.close()
    await other?.close()
    server?.stop()
  })

  async function budget(id: string, { settled = 0, reserved = 0, generation = 3 } = {}) {
    await sql`INSERT INTO budgets (id, key, unit, lim, settled, reserved, window_start, window_ms, generation)
      VALUES (${id}, 'k', 'tokens', 1000, ${settled}, ${reserved}, 50, 0, ${generation})`
  }
  const stateOf = async (id: string) =>
    (await sql`SELECT settled, reserved, window_start, generation FROM budgets WHERE id = ${id}`)[0]
  const cost = (id: string, name: string, spent: number, { startedAt = 50, generation = 3 } = {}) => ({
    ...{ id, spent: new Map([[name, spent]]), budgets: new Map([[name, { startedAt, generation }]]) },
  })

  test('count once, whoever stores them', async () => {
    await budget('a', { settled: 7 })
    const costs = Array.from({ length: 300 }, (_, at) => cost(`a${at}`, 'a', 2))
    await Promise.all([countLateCosts(sql, costs, 1), countLateCosts(other, costs, 1)])
    await countLateCosts(sql, costs.slice(0, 9), 2)
    expect(await stateOf('a')).toEqual({ settled: 607, reserved: 0, window_start: 50, generation: 3 })
    await forgetLateCosts(sql, 2)
    expect(await sql`SELECT id FROM settlements`).toEqual([])
  })

  test('end the reservation whose answer did not arrive, also from a budget that was added meanwhile', async () => {
    await budget('b', { settled: 7, reserved: 150 })
    await budget('c', { reserved: 40 })
    await sql`INSERT INTO reservations (id, budget, amount, expires, generation)
      VALUES ('b1', 'b', 50, 9, 3), ('b1', 'c', 40, 9, 3), ('b2', 'b', 100, 9, 3)`
    await countLateCosts(sql, [cost('b1', 'b', 20)], 3)
    expect(await stateOf('b')).toMatchObject({ settled: 27, reserved: 100 })
    expect(await stateOf('c')).toMatchObject({ settled: 0, reserved: 0 })
    expect(await sql`SELECT id FROM reservations`).toEqual([{ id: 'b2' }])
  })

  test('are the difference where another gateway has counted their reservation by its estimate', async () => {
    await budget('f', { settled: 30 })
    await sql`INSERT INTO reservations (id, budget, amount, expires, generation, counted)
      VALUES ('f1', 'f', 0, 9, 3, 25)`
    await countLateCosts(sql, [cost('f1', 'f', 20)], 3)
    expect(await stateOf('f')).toMatchObject({ settled: 25, reserved: 0 })
    expect(await sql`SELECT id FROM reservations WHERE id = 'f1'`).toEqual([])
  })

  test('begin the window that began meanwhile, and leave one that others have begun', async () => {
    await budget('d', { settled: 7, reserved: 5 })
    const later = { startedAt: 90, generation: 4 }
    await countLateCosts(sql, [cost('d1', 'd', 20), cost('d2', 'd', 3, later), cost('d3', 'd', 4, later)], 4)
    expect(await stateOf('d')).toEqual({ settled: 7, reserved: 0, window_start: 90, generation: 4 })
    await countLateCosts(sql, [cost('d4', 'd', 1, later), cost('d5', 'd', 100)], 4)
    expect(await stateOf('d')).toMatchObject({ settled: 8, generation: 4 })
  })

  test('of a budget that was taken away count nowhere', async () => {
    await countLateCosts(sql, [cost('e1', 'gone', 20)], 5)
    expect(await sql`SELECT id FROM settlements WHERE id = 'e1'`).toHaveLength(1)
  })
})
