import { type Database, forUpdate, part, type Sql, skipLocked } from '../database/sql.ts'
import { type BudgetRow, budgetOf, budgetsOf, type Reservations, type StoredBudget } from './budget-rows.ts'
import { settleExpired } from './expired-reservations.ts'
import { lockedBudgets, lockedBudgetsOf } from './locked-budgets.ts'
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

export function createKeyStore(db: Database): KeyStore {
  const locked = lockedBudgets(db)
  const reservations = db.engine === 'postgres' ? postgresBudgets(db, locked.reserve) : locked
  return {
    ...reservations,

    async version() {
      const [row] = await db<{ changed: number | null }>`SELECT max(changed) AS changed FROM keys`
      return row?.changed ?? 0
    },

    keys: () => inTime(db, keysIn),

    budgets: async (key) => (key === undefined ? inTime(db, allBudgets) : (await budgetsOf(db, key)).map(budgetOf)),

    put: (decide) =>
      db.transaction(async (sql) => {
        await lockKeys(db, sql)
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
        await putBudgets(db, sql, id, budgets)
        await notifyOthers(db, sql)
        return key
      }, changeMs),

    remove: (id, now) =>
      db.transaction(async (sql) => {
        await lockKeys(db, sql)
        const removed = await sql`UPDATE keys SET hash = ${`deleted ${id}`}, disabled = 1, deleted = ${now},
            changed = (SELECT max(changed) + 1 FROM keys)
          WHERE id = ${id} AND deleted IS NULL RETURNING id`
        await putBudgets(db, sql, id, [])
        await notifyOthers(db, sql)
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

    settleExpired: (now) => settleExpired(db, now),
  }
}

/** The channel on which PostgreSQL notifies gateways of each change of a key. */
export const keysChannel = 'zai2api_keys'

/** The time limit for a change of a key. It waits for the disk, which may be slow, and no request waits for it. */
const changeMs = 5_000

/** The lock with which key changes on PostgreSQL wait for each other. Other users of the database do not use it. */
const keysLock = 7_265_102

/** Holds the lock until the transaction ends. A transaction of SQLite locks the database by itself. */
async function lockKeys({ engine }: Database, sql: Sql): Promise<void> {
  if (engine !== 'postgres') return
  await sql`SELECT pg_advisory_xact_lock(${keysLock})`
  // A key that was handed out must not be lost.
  await sql`SET LOCAL synchronous_commit = on`
}

async function notifyOthers({ engine }: Database, sql: Sql): Promise<void> {
  if (engine === 'postgres') await sql`SELECT pg_notify(${keysChannel}, '')`
}

/**
 * Locks the budgets first, in the same order as reservations do. Locked reservations are skipped, because the
 * transaction that has locked one may be waiting for its budget.
 */
async function putBudgets(db: Database, sql: Sql, key: string, budgets: readonly NewBudget[]): Promise<void> {
  const before = await lockedBudgetsOf(db, sql, key)
  for (const { id } of before)
    if (!budgets.some((budget) => budget.id === id)) {
      await sql`DELETE FROM reservations WHERE (id, budget) IN
        (SELECT id, budget FROM reservations WHERE budget = ${id} ${skipLocked})`
      await sql`DELETE FROM budgets WHERE id = ${id}`
    }
  for (const { id, unit, limit, window } of budgets)
    await sql`INSERT INTO budgets (id, key, unit, lim, span, window_start, window_ms, generation)
      VALUES (${id}, ${key}, ${unit}, ${limit}, ${window}, 0, ${windowMs(window)}, ${firstGeneration[db.engine]})
      ON CONFLICT (id) DO UPDATE SET lim = excluded.lim`
}

/** A budget that is added again has the id of the earlier one, whose remaining reservations must not count. */
const firstGeneration = {
  sqlite: part`0`,
  postgres: part`(extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
}

/** What many keys have takes longer to be sent than a request waits, after which the network would count as dead. */
function inTime<Rows>(db: Database, read: (sql: Sql) => Promise<Rows>): Promise<Rows> {
  return db.engine === 'postgres' ? db.transaction(read, changeMs) : read(db)
}

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

/** 0 for calendar windows, whose length varies, and for `total`. */
function windowMs(window: BudgetRow['window']): number {
  const [, hours] = /^(\d+)h$/.exec(window) ?? []
  return hours === undefined ? 0 : Number(hours) * 3_600_000
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
