import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Database } from '../../src/database/sql.ts'
import { databaseEvents } from '../../src/store/background-events.ts'
import { databaseBackground } from '../../src/store/background-store.ts'
import { deleteExpiredRows } from '../../src/store/expired-rows.ts'
import { patientPostgres } from '../support/databases.ts'
import { noPostgres } from '../support/postgres.ts'

describe.skipIf(noPostgres !== undefined)('events of replies in the background', () => {
  let sql: Database
  let stop: (() => Promise<void>) | undefined
  beforeAll(async () => {
    ;({ sql, stop } = await patientPostgres())
  }, 60_000)
  afterAll(() => stop?.())
  const events = () => databaseEvents(sql, Date.now, (id) => id)

  test('are read from any number on, up to a gap, and end with the last portion', async () => {
    await events().write('a', { from: 0, events: ['0', '1'], isEnd: false })
    await events().write('a', { from: 3, events: ['3', '4'], isEnd: true })
    expect(await events().read('a', 0)).toEqual({ events: ['0', '1'], isEnd: false })
    expect(await events().read('a', 2)).toEqual({ events: [], isEnd: false })
    await events().write('a', { from: 2, events: ['2'], isEnd: false })
    expect(await events().read('a', 1)).toEqual({ events: ['1', '2', '3', '4'], isEnd: true })
    expect(await events().read('a', 4)).toEqual({ events: ['4'], isEnd: true })
    expect(await events().read('a', 5)).toEqual({ events: [], isEnd: true })
    expect(await events().read('b', 0)).toEqual({ events: [], isEnd: false })
  })

  test('may be stored again in other portions', async () => {
    await events().write('c', { from: 0, events: ['0', '1', '2'], isEnd: false })
    await events().write('c', { from: 0, events: ['0'], isEnd: false })
    await events().write('c', { from: 1, events: ['1', '2', '3'], isEnd: true })
    expect(await events().read('c', 0)).toEqual({ events: ['0', '1', '2', '3'], isEnd: true })
    await events().delete('c')
    expect(await events().has('c')).toBe(false)
  })

  test('go with their reply when that is deleted, also where its gateway is gone', async () => {
    const limits = { maxBytes: 1_000_000, maxRows: 100, maxAgeMs: 100_000, now: Date.now }
    const others = { gateways: { isComplete: () => true }, warn: () => expect.unreachable() }
    const store = databaseBackground({ ...limits, ...others, sql, node: 'gone' })
    await store.begin('ann', { id: 'd', reply: {}, input: [] })
    await events().write('d', { from: 0, events: ['0'], isEnd: false })
    await store.delete('bob', 'd')
    expect(await events().has('d')).toBe(true)
    await store.delete('ann', 'd')
    expect(await events().has('d')).toBe(false)
  })

  test('and what is known of replies are deleted after a day, if their gateway has not done so', async () => {
    await sql`INSERT INTO background_events (reply, n, at, count, last, events) VALUES ('old', 0, 1, 1, 1, '["0"]')`
    await sql`INSERT INTO background_replies (id, key, node, at) VALUES ('old', 'ann', 'x', 1), ('new', 'ann', 'x', ${Date.now()})`
    await deleteExpiredRows(sql)
    expect(await events().has('old')).toBe(false)
    expect(await events().has('a')).toBe(true)
    expect(await sql`SELECT id FROM background_replies`).toEqual([{ id: 'new' }])
  })
})
