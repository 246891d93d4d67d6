/** Counts what happened in the last hour, minute by minute, in the same memory however much it is. */
export interface HourCounter {
  /** `now` on the monotonic clock. */
  add(now: number): void
  total(now: number): number
}

const minuteMs = 60_000
const minutes = 60

export function createHourCounter(): HourCounter {
  const counts = new Array<number>(minutes).fill(0)
  // The minute that was counted last.
  let last = Number.NEGATIVE_INFINITY

  return {
    add(now) {
      const minute = forget(now)
      counts[minute % minutes] = (counts[minute % minutes] ?? 0) + 1
    },
    total(now) {
      forget(now)
      return counts.reduce((sum, count) => sum + count, 0)
    },
  }

  /** Empties the minutes that have begun since, and returns the current one. */
  function forget(now: number): number {
    const minute = Math.floor(now / minuteMs)
    for (let each = Math.max(last + 1, minute - minutes + 1); each <= minute; each++) counts[each % minutes] = 0
    last = Math.max(last, minute)
    return minute
  }
}
