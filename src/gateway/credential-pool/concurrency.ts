/**
 * The number of running calls, and the limit on them as learned so far: of the upstream's limit this gateway's share,
 * where other gateways use the same credential. A new call begins only while `inFlight` is below `limit`.
 */
export interface Concurrency {
  inFlight: number
  limit: number
  /** When the limit last changed, on the monotonic clock; `undefined` until it is lowered for the first time. */
  limitedAt: number | undefined
  /** Calls that other gateways were running at the last exchange. Absent where there are no other gateways. */
  elsewhere?: number
}

/** After the first refusal the limit grows by one at most once in this time. */
const growMs = 60_000

export function createConcurrency(limit: number): Concurrency {
  return { inFlight: 0, limit, limitedAt: undefined }
}

export function hasRoom({ inFlight, limit }: Concurrency): boolean {
  return inFlight < limit
}

/**
 * Lowers the limit after a call was refused. That call still counts in `inFlight`, so the others are as many as the
 * upstream allows. Never raises the limit.
 */
export function lowerLimit(concurrency: Concurrency, now: number): void {
  concurrency.limit = Math.max(1, Math.min(concurrency.limit, concurrency.inFlight - 1))
  concurrency.limitedAt = now
}

/** Whether an answer may raise the limit, provided that it is fully used. */
export function mayGrow({ limitedAt }: Concurrency, now: number): boolean {
  return limitedAt === undefined || now - limitedAt >= growMs
}

/** Raises the limit after a call was answered, if it is fully used: at every answer before the first refusal, later once a minute. */
export function raiseLimit(concurrency: Concurrency, now: number): void {
  if (hasRoom(concurrency) || !mayGrow(concurrency, now)) return
  concurrency.limit++
  if (concurrency.limitedAt !== undefined) concurrency.limitedAt = now
}
