import type { Clock } from '../core/clock.ts'
import { sharedTimers } from './shared-timers.ts'

const monotonic = () => performance.now()

/** The system clock. Its timers do not keep the process alive. `after(0, …)` uses `setImmediate`, not a timer. */
export const systemClock: Clock = { now: Date.now, monotonic, after: sharedTimers({ monotonic, after }) }

function after(ms: number, run: () => void): () => void {
  if (ms === 0) {
    const next = setImmediate(run)
    return () => clearImmediate(next)
  }
  const timer = setTimeout(run, ms)
  timer.unref()
  return () => clearTimeout(timer)
}
