import type { Clock } from '../../src/core/clock.ts'

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves time on and runs what came due, in order. */
  advance(ms: number): void
  /** Sets the machine's date, as a time server does; no duration changes. */
  setDate(epochMs: number): void
  /** How many timers still wait. */
  pending(): number
}

export function manualClock(startAt = 1_760_000_000_000): ManualClock {
  // Durations count from another moment than dates, so that nobody takes one for the other unnoticed.
  let now = 1_000_000
  let dateOffset = startAt - now
  const timers = new Set<{ at: number; run: () => void }>()
  return {
    now: () => now + dateOffset,
    monotonic: () => now,
    setDate(epochMs) {
      dateOffset = epochMs - now
    },
    after(ms, run) {
      // The next turn of the event loop comes whatever the time.
      if (ms === 0) {
        const next = setImmediate(run)
        return () => clearImmediate(next)
      }
      const timer = { at: now + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const until = now + ms
      for (;;) {
        const [next] = [...timers].filter((timer) => timer.at <= until).toSorted((left, right) => left.at - right.at)
        if (next === undefined) break
        timers.delete(next)
        now = Math.max(now, next.at)
        next.run()
      }
      now = until
    },
    pending: () => timers.size,
  }
}
