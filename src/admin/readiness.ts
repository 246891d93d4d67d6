import { type Clock, withTimeout } from '../core/clock.ts'
import { asGatewayError, type GatewayError } from '../core/errors.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestLimits } from '../http/limits.ts'

/** Whether a request could succeed now. */
export interface Readiness {
  /** What the last answer was, at once. Asks again in the background where it is old. */
  last(): ReadyState
  /** Waits for an answer, but not for long. */
  now(): Promise<ReadyState>
}

/** `error` is why not. Before the first answer it counts as ready: requests are tried all the same. */
export interface ReadyState {
  error?: GatewayError
}

const freshMs = 15_000
const checkTimeoutMs = 10_000
const patienceMs = 1_500

/** A page that is open must not ask the upstreams every second. */
export function createReadiness(gateway: Pick<Gateway, 'check'>, limits: RequestLimits, clock: Clock): Readiness {
  let state: ReadyState = {}
  let askedAt = Number.NEGATIVE_INFINITY
  let asking: Promise<void> = Promise.resolve()

  return {
    last() {
      void refreshed()
      return current()
    },
    async now() {
      await withTimeout(refreshed(), patienceMs, () => {}, clock)
      return current()
    },
  }

  function current(): ReadyState {
    return limits.closed ? { error: limits.closed } : state
  }

  function refreshed(): Promise<void> {
    if (clock.monotonic() - askedAt < freshMs) return asking
    askedAt = clock.monotonic()
    const check = gateway.check(AbortSignal.timeout(checkTimeoutMs))
    asking = check.then(
      () => {
        state = {}
      },
      (thrown) => {
        state = { error: asGatewayError(thrown) }
      },
    )
    return asking
  }
}
