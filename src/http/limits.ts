import type { Caller, CallerPolicy, Rate } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError, invalidField } from '../core/errors.ts'
import type { RequestRecord } from '../observe/record.ts'
import { backgroundLevel, backgroundShare } from './background-share.ts'
import { busyRetryMs, tooManyAtOnce, usedUpThisMinute } from './limit-errors.ts'
import type { SharedCharges } from './shared-charges.ts'
import { type TokenBucket, tokenBucket } from './token-bucket.ts'

/** The fields may be replaced while requests run. */
export interface LimitOptions {
  /** Requests with a body that are answered at the same time. */
  maxConcurrent: number
  /** In one request. */
  maxMessages: number
}

/** The limits of one gateway: requests at a time, and requests and tokens a minute for each caller. */
export interface RequestLimits {
  /** The requests in progress. */
  readonly running: ReadonlySet<RequestRecord>
  /** Counts a request as in progress. Errors: `overloaded`. */
  acquire(record: RequestRecord): void
  /** The error for new requests once the limits are closed. */
  readonly closed: GatewayError | undefined
  /** Refuses new requests, and ends those whose body is still arriving. */
  close(error: GatewayError): void
  /** Called when the limits are closed. */
  onClose(listener: () => void): void
  /**
   * Charges the caller for one request. Returns a promise if the limits are shared with other gateways. Background
   * requests leave half of each limit to the caller's other requests. Errors: `rate-limited`, with the time until a
   * request is allowed again, if a limit is reached or the caller has as many requests in progress as it may.
   */
  charge(record: RequestRecord): Promise<void> | undefined
  /**
   * Counts a request that needs no model, such as one that counts tokens, for its caller. Errors: `rate-limited` if the
   * caller has too many of them at a time. Without this limit one caller with slow bodies could take all places.
   */
  occupy(record: RequestRecord): void
  /** Ends a request, and charges its caller for the tokens of the reply. A record that is not in progress is ignored. */
  release(record: RequestRecord): void
  /** Rejects a body with too many entries in one of these fields, or too many tools. Errors: `invalid-request`, naming the field. */
  countEntries(body: unknown, fields: readonly string[]): void
}

/** `shared` keeps the limits of callers that several gateways share. */
export function createLimits(options: LimitOptions, clock: Clock, shared?: SharedCharges): RequestLimits {
  const running = new Set<RequestRecord>()
  let closed: GatewayError | undefined
  const listeners: (() => void)[] = []
  // The allowances by the id of the key.
  const allowances = new Map<string, Allowance>()
  // The requests whose tokens are charged.
  const charged = new WeakMap<RequestRecord, Allowance>()
  const sharing = new WeakMap<RequestRecord, SharedCharges>()
  const occupying = new WeakMap<RequestRecord, Allowance>()

  return {
    running,
    acquire(record) {
      if (closed !== undefined) throw closed
      if (running.size >= options.maxConcurrent)
        throw new GatewayError(
          'overloaded',
          `This gateway already answers ${options.maxConcurrent} requests, as many as MAX_CONCURRENT allows. Try again soon.`,
          { code: 'too_many_requests_at_once', retryAfterMs: busyRetryMs },
        )
      running.add(record)
    },
    get closed() {
      return closed
    },
    close(error) {
      closed = error
      for (const record of [...running]) if (record.isArriving) record.end?.(error)
      for (const listener of listeners) listener()
    },
    onClose: (listener) => void listeners.push(listener),
    charge(record) {
      if (shared && isLimited(record.caller.policy)) return chargeShared(record, shared)
      const allowance = allowanceOf(record.caller)
      const { requests, tokens } = allowance
      const { parallel } = allowance.policy
      const isBackground = record.isBackground === true
      if (parallel !== undefined)
        rejectBeyond(allowance.running, isBackground ? backgroundShare(parallel) : parallel, parallel)
      rejectUnless(requests, 'requests', allowance.policy.requests, isBackground)
      rejectUnless(tokens, 'tokens', allowance.policy.tokens, isBackground)
      requests.take(1)
      allowance.running++
      charged.set(record, allowance)
      return undefined
    },
    occupy(record) {
      const allowance = allowanceOf(record.caller)
      const { policy, occupied } = allowance
      if (policy.parallel !== undefined) rejectBeyond(occupied, policy.parallel * besidesEach, policy.parallel)
      allowance.occupied++
      occupying.set(record, allowance)
    },
    release(record) {
      if (!running.delete(record)) return
      const occupied = occupying.get(record)
      if (occupied !== undefined) occupied.occupied--
      sharing.get(record)?.end(record.caller.keyId, costOf(record))
      const allowance = charged.get(record)
      if (allowance === undefined) return
      allowance.running--
      allowance.tokens.take(costOf(record))
    },
    countEntries(body, fields) {
      const { maxMessages } = options
      for (const field of fields) {
        const length = lengthOf(body, field)
        if (length > maxMessages)
          throw invalidField(
            field,
            `expected at most ${maxMessages} entries, got ${length}. MAX_MESSAGES sets the limit of this gateway.`,
            { code: 'too_many_messages' },
          )
      }
      const tools = lengthOf(body, 'tools')
      if (tools > mostTools)
        throw invalidField('tools', `expected at most ${mostTools} entries, got ${tools}.`, { code: 'too_many_tools' })
    },
  }

  async function chargeShared(record: RequestRecord, charges: SharedCharges): Promise<void> {
    await charges.begin(record.caller, record.isBackground === true)
    // Its client may have left meanwhile.
    if (running.has(record)) sharing.set(record, charges)
    else charges.end(record.caller.keyId, 0)
  }

  /** The allowance of a caller, with the current policy, which may have changed since the last request. */
  function allowanceOf({ keyId, policy }: Caller): Allowance {
    const known = allowances.get(keyId)
    if (known) {
      known.policy = policy
      return known
    }
    const allowance: Allowance = {
      policy,
      running: 0,
      occupied: 0,
      requests: tokenBucket(() => allowance.policy.requests?.perMinute ?? 0, clock),
      tokens: tokenBucket(() => allowance.policy.tokens?.perMinute ?? 0, clock),
    }
    allowances.set(keyId, allowance)
    return allowance
  }
}

/** So many requests without a model are allowed for each reply: agents count a few texts at once during a reply. */
const besidesEach = 4

/** Sixteen times as many as Z.AI takes. There is a limit because each tool is read a dozen times before it is sent. */
const mostTools = 2_048

interface Allowance {
  policy: CallerPolicy
  /** Requests under way. */
  running: number
  /** Requests under way that no model answers. */
  occupied: number
  requests: TokenBucket
  tokens: TokenBucket
}

function isLimited({ requests, tokens, parallel }: CallerPolicy): boolean {
  return requests !== undefined || tokens !== undefined || parallel !== undefined
}

function rejectBeyond(running: number, most: number, parallel: number): void {
  if (running >= most) throw tooManyAtOnce(running, parallel)
}

function rejectUnless(
  bucket: TokenBucket,
  what: 'requests' | 'tokens',
  rate: Rate | undefined,
  isBackground: boolean,
): void {
  const waitMs = bucket.waitMs(isBackground && rate ? backgroundLevel(rate.perMinute) : 1)
  if (waitMs > 0 && rate !== undefined) throw usedUpThisMinute(what, rate, waitMs)
}

function costOf({ usage }: RequestRecord): number {
  return usage === undefined ? 0 : usage.inputTokens + usage.outputTokens
}

function lengthOf(body: unknown, field: string): number {
  if (typeof body !== 'object' || body === null) return 0
  const value: unknown = Reflect.get(body, field)
  return Array.isArray(value) ? value.length : 0
}
