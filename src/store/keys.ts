import { type Database, forUpdate, part, type Sql, skipLocked } from '../database/sql.ts'
import { type BudgetRow, budgetOf, budgetsOf, type Reservations, type StoredBudget } from './budget-rows.ts'
import { cutOffMs } from './budget-statements.ts'
import { postgresBudgets } from './postgres-budgets.ts'

/** A key as it is stored. Instants are epoch milliseconds. */
export interface KeyRow {
  id: string
  name: string
  /** The beginning of the secret. */
  prefix: string
  /** SHA-256 of the secret, in hexadecimal digits. */
  hash: string
  disabled: boolean
  /** The key's rules as JSON, without its budgets. */
  rules: string
  createdAt: number
  expiresAt?: number
  lastUsedAt?: number
}

export type NewBudget = Pick<BudgetRow, 'id' | 'unit' | 'limit' | 'window'>

/** A key and its budgets, as they are to be stored. */
export interface NewKey {
  key: KeyRow
  budgets: readonly NewBudget[]
}

/** Keys, their budgets, and the reservations of running requests. Errors: those of the database. */
export interface KeyStore extends Reservations {
  /** A number that increases with each change of a key. */
  version(): Promise<number>
  keys(): Promise<KeyRow[]>
  /** The budgets of one key, or of all keys. */
  budgets(key?: string): Promise<BudgetRow[]>
  /**
   * Reads all keys and writes one, new or changed, in one transaction, so that changes of other processes are neither
   * lost nor overlooked. Budgets that stay keep their spent amounts. `decide` may be called more than once. Resolves
   * with the key. Errors: those that `decide` throws; `DatabaseError` `unique` if the hash is taken.
   */
  put(decide: (keys: readonly KeyRow[], budgets: readonly BudgetRow[]) => NewKey): Promise<KeyRow>
  /** Deletes a key. Its name stays, for past usage. Resolves with whether there was such a key. */
  remove(id: string, now: number): Promise<boolean>
  /** Sets its budgets to unspent. The costs of running requests will not count either. */
  reset(id: string): Promise<void>
  touch(used: ReadonlyMap<string, number>): Promise<void>
  /**
   * Settles expired reservations by their estimates. On PostgreSQL, their gateway may only have been cut off, and later
   * settles the difference. Resolves with their number.
   */
  settleExpired(now: number): Promise<number>
}

const sweepSize = 500

export function createKeyStore(db: Database): KeyStore {
  /** Holds the lock until the transaction ends. A transaction of SQLite locks the database by itself. */
  const lockKeys = async (sql: Sql): Promise<void> => {
    if (db.engine !== 'postgres') return
    await sql`SELECT pg_advisory_xact_lock(${keysLock})`
    // A key that was handed out must not be lost.
    await sql`SET LOCAL synchronous_commit = on`
  }
  const tellOthers = async (sql: Sql): Promise<void> => {
    if (db.engine === 'postgres') await sql`SELECT pg_notify(${keysChannel}, '')`
  }
  /** Reads the current rows, which no other process can change until the end of the transaction. */
  const reserveLocked: KeyStore['reserve'] = (reservation, decide) =>
    db.transaction(async (sql) => {
      const rows = await currentBudgetsOf(sql, reservation.key)
      const before = rows.map(budgetOf)
      const decision = decide(before)
      const budgets: BudgetRow[] = []
      for (const [index, budget] of before.entries()) {
        const reserve = decision.amounts[index]
        if (reserve === undefined) throw new Error('a budget that nothing was decided about')
        const { amount, estimate, startedAt, settled, generation } = reserve
        const reserved = reserve.reserved + amount
        await sql`UPDATE budgets SET settled = ${settled}, reserved = ${reserved},
            window_start = ${startedAt}, generation = ${generation} WHERE id = ${budget.id}`
        await sql`INSERT INTO reservations (id, budget, amount, estimate, generation, expires)
          VALUES (${reservation.id}, ${budget.id}, ${amount}, ${estimate}, ${generation}, ${reservation.expires})`
        budgets.push({ ...budget, settled, reserved, startedAt, generation })
      }
      return { decision, budgets }
    })
  const onPostgres = db.engine === 'postgres' ? postgresBudgets(db, reserveLocked) : undefined
  // A budget that is added again has the id of the earlier one, whose remaining reservations must not count.
  const firstGeneration =
    db.engine === 'postgres' ? part`(extract(epoch FROM clock_timestamp()) * 1000)::bigint` : part`0`
  const currentBudgetsOf = db.engine === 'postgres' ? lockedBudgetsOf : budgetsOf
  /**
   * Locks the budgets first, in the same order as reservations do. Locked reservations are skipped, because the
   * transaction that has locked one may be waiting for its budget.
   */
  const putBudgets = async (sql: Sql, key: string, budgets: readonly NewBudget[]): Promise<void> => {
    const before = await currentBudgetsOf(sql, key)
    for (const { id } of before)
      if (!budgets.some((budget) => budget.id === id)) {
        await sql`DELETE FROM reservations WHERE (id, budget) IN
          (SELECT id, budget FROM reservations WHERE budget = ${id} ${skipLocked})`
        await sql`DELETE FROM budgets WHERE id = ${id}`
      }
    for (const { id, unit, limit, window } of budgets)
      await sql`INSERT INTO budgets (id, key, unit, lim, span, window_start, window_ms, generation)
        VALUES (${id}, ${key}, ${unit}, ${limit}, ${window}, 0, ${windowMs(window)}, ${firstGeneration})
        ON CONFLICT (id) DO UPDATE SET lim = excluded.lim`
  }
  return {
    async version() {
      const [row] = await db<{ changed: number | null }>`SELECT max(changed) AS changed FROM keys`
      return row?.changed ?? 0
    },

    keys: () => keysIn(db),

    budgets: async (key) => (key === undefined ? allBudgets(db) : (await budgetsOf(db, key)).map(budgetOf)),

    put: (decide) =>
      db.transaction(async (sql) => {
        await lockKeys(sql)
        const before = await keysIn(sql)
        const { key, budgets } = decide(before, await allBudgets(sql))
        const { id, name, prefix, hash, rules, createdAt, expiresAt = null } = key
        const disabled = Number(key.disabled)
        if (before.some((row) => row.id === id))
          await sql`UPDATE keys SET name = ${name}, prefix = ${prefix}, hash = ${hash}, disabled = ${disabled},
              rules = ${rules}, expires = ${expiresAt}, changed = (SELECT max(changed) + 1 FROM keys)
            WHERE id = ${id}`
        else
          await sql`INSERT INTO keys (id, name, prefix, hash, disabled, rules, created, expires, changed)
            VALUES (${id}, ${name}, ${prefix}, ${hash}, ${disabled}, ${rules}, ${createdAt}, ${expiresAt},
              (SELECT coalesce(max(changed), 0) + 1 FROM keys))`
        await putBudgets(sql, id, budgets)
        await tellOthers(sql)
        return key
      }, changeMs),

    remove: (id, now) =>
      db.transaction(async (sql) => {
        await lockKeys(sql)
        const removed = await sql`UPDATE keys SET hash = ${`deleted ${id}`}, disabled = 1, deleted = ${now},
            changed = (SELECT max(changed) + 1 FROM keys)
          WHERE id = ${id} AND deleted IS NULL RETURNING id`
        await putBudgets(sql, id, [])
        await tellOthers(sql)
        return removed.length > 0
      }, changeMs),

    reset: async (id) => {
      // In the order in which reservations lock them, so that the two cannot deadlock.
      await db`WITH locked AS MATERIALIZED (SELECT id FROM budgets WHERE key = ${id} ORDER BY id ${forUpdate})
        UPDATE budgets SET settled = 0, reserved = 0, window_start = 0, generation = generation + 1
        WHERE id IN (SELECT id FROM locked)`
    },

    touch: (used) =>
      db.engine === 'postgres'
        ? touchAll(db.background, used)
        : db.transaction(async (sql) => {
            for (const [id, at] of used) await sql`UPDATE keys SET last_used = ${at} WHERE id = ${id}`
          }),

    reserve: onPostgres?.reserve ?? reserveLocked,

    settle:
      onPostgres?.settle ??
      ((id, spent) =>
        db.transaction(async (sql) => {
          const rows = await sql<ReservedAmount>`DELETE FROM reservations WHERE id = ${id}
            RETURNING budget, amount, estimate, counted, generation`
          for (const row of rows) await settleReservation(sql, row, spent.get(row.budget) ?? 0)
        })),

    extend:
      onPostgres?.extend ??
      ((reservations, expires) =>
        db.transaction(async (sql) => {
          for (const { id, estimates } of reservations)
            for (const [budget, estimate] of estimates)
              await sql`UPDATE reservations SET expires = ${expires}, estimate = ${estimate}
                WHERE id = ${id} AND budget = ${budget}`
        })),

    async settleExpired(now) {
      const expired = await db<{ id: string; budget: string }>`SELECT id, budget FROM reservations
        WHERE expires <= ${now} ORDER BY expires LIMIT ${sweepSize}`
      for (const { id, budget } of expired)
        await db.transaction(async (sql) => {
          const own = part`id = ${id} AND budget = ${budget}`
          const [row] = await sql<ReservedAmount>`SELECT budget, amount, estimate, counted, generation FROM reservations
            WHERE ${own} AND expires <= ${now} ${forUpdate}`
          if (row === undefined) return
          // On PostgreSQL the row stays for a while, because its gateway may only be cut off: it then settles the
          // difference. The row is deleted if it has stayed that long already.
          if (db.engine === 'postgres' && (row.amount > 0 || row.estimate !== row.counted))
            await sql`UPDATE reservations SET amount = 0, counted = estimate, expires = ${now + cutOffMs} WHERE ${own}`
          else await sql`DELETE FROM reservations WHERE ${own}`
          await settleReservation(sql, row, row.estimate)
        })
      return expired.length
    },
  }
}

/** The channel on which PostgreSQL notifies gateways of each change of a key. */
export const keysChannel = 'zai2api_keys'

/** The time limit for a change of a key. It waits for the disk, which may be slow, and no request waits for it. */
const changeMs = 5_000

/** The lock with which key changes on PostgreSQL wait for each other. Other users of the database do not use it. */
const keysLock = 7_265_102

async function keysIn(sql: Sql): Promise<KeyRow[]> {
  const rows = await sql<StoredKey>`SELECT id, name, prefix, hash, disabled, rules, created, expires, last_used
    FROM keys WHERE deleted IS NULL ORDER BY id`
  return rows.map(keyOf)
}

async function allBudgets(sql: Sql): Promise<BudgetRow[]> {
  const rows = await sql<StoredBudget>`SELECT id, key, unit, lim, span, settled, reserved, window_start, generation
    FROM budgets ORDER BY id`
  return rows.map(budgetOf)
}

/** Locks the rows in a fixed order, so that gateways that do this at the same time cannot deadlock. */
async function touchAll(sql: Sql, used: ReadonlyMap<string, number>): Promise<void> {
  const rows = [...used].map(([id, at]) => ({ id, at }))
  await sql`
    WITH asked AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS asked(id text, at bigint)
    ), locked AS MATERIALIZED (
      SELECT id FROM keys WHERE id = ANY(ARRAY(SELECT id FROM asked)) ORDER BY id FOR UPDATE
    )
    UPDATE keys SET last_used = greatest(last_used, at) FROM asked JOIN locked USING (id) WHERE keys.id = locked.id`
}

interface ReservedAmount {
  budget: string
  amount: number
  estimate: number
  /** The amount that is settled already. */
  counted: number
  generation: number
}

/**
 * A reservation from an ended window or from before a reset has an old `generation`, so it does not change the budget.
 */
async function settleReservation(sql: Sql, row: ReservedAmount, spent: number): Promise<void> {
  const { budget, amount, counted, generation } = row
  await sql`UPDATE budgets SET reserved = reserved - ${amount}, settled = settled + ${spent - counted}
    WHERE id = ${budget} AND generation = ${generation}`
}

/** 0 for calendar windows, whose length varies, and for `total`. */
function windowMs(window: BudgetRow['window']): number {
  const [, hours] = /^(\d+)h$/.exec(window) ?? []
  return hours === undefined ? 0 : Number(hours) * 3_600_000
}

/**
 * Locks the rows until the transaction ends. SQLite has no `FOR UPDATE` and does not need it, because a transaction locks
 * the database.
 */
function lockedBudgetsOf(sql: Sql, key: string): Promise<StoredBudget[]> {
  return sql<StoredBudget>`SELECT id, key, unit, lim, span, settled, reserved, window_start, generation
    FROM budgets WHERE key = ${key} ORDER BY id FOR UPDATE`
}

interface StoredKey extends Pick<KeyRow, 'id' | 'name' | 'prefix' | 'hash' | 'rules'> {
  disabled: number
  created: number
  expires: number | null
  last_used: number | null
}

function keyOf({ disabled, created, expires, last_used, ...row }: StoredKey): KeyRow {
  return {
    ...row,
    disabled: disabled !== 0,
    createdAt: created,
    ...(expires === null ? {} : { expiresAt: expires }),
    ...(last_used === null ? {} : { lastUsedAt: last_used }),
  }
}
