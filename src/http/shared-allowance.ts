import type { CallerPolicy, Rate } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { GatewayError } from '../core/errors.ts'
import type { AllowanceAnswer, AllowanceReport } from '../core/shared-allowances.ts'
import { backgroundLevel, backgroundShare } from './background-share.ts'
import { tooManyAtOnce, usedUpThisMinute } from './limit-errors.ts'
import { type TokenBucket, tokenBucket } from './token-bucket.ts'

/** What is known here of one caller. */
export interface SharedAllowance {
  keyId: string
  policy: CallerPolicy
  /** Requests under way here. */
  running: number
  waiting: QueuedRequest[]
  /** What is not reported yet. */
  unreported: { requests: number; tokens: number }
  /** See `AllowanceReport`. */
  since: number
  reported: { requests: number; tokens: number }
  /** Something has changed that was not reported. */
  isDue: boolean
  answer: AllowanceAnswer | undefined
  /** This gateway's part of the limits, for while the database is away. */
  own: { requests: TokenBucket; tokens: TokenBucket } | undefined
}

export interface QueuedRequest {
  resolve: () => void
  reject: (error: GatewayError) => void
}

export function newAllowance(keyId: string, policy: CallerPolicy, since: number): SharedAllowance {
  return {
    ...{ keyId, policy, running: 0, waiting: [], since, isDue: false, answer: undefined, own: undefined },
    unreported: { requests: 0, tokens: 0 },
    reported: { requests: 0, tokens: 0 },
  }
}

/** Whether it can be forgotten. */
export function isIdle({ isDue, running, waiting, own }: SharedAllowance): boolean {
  return !isDue && running === 0 && waiting.length === 0 && own === undefined
}

export function reportOf(allowance: SharedAllowance): AllowanceReport {
  const { keyId, policy, running, waiting, unreported, since, reported } = allowance
  return {
    ...{ key: keyId, running, wanted: waiting.length, ...unreported },
    ...{ since, requestsBefore: reported.requests, tokensBefore: reported.tokens },
    requestsPerMinute: policy.requests?.perMinute,
    tokensPerMinute: policy.tokens?.perMinute,
    parallel: policy.parallel,
  }
}

/** Lets those begin that the database has granted, and refuses the others. `waiting` are those that the report counted. */
export function useAnswer(
  allowance: SharedAllowance,
  report: AllowanceReport,
  waiting: readonly QueuedRequest[],
  answer: AllowanceAnswer,
): void {
  allowance.unreported.requests -= report.requests
  allowance.unreported.tokens -= report.tokens
  allowance.reported.requests += report.requests + answer.granted
  allowance.reported.tokens += report.tokens
  allowance.answer = answer
  allowance.own = undefined
  allowance.running += answer.granted
  for (const { resolve } of waiting.slice(0, answer.granted)) resolve()
  const refused = waiting.slice(answer.granted)
  if (refused.length === 0) return
  const error = refusalOf(allowance, answer)
  for (const { reject } of refused) reject(error)
}

function refusalOf({ policy, running }: SharedAllowance, answer: AllowanceAnswer): GatewayError {
  const { parallel, requests, tokens } = policy
  const { elsewhere, requestsLeft = 0, tokensLeft = 0 } = answer
  const all = running + elsewhere
  if (parallel !== undefined && all >= parallel) return tooManyAtOnce(all, parallel)
  const waitMs = (left: number, perMinute: number) => Math.max(1, ((1 - left) * 60_000) / perMinute)
  if (requests && requestsLeft < 1)
    return usedUpThisMinute('requests', requests, waitMs(requestsLeft, requests.perMinute))
  if (tokens) return usedUpThisMinute('tokens', tokens, waitMs(tokensLeft, tokens.perMinute))
  return tooManyAtOnce(all, parallel ?? all)
}

/** The error for a request in the background, where less than half of the limits is left. */
export function refusalOfHalf({ policy, running, answer, own }: SharedAllowance): GatewayError | undefined {
  if (answer === undefined || own !== undefined) return undefined
  const { parallel, requests, tokens } = policy
  const { elsewhere, requestsLeft = 0, tokensLeft = 0 } = answer
  const all = running + elsewhere
  if (parallel !== undefined && all >= backgroundShare(parallel)) return tooManyAtOnce(all, parallel)
  const waitMs = (left: number, { perMinute }: Rate) => ((backgroundLevel(perMinute) - left) * 60_000) / perMinute
  if (requests && waitMs(requestsLeft, requests) > 0)
    return usedUpThisMinute('requests', requests, waitMs(requestsLeft, requests))
  if (tokens && waitMs(tokensLeft, tokens) > 0) return usedUpThisMinute('tokens', tokens, waitMs(tokensLeft, tokens))
  return undefined
}

/** Lets those begin that have room in this gateway's part of the limits, and refuses the others. */
export function useOwnPart(
  allowance: SharedAllowance,
  waiting: readonly QueuedRequest[],
  gateways: number,
  clock: Clock,
): void {
  if (waiting.length === 0) return
  const own = allowance.own ?? ownPartOf(allowance, gateways, clock)
  allowance.own = own
  for (const { resolve, reject } of waiting) {
    const error = refusalOfOwnPart(allowance, own, gateways)
    if (error) reject(error)
    else {
      own.requests.take(1)
      allowance.unreported.requests++
      allowance.running++
      resolve()
    }
  }
}

type OwnPart = NonNullable<SharedAllowance['own']>

function refusalOfOwnPart(
  { policy, running }: SharedAllowance,
  own: OwnPart,
  gateways: number,
): GatewayError | undefined {
  const parallel = policy.parallel && Math.max(1, Math.floor(policy.parallel / gateways))
  const [requestsMs, tokensMs] = [own.requests.waitMs(), own.tokens.waitMs()]
  if (parallel !== undefined && running >= parallel) return tooManyAtOnce(running, parallel)
  if (policy.requests && requestsMs > 0) return usedUpThisMinute('requests', policy.requests, requestsMs)
  if (policy.tokens && tokensMs > 0) return usedUpThisMinute('tokens', policy.tokens, tokensMs)
  return undefined
}

/** An equal part of what was left, which fills by an equal part of the limits, and takes at least one request. */
function ownPartOf(allowance: SharedAllowance, gateways: number, clock: Clock): OwnPart {
  const partOf = (limit: 'requests' | 'tokens', left: number | undefined) => {
    const perMinute = () => (allowance.policy[limit]?.perMinute ?? 0) / gateways
    const bucket = tokenBucket(perMinute, clock, () => Math.max(1, perMinute()))
    if (left !== undefined) bucket.set(left / gateways)
    return bucket
  }
  const { requestsLeft, tokensLeft } = allowance.answer ?? {}
  return { requests: partOf('requests', requestsLeft), tokens: partOf('tokens', tokensLeft) }
}
