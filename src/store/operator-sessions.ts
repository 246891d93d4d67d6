import { type Database, part } from '../database/sql.ts'
import { isDatabaseFailure } from './map-database-errors.ts'

/**
 * A session ends after so long without a request, or so long after it began. `most`: signing in again and again must not
 * fill the memory or the table, so the oldest session ends for a new one.
 */
export const sessionLimits = { idleMs: 12 * 60 * 60_000, longestMs: 7 * 24 * 60 * 60_000, most: 100 } as const

/** A session as it is looked up. Both are hexadecimal digits: see the migration of `operator_sessions`. */
export interface SessionName {
  id: string
  boundTo: string
}

/** `ageMs` is the time since it began, `idleMs` that since its last request. */
export interface SessionTimes {
  ageMs: number
  idleMs: number
}

/** The sessions of the operator's page that all gateways of a database know. Errors: those of the database. */
export interface OperatorSessions {
  /** Nothing happens if the session is stored already. */
  insert(session: SessionName & SessionTimes): Promise<void>
  /** Resolves with those that are not over. One that `isUsed` by a request is prolonged. */
  find(asked: readonly (SessionName & { isUsed: boolean })[]): Promise<(SessionName & SessionTimes)[]>
  /** Ends sessions. Waits for the disk, because a session that was ended must stay so after a crash. */
  remove(ids: readonly string[]): Promise<void>
}

/** The condition for a row whose session is over, beside a `now` in epoch milliseconds. */
export const isSessionOver = part`used < now - ${sessionLimits.idleMs}::bigint OR started < now - ${sessionLimits.longestMs}::bigint`

/** The last request of a session is stored that precisely, so that its page does not write with every request. */
const touchedEveryMs = 60_000
/** The most sessions that a statement looks up: a request may name any number. */
const askedAtOnce = 100
const removeMs = 5_000

interface Row {
  id: string
  bound_to: string
  age: number
  idle: number
  is_used: boolean
}

/** `sql` is a database on PostgreSQL. Sessions expire by its clock. */
export function operatorSessions(sql: Database): OperatorSessions {
  return {
    async insert({ id, boundTo, ageMs, idleMs }) {
      await sql`
        WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now), removed AS (
          DELETE FROM operator_sessions WHERE id IN (
            SELECT id FROM operator_sessions ORDER BY started DESC, id OFFSET ${sessionLimits.most - 1}::bigint
            FOR UPDATE SKIP LOCKED)
        )
        INSERT INTO operator_sessions (id, bound_to, started, used)
        SELECT ${id}, ${boundTo}, now - ${Math.round(ageMs)}::bigint, now - ${Math.round(idleMs)}::bigint FROM clock
        ON CONFLICT (id) DO NOTHING`
    },
    async find(asked) {
      const found: (SessionName & SessionTimes)[] = []
      for (let at = 0; at < asked.length; at += askedAtOnce)
        found.push(...(await findSome(asked.slice(at, at + askedAtOnce))))
      return found
    },
    async remove(ids) {
      await sql.transaction(async (inside) => {
        await inside`SET LOCAL synchronous_commit = on`
        await inside`DELETE FROM operator_sessions
          WHERE id IN (SELECT json_array_elements_text(${JSON.stringify(ids)}::text::json))`
      }, removeMs)
    },
  }

  async function findSome(asked: readonly (SessionName & { isUsed: boolean })[]) {
    const names = asked.map(({ id, boundTo, isUsed }) => ({ id, bound_to: boundTo, is_used: isUsed }))
    const rows = await sql<Row>`
      WITH clock AS MATERIALIZED (
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
      ), asked AS (
        SELECT * FROM json_to_recordset(${JSON.stringify(names)}::text::json) AS asked(id text, bound_to text, is_used bool)
      )
      SELECT id, bound_to, now - started AS age, now - used AS idle, is_used
      FROM operator_sessions JOIN asked USING (id, bound_to), clock WHERE NOT (${isSessionOver})`
    const due = rows.filter(({ idle, is_used }) => is_used && idle > touchedEveryMs).map(({ id }) => id)
    if (due.length > 0)
      await touch(due).catch((thrown) => {
        // A database whose disk is full can still be read.
        if (!isDatabaseFailure(thrown)) throw thrown
      })
    return rows.map(({ id, bound_to, age, idle }) => ({ id, boundTo: bound_to, ageMs: age, idleMs: idle }))
  }

  async function touch(ids: readonly string[]): Promise<void> {
    await sql`UPDATE operator_sessions SET used = (extract(epoch FROM clock_timestamp()) * 1000)::bigint WHERE id IN (
      SELECT id FROM operator_sessions WHERE id IN (SELECT json_array_elements_text(${JSON.stringify(ids)}::text::json))
      ORDER BY id FOR UPDATE SKIP LOCKED)`
  }
}
