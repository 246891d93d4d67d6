import type { Clock } from '../core/clock.ts'
import type { GatewayError } from '../core/errors.ts'
import { backoffMs } from './backoff.ts'

export interface UpstreamHealth {
  /** Whether requests should prefer another upstream, because this one did not answer recently or is being probed. */
  isUnresponsive(id: string): boolean
  /**
   * Marks that a request is about to use the upstream. If its rest has just ended, this request is the only probe until
   * the returned function is called, which must happen when the request is finished in any way.
   */
  begin(id: string): () => void
  /** Reports a failed call that began at `startedAt`. It counts only if it is an outage and no later answer has come. */
  failed(id: string, error: GatewayError, startedAt: number): void
  answered(id: string): void
  /** The upstreams that did not answer their last request, by id, with the codes of the errors. */
  outages(): ReadonlyMap<string, string>
  /** Ends all rests, for example because a new configuration may have solved the problem. */
  endRests(): void
  /** The current time on the clock of `startedAt`. */
  now(): number
}

export interface UpstreamHealthOptions {
  clock: Clock
  /** Returns numbers from 0 to 1. */
  random: () => number
  /** Called once when an upstream stops answering, and once when it answers again. */
  onChange: (change: HealthChange) => void
}

export type HealthChange =
  | { state: 'down'; upstream: string; error: GatewayError }
  | { state: 'up'; upstream: string; afterMs: number }

interface Outage {
  error: GatewayError
  since: number
  /** When the rest ends. */
  until: number
  consecutiveFailures: number
  isProbed: boolean
}

/** The bounds of the rest, which grows with the failures in a row. */
const restBounds = { shortestMs: 15_000, longestMs: 5 * 60_000 }

/**
 * Remembers which upstreams do not answer, so that not every request has to wait to find out. It refuses no request: a
 * resting upstream is still used if there is no other one.
 */
export function createUpstreamHealth({ clock, random, onChange }: UpstreamHealthOptions): UpstreamHealth {
  const outages = new Map<string, Outage>()
  const answeredAt = new Map<string, number>()

  return {
    isUnresponsive(id) {
      const outage = outages.get(id)
      return outage !== undefined && (outage.isProbed || outage.until > clock.monotonic())
    },
    begin(id) {
      const outage = outages.get(id)
      if (outage === undefined || outage.isProbed || outage.until > clock.monotonic()) return () => {}
      outage.isProbed = true
      return () => {
        outage.isProbed = false
      }
    },
    failed(id, error, startedAt) {
      const now = clock.monotonic()
      if (!isOutage(error) || (answeredAt.get(id) ?? Number.NEGATIVE_INFINITY) > startedAt) return
      const before = outages.get(id)
      // Requests that were sent at the same time fail at the same time, which counts as one failure.
      if (before !== undefined && before.until > now) return
      const consecutiveFailures = (before?.consecutiveFailures ?? 0) + 1
      const since = before?.since ?? now
      outages.set(id, {
        error,
        since,
        until: now + backoffMs(restBounds, consecutiveFailures, random),
        consecutiveFailures,
        isProbed: false,
      })
      if (before === undefined) onChange({ state: 'down', upstream: id, error })
    },
    answered(id) {
      const now = clock.monotonic()
      answeredAt.set(id, now)
      const outage = outages.get(id)
      if (outage === undefined) return
      outages.delete(id)
      onChange({ state: 'up', upstream: id, afterMs: now - outage.since })
    },
    outages: () => new Map([...outages].map(([id, { error }]) => [id, error.code])),
    endRests() {
      for (const outage of outages.values()) outage.until = clock.monotonic()
    },
    now: clock.monotonic,
  }
}

/** Whether an error means that the upstream did not answer or could not be reached. After any other error it has answered, or was not asked. */
function isOutage({ kind, code }: GatewayError): boolean {
  return kind === 'timeout' || code === 'upstream_unavailable'
}
