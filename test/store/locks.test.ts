import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Database, Sql } from '../../src/database/sql.ts'
import { type BatchStore, createBatchStore } from '../../src/store/batches.ts'
import { databaseCapacity } from '../../src/store/credential-capacity.ts'
import { databaseResponses } from '../../src/store/database-responses.ts'
import { createKeyStore } from '../../src/store/keys.ts'
import { forgetLateCosts } from '../../src/store/late-costs.ts'
import { deleteOldestRequests } from '../../src/store/requests.ts'
import { deleteOldUsage } from '../../src/store/usage.ts'
import { createUsedApprovals } from '../../src/store/used-approvals.ts'
import { patientPostgres } from '../support/databases.ts'
import { eventually } from '../support/eventually.ts'
import { noPostgres } from '../support/postgres.ts'

// Two that lock the same rows in different orders wait for each other until one is ended, and a request is lost.

const report = (credential: string, more: { allowed?: number } = {}) => ({
  ...{ credential, model: '', inFlight: 3, wants: { ann: 3 }, startLimit: undefined, answered: 0 },
  ...more,
})

describe.skipIf(noPostgres !== undefined)('a statement that waits for the first of its rows holds no other', () => {
  let sql: Database
  let stop: (() => Promise<void>) | undefined
  beforeAll(async () => {
    ;({ sql, stop } = await patientPostgres())
  }, 60_000)
  afterAll(() => stop?.())

  /** While somebody else holds one row, `work` waits for it, and the other row is free. */
  async function expectOrder(
    hold: (inside: Sql) => Promise<unknown>,
    work: () => Promise<unknown>,
    other: (inside: Sql) => Promise<unknown[]>,
  ) {
    let working: Promise<unknown> = Promise.resolve()
    try {
      await sql.transaction(async (inside) => {
        await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
        await hold(inside)
        working = work()
        await eventually(async () => {
          const [row] = await sql`SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`
          expect(row).toEqual({ n: 1 })
        })
        expect(await other(inside)).toHaveLength(1)
      }, 30_000)
    } finally {
      await working
    }
  }

  const putBudgets = (id: string, budgets: readonly string[]) =>
    createKeyStore(sql).put(() => ({
      key: { id, name: id, prefix: id, hash: id, disabled: false, rules: '{}', createdAt: 0 },
      budgets: budgets.map((budget) => ({ id: budget, unit: 'tokens', limit: 9, window: 'total' })),
    }))

  test('resetting the budgets of a key', async () => {
    // The later one comes first in the table.
    for (const id of ['r2', 'r1'])
      await sql`INSERT INTO budgets (id, key, unit, lim, settled, window_start, window_ms)
        VALUES (${id}, 'r', 'tokens', 1, 1, 0, 0)`
    await expectOrder(
      (inside) => inside`SELECT id FROM budgets WHERE id = 'r1' FOR UPDATE`,
      () => createKeyStore(sql).reset('r'),
      (inside) => inside`SELECT id FROM budgets WHERE id = 'r2' FOR UPDATE NOWAIT`,
    )
    expect(await sql`SELECT settled FROM budgets WHERE key = 'r'`).toEqual([{ settled: 0 }, { settled: 0 }])
  }, 60_000)

  test('changing the budgets of a key', async () => {
    for (const id of ['c2', 'c1'])
      await sql`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms) VALUES (${id}, 'c', 'tokens', 1, 0, 0)`
    await expectOrder(
      (inside) => inside`SELECT id FROM budgets WHERE id = 'c1' FOR UPDATE`,
      () => putBudgets('c', ['c2', 'c1']),
      (inside) => inside`SELECT id FROM budgets WHERE id = 'c2' FOR UPDATE NOWAIT`,
    )
    expect(await sql`SELECT lim FROM budgets WHERE key = 'c'`).toEqual([{ lim: 9 }, { lim: 9 }])
  }, 60_000)

  test('taking the budgets of a key away, while what was reserved of them is settled', async () => {
    for (const id of ['t1', 't2']) {
      await sql`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms) VALUES (${id}, 't', 'tokens', 1, 0, 0)`
      await sql`INSERT INTO reservations (id, budget, amount, expires) VALUES ('call', ${id}, 1, 9), ('free', ${id}, 1, 9)`
    }
    await sql.transaction(async (inside) => {
      await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
      // As a settlement does, before it locks the budgets.
      await inside`DELETE FROM reservations WHERE id = 'call'`
      await createKeyStore(sql).remove('t', 7)
    }, 30_000)
    expect(await sql`SELECT id FROM budgets WHERE key = 't'`).toEqual([])
    expect(await sql`SELECT id FROM reservations WHERE budget IN ('t1', 't2')`).toEqual([])
  }, 60_000)

  test('what is left of a budget does not count for that of the same name', async () => {
    const store = createKeyStore(sql)
    await sql`INSERT INTO budgets (id, key, unit, lim, reserved, window_start, window_ms)
      VALUES ('g1', 'g', 'tokens', 1, 1, 0, 0)`
    await sql`INSERT INTO reservations (id, budget, amount, expires) VALUES ('g', 'g1', 1, 9)`
    await sql.transaction(async (inside) => {
      await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
      // As what extends it does.
      await inside`SELECT id FROM reservations WHERE id = 'g' FOR UPDATE`
      await putBudgets('g', [])
    }, 30_000)
    await putBudgets('g', ['g1'])
    await store.settle('g', new Map([['g1', 5]]))
    expect(await store.budgets('g')).toMatchObject([{ id: 'g1', reserved: 0, settled: 0 }])
  }, 60_000)

  test('storing when keys were used', async () => {
    for (const id of ['k2', 'k1'])
      await sql`INSERT INTO keys (id, name, prefix, hash, rules, created, changed)
        VALUES (${id}, ${id}, ${id}, ${id}, '{}', 0, 1)`
    const used = new Map([
      ['k2', 7],
      ['k1', 5],
    ])
    await expectOrder(
      (inside) => inside`SELECT id FROM keys WHERE id = 'k1' FOR UPDATE`,
      () => createKeyStore(sql).touch(used),
      (inside) => inside`SELECT id FROM keys WHERE id = 'k2' FOR UPDATE NOWAIT`,
    )
    expect(await sql`SELECT last_used FROM keys WHERE id IN ('k1', 'k2') ORDER BY id`).toEqual([
      { last_used: 5 },
      { last_used: 7 },
    ])
  }, 60_000)

  const batch = (id: string, node: string, leased: number) =>
    sql`INSERT INTO batches (id, key, at, expires, size, bytes, dialect, headers, succeeded, errored, canceled, expired,
        node, leased)
      VALUES (${id}, 'ann', 1, 9, 1, 1, 'openai', '[]', 0, 0, 0, 0, ${node}, ${leased})`
  const batches = (node: string) =>
    createBatchStore({ open: () => sql, isLasting: true, maxBytes: 1_000, now: () => 5, node })

  test('renewing the claim to batches', async () => {
    for (const id of ['own2', 'own1']) await batch(id, 'owner', 100)
    let claiming: ReturnType<BatchStore['claim']> = Promise.resolve([])
    await expectOrder(
      (inside) => inside`SELECT id FROM batches WHERE id = 'own1' FOR UPDATE`,
      () => {
        claiming = batches('owner').claim()
        return claiming
      },
      (inside) => inside`SELECT id FROM batches WHERE id = 'own2' FOR UPDATE NOWAIT`,
    )
    expect((await claiming).map(({ id }) => id).toSorted()).toEqual(['own1', 'own2'])
  }, 60_000)

  test('ending the requests of a batch', async () => {
    await batch('ends', 'owner', 100)
    for (const n of [2, 1])
      await sql`INSERT INTO batch_requests (batch, n, name, body) VALUES ('ends', ${n}, ${`${n}`}, '{}')`
    await expectOrder(
      (inside) => inside`SELECT n FROM batch_requests WHERE batch = 'ends' AND n = 1 FOR UPDATE`,
      () => batches('owner').end('ends', 'expired'),
      (inside) => inside`SELECT n FROM batch_requests WHERE batch = 'ends' AND n = 2 FOR UPDATE NOWAIT`,
    )
    expect(await sql`SELECT expired FROM batches WHERE id = 'ends'`).toEqual([{ expired: 2 }])
  }, 60_000)

  test('deleting the oldest requests', async () => {
    for (const at of [2, 1]) await sql`INSERT INTO requests (id, at, meta) VALUES (${`old${at}`}, ${at}, '{}')`
    await sql`INSERT INTO requests (id, at, meta) VALUES ('new', 3, '{}')`
    await expectOrder(
      (inside) => inside`SELECT id FROM requests WHERE at = 1 FOR UPDATE`,
      () => deleteOldestRequests(sql, 2),
      (inside) => inside`SELECT id FROM requests WHERE at = 2 FOR UPDATE NOWAIT`,
    )
    expect(await sql`SELECT id FROM requests`).toEqual([{ id: 'new' }])
  }, 60_000)

  test('exchanging the limits of credentials that are new', async () => {
    const capacity = databaseCapacity({ sql, node: 'n', upstream: 'new' })
    await expectOrder(
      (inside) => inside`INSERT INTO capacities (credential, model) VALUES ('new/a', '')`,
      () => capacity.exchange(['b', 'a'], [report('b'), report('a')]),
      async (inside) => {
        await inside`SET LOCAL lock_timeout = 100`
        return await inside`INSERT INTO capacities (credential, model) VALUES ('new/b', '') RETURNING credential`
      },
    )
    await capacity.leave(['a', 'b'], [])
  }, 60_000)

  test('giving back what a gateway has of a credential', async () => {
    const capacity = databaseCapacity({ sql, node: 'n', upstream: 'left' })
    const [share] = await capacity.exchange(['a'], [report('a', { allowed: 2 })])
    await expectOrder(
      (inside) => inside`SELECT lim FROM capacities WHERE credential = 'left/a' FOR UPDATE`,
      () => capacity.leave(['a'], [{ credential: 'a', model: '', fence: share?.fence ?? 0 }]),
      (inside) => inside`SELECT node FROM leases WHERE credential = 'left/a' FOR UPDATE NOWAIT`,
    )
    expect(await sql`SELECT node FROM leases WHERE credential = 'left/a'`).toEqual([])
  }, 60_000)

  test('a refusal is learned although another gateway deletes the row at that moment', async () => {
    const capacity = databaseCapacity({ sql, node: 'n', upstream: 'gone' })
    await capacity.exchange(['a'], [report('a')])
    let learning: ReturnType<typeof capacity.exchange> = Promise.resolve([])
    await expectOrder(
      (inside) => inside`SELECT lim FROM capacities WHERE credential = 'gone/a' FOR UPDATE`,
      () => {
        learning = capacity.exchange(['a'], [report('a', { allowed: 2 })])
        return learning
      },
      (inside) => inside`DELETE FROM capacities WHERE credential = 'gone/a' RETURNING lim`,
    )
    expect(await learning).toMatchObject([{ credential: 'a', limit: 2 }])
  }, 60_000)

  describe('nobody waits for a row that another gateway deletes or takes at this moment', () => {
    const responses = () =>
      databaseResponses({ sql, maxBytes: 1_000_000, maxRows: 2, maxAgeMs: 1_000, now: () => 1_000_000 })
    const reply = (id: string) => ({ id, reply: { id }, input: [] })

    test.each<[string, (sql: Sql) => Promise<unknown>, (sql: Sql) => Promise<unknown>, () => Promise<unknown>]>([
      [
        'a reply that has expired',
        (all) => all`INSERT INTO replies (id, key, at, expires, bytes, reply, input)
          VALUES ('held', 'ann', 1, 1, 1, '{}', '[]'), ('free', 'ann', 1, 1, 1, '{}', '[]')`,
        (inside) => inside`SELECT id FROM replies WHERE id = 'held' FOR UPDATE`,
        () => responses().put('ann', reply('stored')),
      ],
      [
        'a reply that makes room',
        (all) => all`INSERT INTO replies (id, key, at, expires, bytes, reply, input)
          VALUES ('held', 'ann', 1, 2000000, 1, '{}', '[]'), ('free', 'ann', 2, 2000000, 1, '{}', '[]')`,
        (inside) => inside`SELECT id FROM replies WHERE id = 'held' FOR UPDATE`,
        () => responses().put('ann', reply('stored')),
      ],
      [
        'an approval that is too old',
        (all) => all`INSERT INTO used_approvals (key, id, at) VALUES ('ann', 'held', 1), ('ann', 'free', 1)`,
        (inside) => inside`SELECT id FROM used_approvals WHERE id = 'held' FOR UPDATE`,
        () => createUsedApprovals({ open: () => sql, isOwn: false, now: () => 1e12 }).use('ann', 'one'),
      ],
      [
        'usage of long ago',
        (all) => all`INSERT INTO usage (hour, key, model, upstream, client, requests, errors, tokens_in, tokens_cached,
            tokens_out, tokens_reasoning)
          VALUES (1, 'held', '', '', '', 1, 0, 1, 1, 1, 1), (1, 'free', '', '', '', 1, 0, 1, 1, 1, 1)`,
        (inside) => inside`SELECT key FROM usage WHERE key = 'held' FOR UPDATE`,
        () => deleteOldUsage(sql, 10, 5),
      ],
      [
        'a settlement of long ago',
        (all) => all`INSERT INTO settlements (id, at) VALUES ('held', 1), ('free', 1)`,
        (inside) => inside`SELECT id FROM settlements WHERE id = 'held' FOR UPDATE`,
        () => forgetLateCosts(sql, 5),
      ],
      [
        'a batch that nobody works on',
        async () => {
          await batch('held', 'gone', 1)
          await batch('free', 'gone', 1)
        },
        (inside) => inside`SELECT id FROM batches WHERE id = 'held' FOR UPDATE`,
        async () => {
          const claimed = await batches('new').claim()
          expect(claimed.map(({ id }) => id)).toEqual(['free'])
        },
      ],
    ])('%s', async (_name, insert, hold, work) => {
      await insert(sql)
      await sql.transaction(async (inside) => {
        await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
        await hold(inside)
        await work()
      }, 30_000)
      await sql`DELETE FROM replies`
    })
  })
})
