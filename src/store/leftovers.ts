import type { Clock } from '../core/clock.ts'
import { part, type Sql } from '../database/sql.ts'

const sweepEveryMs = 10 * 60_000
const deletedAtOnce = 500
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Tables of what gateways share, with the keys of their rows and the instant from which on nobody needs a row. */
const leftovers = [
  { table: part`gateways`, key: part`node`, isOver: part`expires < now` },
  // A cooldown that ended an hour ago, and that no call has probed since, is of no use.
  { table: part`cooldowns`, key: part`credential, model`, isOver: part`ends < now - ${hourMs}` },
  // One reply may be so long that it uses up the tokens of many minutes.
  { table: part`allowances`, key: part`key`, isOver: part`filled < now - ${7 * dayMs}` },
  { table: part`leases`, key: part`credential, model, node`, isOver: part`expires < now - ${hourMs}` },
  // No journal has entries that are older: see `mostAgeMs`.
  { table: part`settlements`, key: part`id`, isOver: part`at < now - ${30 * dayMs}` },
  // A limit that was learned holds as long as somebody uses it now and then. Older versions do not say when, which is 0.
  { table: part`capacities`, key: part`credential, model`, isOver: part`used > 0 AND used < now - ${30 * dayMs}` },
]

/**
 * Deletes, every ten minutes, the rows of gateways, keys and credentials that are gone. Returns the function that ends
 * this.
 */
export function sweepLeftovers(sql: Sql, clock: Clock): () => void {
  let isClosed = false
  let stopTimer = () => {}
  sweep()
  return () => {
    isClosed = true
    stopTimer()
  }

  function sweep(): void {
    void deleteLeftovers(sql)
      .catch(() => {
        // The database module reports the outage.
      })
      .finally(() => {
        if (!isClosed) stopTimer = clock.after(sweepEveryMs, sweep)
      })
  }
}

/**
 * Deletes some rows of each table, by the clock of the database, on PostgreSQL. Rows that are locked at this moment are
 * left for the next time: nobody waits for this, and this waits for nobody.
 */
export async function deleteLeftovers(sql: Sql): Promise<void> {
  for (const { table, key, isOver } of leftovers)
    await sql`DELETE FROM ${table} WHERE (${key}) IN (
      SELECT ${key} FROM ${table}, (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock
      WHERE ${isOver} LIMIT ${deletedAtOnce} FOR UPDATE OF ${table} SKIP LOCKED)`
}
