import type { Rate } from '../core/caller.ts'
import { GatewayError } from '../core/errors.ts'

/** When a request in progress will end is unknown, so this is a guess; clients add a backoff of their own. */
export const busyRetryMs = 2_000

/** A key has as many requests under way as it may have; `parallel` is its limit for replies. */
export function tooManyAtOnce(running: number, parallel: number): GatewayError {
  return new GatewayError(
    'rate-limited',
    `This key already has ${running} requests under way, as many as it may have at a time (parallel is ${parallel}). Try again when one is over.`,
    { code: 'parallel_limit_exceeded', retryAfterMs: busyRetryMs },
  )
}

export function usedUpThisMinute(what: 'requests' | 'tokens', rate: Rate, waitMs: number): GatewayError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  return new GatewayError(
    'rate-limited',
    `This key has used up its ${what} (${rate.setting} is ${rate.perMinute}) of this minute. There are more in ${seconds} s.`,
    { code: 'rate_limit_exceeded', retryAfterMs: waitMs },
  )
}
