/** The bounds of an exponential backoff. */
export interface Backoff {
  shortestMs: number
  longestMs: number
}

/**
 * The milliseconds to wait after a number of failures in a row, counted from 1. The wait doubles with each failure up to
 * `longestMs`. A random addition of up to half the wait keeps callers from retrying at the same moment. `random` returns
 * numbers from 0 to 1.
 */
export function backoffMs({ shortestMs, longestMs }: Backoff, failures: number, random: () => number): number {
  return Math.min(longestMs, shortestMs * 2 ** (failures - 1)) * (1 + random() / 2)
}
