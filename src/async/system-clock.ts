import type { Clock } from '../core/clock.ts'

/** The system clock. Its timers do not keep the process alive. `after(0, …)` uses `setImmediate`, not a timer. */
export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(ms, run) {
    if (ms === 0) {
      const next = setImmediate(run)
      return () => clearImmediate(next)
    }
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
