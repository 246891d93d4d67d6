import { systemClock } from '../../src/async/system-clock.ts'
import type { Clock } from '../../src/core/clock.ts'

/** A clock whose timers of 10 to 30 seconds run when the test lets time pass. */
export function clockOfLongTimers(): { clock: Clock; pass(ms: number): void } {
  const timers = new Set<() => void>()
  let passedMs = 0
  return {
    clock: {
      ...systemClock,
      monotonic: () => systemClock.monotonic() + passedMs,
      after(ms, run) {
        if (ms < 10_000 || ms > 30_000) return systemClock.after(ms, run)
        timers.add(run)
        return () => timers.delete(run)
      },
    },
    pass(ms) {
      passedMs += ms
      for (const run of [...timers]) {
        timers.delete(run)
        run()
      }
    },
  }
}
