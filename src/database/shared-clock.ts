import type { Clock } from '../core/clock.ts'
import type { Database } from './sql.ts'

export interface SharedClock extends Clock {
  stop(): void
}

const compareEveryMs = 30_000

/**
 * The clock with the date of the database's server, so that gateways whose own dates differ agree on what has expired.
 * Durations stay those of this machine. On SQLite it is the clock itself. While the server is away the last difference
 * stays.
 */
export async function sharedClock(database: Database, clock: Clock): Promise<SharedClock> {
  if (database.engine === 'sqlite') return { ...clock, stop: () => {} }
  let ahead = 0
  let isStopped = false
  let stopTimer = () => {}
  await compare()
  plan()
  return {
    ...clock,
    now: () => Math.round(clock.now() + ahead),
    stop() {
      isStopped = true
      stopTimer()
    },
  }

  async function compare(): Promise<void> {
    const askedAt = clock.now()
    const [row] = await database<{ at: number }>`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at`
    if (row) ahead = row.at - (askedAt + clock.now()) / 2
  }

  function plan(): void {
    stopTimer = clock.after(compareEveryMs, () => {
      void compare()
        .catch(() => {})
        .finally(() => {
          if (!isStopped) plan()
        })
    })
  }
}
