import type { Clock } from '../core/clock.ts'

/** Watches whether anything arrives within `idleMs`. */
export interface IdleWatch {
  /** Call it when something arrives. `now` is in milliseconds of the monotonic clock. */
  touch(now: number): void
  /** Whether `onIdle` was called. */
  isIdle(): boolean
  stop(): void
}

/**
 * Uses one timer per stream, not one per read: when it fires and something has arrived meanwhile, it waits for the
 * rest.
 */
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
