import type { Clock } from '../core/clock.ts'

/** Looks whether anything has come within `idleMs`. */
export interface IdleWatch {
  /** Something has come at `now`, on the clock for durations. */
  touch(now: number): void
  /** `onIdle` was called. */
  isIdle(): boolean
  stop(): void
}

/** One timer a stream, not one a read: when it fires, it looks whether anything came meanwhile, and waits for the rest. */
export function idleWatch(clock: Clock, idleMs: number, onIdle: () => void): IdleWatch {
  let lastAt = clock.monotonic()
  let idle = false
  let stop = clock.after(idleMs, check)

  return {
    touch(now) {
      lastAt = now
    },
    isIdle: () => idle,
    stop: () => stop(),
  }

  function check(): void {
    const quietMs = clock.monotonic() - lastAt
    if (quietMs < idleMs) {
      stop = clock.after(idleMs - quietMs, check)
      return
    }
    idle = true
    onIdle()
  }
}
