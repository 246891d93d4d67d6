/** Calls at a time, and how many of them are allowed as far as it is learned. `inFlight` never exceeds `limit`. */
export interface Concurrency {
  inFlight: number
  limit: number
  /** When the limit last changed, on the clock for durations; `undefined` while it only has grown. */
  limitedAt: number | undefined
}

/** After a refusal one more call at a time is tried this seldom. */
const growMs = 60_000

export function createConcurrency(limit: number): Concurrency {
  return { inFlight: 0, limit, limitedAt: undefined }
}

export function hasRoom({ inFlight, limit }: Concurrency): boolean {
  return inFlight < limit
}

/** A call that still counts as under way was refused, so the others are as many as are allowed. Never raises the limit. */
export function lowerLimit(concurrency: Concurrency, now: number): void {
  concurrency.limit = Math.max(1, Math.min(concurrency.limit, concurrency.inFlight - 1))
  concurrency.limitedAt = now
}

/** A call was answered. The limit grows where it is used up: by every answer until a first refusal, then once a minute. */
export function raiseLimit(concurrency: Concurrency, now: number): void {
  if (hasRoom(concurrency)) return
  if (concurrency.limitedAt !== undefined && now - concurrency.limitedAt < growMs) return
  concurrency.limit++
  if (concurrency.limitedAt !== undefined) concurrency.limitedAt = now
}
