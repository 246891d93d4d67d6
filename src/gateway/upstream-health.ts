import type { Clock } from '../core/clock.ts'
import type { GatewayError } from '../core/errors.ts'
import { backoffMs } from './backoff.ts'

export interface UpstreamHealth {
  /** Whether a request does better with another upstream: this one did not answer lately, or is being probed. */
  isResting(id: string): boolean
  /**
   * A request is about to use the upstream. Where a rest is over this is its only probe, until the function that comes
   * back is called: the request is done with it, however it ended.
   */
  begin(id: string): () => void
  /** A call that began at `startedAt` has failed. Only an outage counts, and only one that no answer has belied since. */
  failed(id: string, error: GatewayError, startedAt: number): void
  answered(id: string): void
  /** Ids of those that did not answer when they were last asked, with the codes of the errors. */
  outages(): ReadonlyMap<string, string>
  /** Everybody may be asked at once: what was wrong may have been mended. */
  endRests(): void
  /** On the clock that `startedAt` is of. */
  now(): number
}

export interface UpstreamHealthOptions {
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  /** Hears once that an upstream does not answer, and once that it does again. */
  onChange: (change: HealthChange) => void
}

export type HealthChange =
  | { state: 'down'; upstream: string; error: GatewayError }
  | { state: 'up'; upstream: string; afterMs: number }

interface Outage {
  error: GatewayError
  since: number
  /** When the rest is over. */
  until: number
  consecutiveFailures: number
  isProbed: boolean
}

/** How long it is not asked after probes that fail in a row. */
const restBounds = { shortestMs: 15_000, longestMs: 5 * 60_000 }

/**
 * Remembers which upstreams do not answer, so that not every request finds out by waiting. It refuses nobody: where there
 * is no other upstream, one that rests is asked all the same.
 */
export function createUpstreamHealth({ clock, random, onChange }: UpstreamHealthOptions): UpstreamHealth {
  const outages = new Map<string, Outage>()
  const answeredAt = new Map<string, number>()

  return {
    isResting(id) {
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
      // Requests that left together come back together: that is one failure, not many.
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

/** Nothing came, or nobody was there. Whatever else goes wrong, somebody has answered, or was not asked. */
function isOutage({ kind, code }: GatewayError): boolean {
  return kind === 'timeout' || code === 'upstream_unavailable'
}
