import type { TicketOptions } from '../../core/credential-pool.ts'
import { GatewayError } from '../../core/errors.ts'

/** One call, over all its attempts. */
export interface PoolCall<Credential> {
  /** Its place among the calls of its caller. */
  number: number
  /** The turn of its caller that it was served in last. */
  turn: number | undefined
  options: TicketOptions<Credential>
  waitedMs: number
  /** It has asked before: a call that was in the queue is never told that the queue is too long. */
  hasQueued: boolean
  isReported: boolean
  /** The refusal that sent the call back to the queue. It is reported in place of a plain timeout. */
  refusal: GatewayError | undefined
}

export function newPoolCall<Credential>(
  number: number,
  options: TicketOptions<Credential>,
  isReported: boolean,
): PoolCall<Credential> {
  return { number, turn: undefined, options, waitedMs: 0, hasQueued: false, isReported, refusal: undefined }
}

/** `name` says who is waited for: `Z.AI`. */
export function tooMany(name: string): GatewayError {
  return new GatewayError(
    'overloaded',
    `Too many requests wait for ${name} already. Try again in a moment, add keys, or raise QUEUE_LIMIT.`,
    { code: 'queue_full', retryAfterMs: 15_000 },
  )
}

export function tookTooLong<Credential>({ refusal }: PoolCall<Credential>, name: string): GatewayError {
  if (refusal !== undefined) return refusal
  return new GatewayError(
    'overloaded',
    `${name} had no room for this request in time. Send fewer at a time, add keys, or raise QUEUE_MS.`,
    { code: 'queue_timeout', retryAfterMs: 15_000 },
  )
}
