import type { Clock } from '../core/clock.ts'

/** A token bucket that holds the amount of one minute and fills evenly. */
export interface TokenBucket {
  /** Milliseconds until it holds at least `level`, by default 1; 0 if it does. */
  waitMs(level?: number): number
  /** The level may become negative, because the cost of a reply is known only at its end. */
  take(amount: number): void
  /** Sets the level. */
  set(level: number): void
}

/** With 0 a minute it is always full. `most` is its capacity, if that is not the amount of a minute. */
export function tokenBucket(perMinute: () => number, clock: Clock, most = perMinute): TokenBucket {
  // It starts full, whatever the amount of a minute is when it is first used.
  let level = Number.POSITIVE_INFINITY
  let filledAt = clock.monotonic()
  const fill = () => {
    const now = clock.monotonic()
    const rate = perMinute()
    level = rate === 0 ? Number.POSITIVE_INFINITY : Math.min(most(), level + ((now - filledAt) * rate) / 60_000)
    filledAt = now
  }
  return {
    waitMs(wanted = 1) {
      fill()
      return level >= wanted ? 0 : ((wanted - level) * 60_000) / perMinute()
    },
    take(amount) {
      fill()
      level -= amount
    },
    set(to) {
      fill()
      level = to
    },
  }
}
