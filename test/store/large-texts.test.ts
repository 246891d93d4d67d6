import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Database, Parameter, Sql } from '../../src/database/sql.ts'
import { databaseBackground } from '../../src/store/background-store.ts'
import { createBatchStore } from '../../src/store/batches.ts'
import { databaseResponses } from '../../src/store/database-responses.ts'
import { createKeyStore } from '../../src/store/keys.ts'
import { patientPostgres } from '../support/databases.ts'
import { noPostgres } from '../support/postgres.ts'

// A text that takes longer than a request may wait makes the network count as dead.

describe.skipIf(noPostgres !== undefined)('large texts', () => {
  let database: Database
  let sql: Database
  let stop: (() => Promise<void>) | undefined
  /** The most characters that went to the server, or came from there, where requests are answered in time. */
  let most = 0
  beforeAll(async () => {
    ;({ sql: database, stop } = await patientPostgres())
    sql = Object.assign(counted(database), {
      ...{ engine: database.engine, background: database.background },
      ...{ state: database.state, isAway: database.isAway, listen: database.listen, close: database.close },
      transaction: <T>(work: (inside: Sql) => Promise<T>, limitMs?: number) =>
        database.transaction((inside) => work(limitMs === undefined ? counted(inside) : inside), limitMs),
    })
  }, 60_000)
  afterAll(() => stop?.())

  const counted =
    (inner: Sql): Sql =>
    async <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) => {
      const rows = await inner<Row>(text, ...values)
      most = Math.max(most, JSON.stringify(values).length, JSON.stringify(rows).length)
      return rows
    }

  const text = 'a long text '.repeat(100_000)
  const reply = (id: string, more = text) => ({ id, reply: { id }, input: [{ text: more }] })
  const limits = { maxBytes: 64_000_000, maxRows: 100, maxAgeMs: 100_000, now: Date.now }
  const background = (node: string) =>
    databaseBackground({ ...limits, sql, node, gateways: { isComplete: () => true }, warn: () => expect.unreachable() })

  test('of stored replies hold up nobody', async () => {
    const store = databaseResponses({ ...limits, sql })
    await store.put('ann', reply('large'))
    expect(await store.get('ann', 'large')).toEqual(reply('large'))
    await store.put('ann', reply('grows', 'short'))
    expect(await store.get('ann', 'grows')).toEqual(reply('grows', 'short'))
    expect(await store.change('ann', 'grows', () => reply('grows'))).toEqual(reply('grows'))
    expect(await store.change('ann', 'grows', () => reply('grows', 'again'))).toEqual(reply('grows', 'again'))
    expect(await store.get('ann', 'grows')).toEqual(reply('grows', 'again'))
    expect(await store.change('ann', 'unknown', (known) => known)).toBeUndefined()
    expect(most).toBeLessThan(300_000)
  })

  test('of replies in the background hold up nobody', async () => {
    const [one, other] = [background('one'), background('other')]
    expect(await one.begin('ann', reply('reply'))).toBe(true)
    // It may be tried again although it has succeeded, and the reply is then as it is.
    const last = { ...reply('reply'), reply: { status: 'failed' } }
    expect(await other.abandon('ann', last)).toEqual(last)
    expect(await one.begin('ann', reply('reply'))).toBe(true)
    expect(await one.end('ann', reply('reply'), true)).toEqual(last)
    expect(await other.get('ann', 'reply')).toEqual(last)
    const events = ['0', text, '2']
    await one.events.write('reply', { from: 0, events: ['0'], isEnd: false })
    await one.events.write('reply', { from: 1, events: [text, '2'], isEnd: true })
    expect(await other.events.read('reply', 0)).toEqual({ events, isEnd: true })
    expect(await other.events.read('reply', 2)).toEqual({ events: ['2'], isEnd: true })
    expect(most).toBeLessThan(300_000)
  })

  test('of batches hold up nobody', async () => {
    const store = createBatchStore({
      open: () => sql,
      isLasting: true,
      maxBytes: 64_000_000,
      now: Date.now,
      node: 'one',
    })
    const entries = [{ name: 'a', body: text }]
    await store.create({ id: 'batch', owner: 'ann', dialect: 'x', headers: [], entries })
    expect(await store.pending('batch', -1, 1)).toEqual([{ n: 0, body: text }])
    await store.storeOutcome('batch', 0, 'succeeded', text)
    expect(await store.results('batch', -1, 1)).toMatchObject([{ response: text }])
    expect(most).toBeLessThan(300_000)
  })

  test('of many keys hold up nobody', async () => {
    await database`INSERT INTO keys (id, name, prefix, hash, rules, created, changed)
      SELECT n::text, n::text, '', n::text, '{}', 1, 1 FROM generate_series(1, 5000) AS n`
    await database`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms)
      SELECT n::text, n::text, 'tokens', 1, 1, 1 FROM generate_series(1, 5000) AS n`
    const store = createKeyStore(sql)
    expect([(await store.keys()).length, (await store.budgets()).length]).toEqual([5_000, 5_000])
    expect(most).toBeLessThan(300_000)
  })
})
