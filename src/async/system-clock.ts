import type { Clock } from '../core/clock.ts'

/** The machine's own time. Its timers do not keep the process alive; the next turn of the event loop is no timer. */
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
