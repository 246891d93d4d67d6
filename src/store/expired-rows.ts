import type { Clock } from '../core/clock.ts'
import { part, type Sql } from '../database/sql.ts'
import { isSessionOver } from './operator-sessions.ts'

const sweepEveryMs = 10 * 60_000
const deletedAtOnce = 500
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Tables that gateways share, with their primary keys and the condition under which a row is no longer needed. */
const expiringTables = [
  { table: part`gateways`, key: part`node`, isOver: part`expires < now` },
  // No reply takes a day to write.
  { table: part`background_replies`, key: part`id`, isOver: part`at < now - ${dayMs}` },
  { table: part`background_events`, key: part`reply, n`, isOver: part`at < now - ${dayMs}` },
  // A cooldown that ended an hour ago and was not probed since is not needed.
  { table: part`cooldowns`, key: part`credential, model`, isOver: part`ends < now - ${hourMs}` },
  // Rows are kept for days, because one long reply may use up the tokens of many minutes.
  { table: part`allowances`, key: part`key`, isOver: part`filled < now - ${7 * dayMs}` },
  { table: part`leases`, key: part`credential, model, node`, isOver: part`expires < now - ${hourMs}` },
  // No journal has older entries: see `mostAgeMs`.
  { table: part`settlements`, key: part`id`, isOver: part`at < now - ${30 * dayMs}` },
  { table: part`operator_sessions`, key: part`id`, isOver: isSessionOver },
  // A learned limit is kept as long as it is used now and then. Older versions do not store when it was used, so `used`
  // is 0.
  { table: part`capacities`, key: part`credential, model`, isOver: part`used > 0 AND used < now - ${30 * dayMs}` },
]

/**
 * Deletes, every ten minutes, the rows of gateways, keys and credentials that are gone. Returns the function that ends
 * this.
 */
export function sweepExpiredRows(sql: Sql, clock: Clock): () => void {
  let isClosed = false
  let stopTimer = () => {}
  sweep()
  return () => {
    isClosed = true
    stopTimer()
  }

  function sweep(): void {
    void deleteExpiredRows(sql)
      .catch(() => {
        // The database module reports the outage.
      })
      .finally(() => {
        if (!isClosed) stopTimer = clock.after(sweepEveryMs, sweep)
      })
  }
}

/**
 * Deletes some rows of each table on PostgreSQL, by the clock of the database. Locked rows are left for the next time,
 * so it never waits for a lock.
 */
export async function deleteExpiredRows(sql: Sql): Promise<void> {
  for (const { table, key, isOver } of expiringTables)
    await sql`DELETE FROM ${table} WHERE (${key}) IN (
      SELECT ${key} FROM ${table}, (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock
      WHERE ${isOver} LIMIT ${deletedAtOnce} FOR UPDATE OF ${table} SKIP LOCKED)`
}
