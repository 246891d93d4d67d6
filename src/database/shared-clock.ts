import type { Clock } from '../core/clock.ts'
import type { Database } from './sql.ts'

export interface SharedClock extends Clock {
  stop(): void
}

const compareEveryMs = 30_000
/** An answer that took longer does not say what date it is now: the process was stopped, or the machine is very busy. */
const longestAnswerMs = 1_000
/** By so much more the date has moved than the clock for durations if the machine has slept, or its date was set. */
const jumpMs = 1_000

/**
 * The clock with the date of the database's server, so that gateways whose own dates differ agree on what has expired.
 * Setting the date of this machine does not change it: from one answer of the server to the next it goes by durations,
 * which are those of this machine. After the machine has slept it is behind until the server has answered again. On
 * SQLite it is the clock itself.
 */
export async function sharedClock(database: Database, clock: Clock): Promise<SharedClock> {
  if (database.engine === 'sqlite') return { ...clock, stop: () => {} }
  let known = { date: clock.now(), at: clock.monotonic(), ownDate: clock.now() }
  let isComparing = false
  let isStopped = false
  let stopTimer = () => {}
  await compare(Number.POSITIVE_INFINITY)
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
