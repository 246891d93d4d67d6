import type { Clock } from '../core/clock.ts'
import type { Database } from '../database/sql.ts'

/** The gateways that share a database and are alive. */
export interface LiveGateways {
  /** The last known number, including this gateway. */
  count(): number
  /** Whether each gateway that is alive has had the time to report, since the start and the last outage. */
  isComplete(): boolean
  /** Removes this gateway. Never rejects. */
  close(): Promise<void>
}

const beatMs = 5_000
/** How long a gateway counts as alive after its last report, on the database's clock. */
const aliveMs = 15_000

/**
 * Reports every few seconds that this gateway is alive, and counts the gateways that have reported. The number does not
 * fall while the database is away, and not for some seconds after that, because the others have to report again first.
 */
export function liveGateways(sql: Database, node: string, clock: Clock): LiveGateways {
  let known = 1
  let isAway = false
  // The number does not fall before this.
  let settlesAt = clock.monotonic() + aliveMs
  let isClosed = false
  let stopTimer = () => {}
  let beating = beat()

  return {
    count: () => known,
    isComplete: () => !isAway && clock.monotonic() >= settlesAt,
    async close() {
      isClosed = true
      stopTimer()
      await beating
      await sql`DELETE FROM gateways WHERE node = ${node}`.catch(() => {
        // Its row expires a few seconds later.
      })
    },
  }

  async function beat(): Promise<void> {
    try {
      const [row] = await sql<{ others: number }>`
        WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
          own AS (
            INSERT INTO gateways (node, expires) SELECT ${node}, now + ${aliveMs}::bigint FROM clock
            ON CONFLICT (node) DO UPDATE SET expires = excluded.expires
          )
        SELECT count(*) AS others FROM gateways, clock WHERE expires >= now AND node <> ${node}`
      const now = clock.monotonic()
      if (isAway) settlesAt = now + aliveMs
      isAway = false
      if (row) known = Math.max(row.others + 1, now < settlesAt ? known : 1)
    } catch {
      // The database module reports the outage.
      isAway = true
    }
    if (!isClosed)
      stopTimer = clock.after(beatMs, () => {
        beating = beat()
      })
  }
}
