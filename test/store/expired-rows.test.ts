import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Database } from '../../src/database/sql.ts'
import { databaseCapacity } from '../../src/store/credential-capacity.ts'
import { deleteExpiredRows } from '../../src/store/expired-rows.ts'
import { patientPostgres } from '../support/databases.ts'
import { noPostgres } from '../support/postgres.ts'

describe.skipIf(noPostgres !== undefined)('what gateways, keys and credentials that are gone have left', () => {
  let sql: Database
  let stop: (() => Promise<void>) | undefined
  beforeAll(async () => {
    ;({ sql, stop } = await patientPostgres())
  }, 60_000)
  afterAll(() => stop?.())

  test('is deleted, and what is in use is not', async () => {
    const [{ now } = { now: 0 }] = await sql<{
      now: number
    }>`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`
    const capacity = databaseCapacity({ sql, node: 'new', upstream: 'zai' })
    await capacity.exchange(
      ['a'],
      [{ credential: 'a', model: '', inFlight: 1, wants: { ann: 1 }, startLimit: 3, answered: 0 }],
    )
    await sql`INSERT INTO capacities (credential, model, lim, used) VALUES ('zai/old', '', 4, ${now - 31 * 86_400_000})`
    for (const [name, age] of [
      ['old', 8 * 86_400_000],
      ['new', 0],
    ] as const) {
      await sql`INSERT INTO gateways (node, expires) VALUES (${name}, ${now + 600_000 - age})`
      await sql`INSERT INTO allowances (key, filled, running) VALUES (${name}, ${now - age}, '{}')`
      await sql`INSERT INTO cooldowns (credential, model, suspended, failures, ends, dated, error)
        VALUES (${name}, '', 0, 1, ${now - age}, 0, '{}')`
    }
    await sql`INSERT INTO leases (credential, model, node, share, in_flight, wants, turn, expires)
      VALUES ('zai/old', '', 'old', 1, 0, '{}', 0, ${now - 7_200_000})`
    await deleteExpiredRows(sql)
    expect(await sql`SELECT node FROM gateways`).toEqual([{ node: 'new' }])
    expect(await sql`SELECT key FROM allowances`).toEqual([{ key: 'new' }])
    expect(await sql`SELECT credential FROM cooldowns`).toEqual([{ credential: 'new' }])
    expect(await sql`SELECT node FROM leases`).toEqual([{ node: 'new' }])
    expect(await sql`SELECT credential, lim FROM capacities`).toEqual([{ credential: 'zai/a', lim: 3 }])
  }, 60_000)

  test('does not say when it was used where an older version uses it', async () => {
    await sql`INSERT INTO capacities (credential, model, lim) VALUES ('zai/of-older', '', 4)`
    await deleteExpiredRows(sql)
    expect(await sql`SELECT lim FROM capacities WHERE credential = 'zai/of-older'`).toEqual([{ lim: 4 }])
  }, 60_000)

  test('is left for the next time where somebody has locked it, and nobody waits', async () => {
    await sql`INSERT INTO gateways (node, expires) VALUES ('locked', 1), ('free', 1)`
    await sql.transaction(async (inside) => {
      await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
      await inside`SELECT node FROM gateways WHERE node = 'locked' FOR UPDATE`
      await deleteExpiredRows(sql)
    }, 60_000)
    expect(await sql`SELECT node FROM gateways WHERE expires = 1`).toEqual([{ node: 'locked' }])
    await deleteExpiredRows(sql)
    expect(await sql`SELECT node FROM gateways WHERE expires = 1`).toEqual([])
  }, 60_000)
})
