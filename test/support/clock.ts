import type { Clock } from '../../src/core/clock.ts'

/** A clock that only the test moves. */
export interface ManualClock extends Clock {
  /** Moves time forward and runs the timers that are due, in order. */
  advance(ms: number): void
  /** Sets the machine's date, as a time server does; no duration changes. */
  setDate(epochMs: number): void
  /** The number of timers that have not run yet. */
  pending(): number
}

export function manualClock(startAt = 1_760_000_000_000): ManualClock {
  // The two clocks start at different numbers, so that code that mixes them up fails.
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
      // A timer of 0 ms runs in the next turn of the event loop, without moving the clock.
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
