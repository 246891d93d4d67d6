/** Bounds of a wait that grows. */
export interface Backoff {
  shortestMs: number
  longestMs: number
}

/**
 * How many milliseconds to wait after so many failures in a row, from 1: twice as long with each, up to the longest, and by
 * chance up to half as long again, so that not everybody comes back at once. `random` gives numbers from 0 to 1.
 */
export function backoffMs({ shortestMs, longestMs }: Backoff, failures: number, random: () => number): number {
  return Math.min(longestMs, shortestMs * 2 ** (failures - 1)) * (1 + random() / 2)
}
