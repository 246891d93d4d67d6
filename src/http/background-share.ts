// Requests that nobody waits for may use half of what a key may, and at least one request at a time. The rest is for
// requests that somebody waits for.

/** How many of `parallel` requests at a time may be in the background. */
export function backgroundShare(parallel: number): number {
  return Math.max(1, Math.floor(parallel / 2))
}

/** The share of a minute's allowance that must be left for a background request to begin. */
export function backgroundLevel(perMinute: number): number {
  return Math.min(perMinute, 1 + perMinute / 2)
}
