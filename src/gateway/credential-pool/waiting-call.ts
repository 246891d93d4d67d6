import type { TicketOptions } from '../../core/credential-pool.ts'
import { GatewayError } from '../../core/errors.ts'

/** A call that asks for a credential, over all its attempts. It waits when none is free. */
export interface WaitingCall<Credential> {
  /** Its position among the calls of its caller. */
  number: number
  /** The turn of its caller in which it was served last. */
  turn: number | undefined
  options: TicketOptions<Credential>
  waitedMs: number
  /** Whether it has waited before. Such a call is not refused because the queue is too long. */
  hasQueued: boolean
  isReported: boolean
  /** The refusal that sent the call back to the queue. It is reported in place of a plain timeout. */
  refusal: GatewayError | undefined
}

export function newWaitingCall<Credential>(
  number: number,
  options: TicketOptions<Credential>,
  isReported: boolean,
): WaitingCall<Credential> {
  return { number, turn: undefined, options, waitedMs: 0, hasQueued: false, isReported, refusal: undefined }
}

/** `name` is the name of the upstream: `Z.AI`. */
export function tooMany(name: string): GatewayError {
  return new GatewayError(
    'overloaded',
    `Too many requests wait for ${name} already. Try again in a moment, add keys, or raise QUEUE_LIMIT.`,
    { code: 'queue_full', retryAfterMs: 15_000 },
  )
}

export function tookTooLong<Credential>({ refusal }: WaitingCall<Credential>, name: string): GatewayError {
  if (refusal !== undefined) return refusal
  return new GatewayError(
    'overloaded',
    `${name} had no room for this request in time. Send fewer at a time, add keys, or raise QUEUE_MS.`,
    { code: 'queue_timeout', retryAfterMs: 15_000 },
  )
}
