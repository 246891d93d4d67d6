import type { Clock } from '../core/clock.ts'
import { retryAtStart } from './retry-at-start.ts'
import type { Database } from './sql.ts'

export interface SharedClock extends Clock {
  stop(): void
}

const compareEveryMs = 30_000
/**
 * An answer that took longer is not used: the process was stopped or the machine is very busy, so the date in it is
 * old.
 */
const longestAnswerMs = 1_000
/** If the date has moved by this much more than the monotonic clock, the machine has slept or its date was set. */
const jumpMs = 1_000

/**
 * A clock with the date of the database's server, so that gateways with different dates agree on what has expired.
 * Between two answers of the server it advances with this machine's monotonic clock, so setting this machine's date
 * does not change it. After the machine has slept, the clock is behind until the server answers again. On SQLite it is
 * the machine's own clock.
 */
export async function sharedClock(database: Database, clock: Clock): Promise<SharedClock> {
  if (database.engine === 'sqlite') return { ...clock, stop: () => {} }
  let known = { date: clock.now(), at: clock.monotonic(), ownDate: clock.now() }
  let isComparing = false
  let isStopped = false
  let stopTimer = () => {}
  await retryAtStart(() => compare(Number.POSITIVE_INFINITY), clock)
  plan()
  return {
    ...clock,
    now() {
      const passedMs = clock.monotonic() - known.at
      if (Math.abs(clock.now() - known.ownDate - passedMs) > jumpMs) compareAtOnce()
      return Math.round(known.date + passedMs)
    },
    stop() {
      isStopped = true
      stopTimer()
    },
  }

  async function compare(longestMs: number): Promise<void> {
    const askedAt = clock.monotonic()
    const [row] = await database<{ at: number }>`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at`
    const answeredAt = clock.monotonic()
    if (row === undefined || answeredAt - askedAt > longestMs) return
    known = { date: row.at + (answeredAt - askedAt) / 2, at: answeredAt, ownDate: clock.now() }
  }

  function compareAtOnce(): void {
    if (isComparing || isStopped || database.isAway()) return
    isComparing = true
    compare(longestAnswerMs)
      .catch(() => {})
      .finally(() => {
        isComparing = false
      })
  }

  function plan(): void {
    stopTimer = clock.after(compareEveryMs, () => {
      compareAtOnce()
      plan()
    })
  }
}
