import type { Clock } from '../core/clock.ts'
import { singleFlight } from './single-flight.ts'

export interface RefreshOptions {
  /** Reads the value anew. Rejects where that fails; the value is then used as it is for a while. */
  read: (signal: AbortSignal) => Promise<void>
  onFailure: () => void
  /** How long a value that was read is used. */
  keepMs: number
  clock: Clock
}

/** Longest wait for a read. */
const readTimeoutMs = 5_000
/** How long a value is used after a read that failed. */
const keepAfterFailureMs = 60_000

/**
 * Returns a function that reads a value anew if it is too old, by one read for all callers. It returns a promise if the
 * value is being read; that resolves when the value is as new as it can be, and never rejects. After a read that timed
 * out, nobody waits for the next one.
 */
export function refreshWhenOld({ read, onFailure, keepMs, clock }: RefreshOptions): () => Promise<void> | undefined {
  let goodUntil = Number.NEGATIVE_INFINITY
  let timedOut = false

  const refresh = singleFlight(async () => {
    const deadline = new AbortController()
    const stop = clock.after(readTimeoutMs, () => deadline.abort())
    try {
      await read(deadline.signal)
      goodUntil = clock.monotonic() + keepMs
      timedOut = false
    } catch {
      goodUntil = clock.monotonic() + keepAfterFailureMs
      timedOut = deadline.signal.aborted
      onFailure()
    } finally {
      stop()
    }
  })

  return () => {
    if (clock.monotonic() < goodUntil) return undefined
    const skipsWait = timedOut
    const refreshing = refresh(new AbortController().signal)
    return skipsWait ? undefined : refreshing
  }
}
