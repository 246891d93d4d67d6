import type { Caller, CallerPolicy, Rate } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { GatewayError } from '../core/errors.ts'
import type { AllowanceAnswer, AllowanceReport, SharedAllowances } from '../core/shared-allowances.ts'
import { backgroundLevel, backgroundShare } from './background-share.ts'
import { tooManyAtOnce, usedUpThisMinute } from './limit-errors.ts'
import { type TokenBucket, tokenBucket } from './token-bucket.ts'

/** The limits of callers that several gateways keep together. */
export interface SharedCharges {
  /**
   * Resolves once a request of the caller may begin. One in the background leaves half of the limits to others. Errors:
   * `rate-limited`.
   */
  begin(caller: Caller, isBackground?: boolean): Promise<void>
  /** A request of the key that has begun is over, and its reply had so many tokens. */
  end(keyId: string, tokens: number): void
  /** Reports what is not reported yet. Never rejects. */
  close(): Promise<void>
}

/** What is known here of one caller. */
interface SharedAllowance {
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

interface QueuedRequest {
  resolve: () => void
  reject: (error: GatewayError) => void
}

/**
 * How long the ends of requests are collected before they are reported together. Nothing here waits for the report, but
 * other gateways see the free place that much later.
 */
const gatherMs = 50
/**
 * How often running requests are reported again: other gateways drop a gateway's requests 15 s after its last report.
 */
const renewMs = 5_000

/**
 * The database grants each request of a caller with limits; requests that arrive together share one statement. No
 * gateway reserves requests in advance, so the whole limit is available to every gateway and is never exceeded. A
 * stream asks nothing of the database between its start and its end.
 *
 * While the database is away each gateway grants an equal part of what was left, and at least one request.
 */
export function sharedCharges(shared: SharedAllowances, clock: Clock): SharedCharges {
  const allowances = new Map<string, SharedAllowance>()
  // Counts allowances.
  let count = 0
  let exchanging = Promise.resolve()
  let isExchanging = false
  let isClosed = false
  let stopTimer: (() => void) | undefined
  let stopRenewal = clock.after(renewMs, renew)

  return {
    async begin({ keyId, policy }, isBackground = false) {
      if (isBackground) await leaveHalf(allowanceOf(keyId, policy))
      const allowance = allowanceOf(keyId, policy)
      await new Promise<void>((resolve, reject) => {
        allowance.waiting.push({ resolve, reject })
        void exchange()
      })
    },
    end(keyId, tokens) {
      const allowance = allowances.get(keyId)
      if (allowance === undefined) return
      allowance.running--
      allowance.own?.tokens.take(tokens)
      allowance.unreported.tokens += tokens
      allowance.isDue = true
      if (!isClosed)
        stopTimer ??= clock.after(gatherMs, () => {
          stopTimer = undefined
          void exchange()
        })
    },
    async close() {
      isClosed = true
      stopTimer?.()
      stopRenewal()
      await exchange()
    },
  }

  /** Asks the database what is left now. Errors: `rate-limited` if it is less than half. */
  async function leaveHalf(allowance: SharedAllowance): Promise<void> {
    allowance.isDue = true
    await exchange()
    const { answer, own, policy, running } = allowance
    if (answer === undefined || own !== undefined) return
    const error = refusalOfHalf(policy, running, answer)
    if (error) throw error
  }

  function allowanceOf(keyId: string, policy: CallerPolicy): SharedAllowance {
    const known = allowances.get(keyId)
    if (known) {
      known.policy = policy
      return known
    }
    const nothing = { requests: 0, tokens: 0 }
    const added: SharedAllowance = {
      ...{ keyId, policy, running: 0, waiting: [], unreported: { ...nothing }, since: ++count, reported: nothing },
      ...{ isDue: false, answer: undefined, own: undefined },
    }
    allowances.set(keyId, added)
    return added
  }

  function renew(): void {
    for (const allowance of allowances.values()) if (allowance.running > 0) allowance.isDue = true
    void exchange().finally(() => {
      if (!isClosed) stopRenewal = clock.after(renewMs, renew)
    })
  }

  /** One exchange at a time: whatever arrives meanwhile is part of the next one. */
  function exchange(): Promise<void> {
    if (!isExchanging) {
      isExchanging = true
      exchanging = exchangeWhileDue()
    }
    return exchanging
  }

  async function exchangeWhileDue(): Promise<void> {
    // Everything that happens in one turn of the event loop also shares one exchange.
    await Promise.resolve()
    let isAnswered = true
    for (let due = dueOnes(); isAnswered && due.length > 0; due = dueOnes()) isAnswered = await exchangeOnce(due)
    if (!isAnswered) for (const allowance of allowances.values()) useOwnPart(allowance, allowance.waiting.splice(0))
    // In the same turn as the last check, so that nothing becomes due unseen.
    isExchanging = false
  }

  /** Resolves with whether the database has answered. */
  async function exchangeOnce(due: readonly SharedAllowance[]): Promise<boolean> {
    const asked = due.map((allowance) => ({
      allowance,
      report: reportOf(allowance),
      waiting: allowance.waiting.splice(0),
    }))
    for (const { allowance } of asked) allowance.isDue = false
    try {
      const answers = await exchangeTwice(asked.map(({ report }) => report))
      for (const [index, { allowance, report, waiting }] of asked.entries()) {
        const answer = answers[index]
        if (answer !== undefined) use(allowance, report, waiting, answer)
      }
      return true
    } catch {
      // The database module reports the outage. What was not reported is due again with the next request or renewal.
      for (const { allowance, waiting } of asked) {
        allowance.isDue = true
        useOwnPart(allowance, waiting)
      }
      return false
    }
  }

  /** One answer that was lost does not mean that the database is away: others may use the whole limits meanwhile. */
  function exchangeTwice(reports: readonly AllowanceReport[]): Promise<AllowanceAnswer[]> {
    return shared.exchange(reports).catch(() => shared.exchange(reports))
  }

  function dueOnes(): SharedAllowance[] {
    for (const [keyId, { isDue, running, waiting, own }] of allowances)
      if (!isDue && running === 0 && waiting.length === 0 && own === undefined) allowances.delete(keyId)
    return [...allowances.values()].filter(({ isDue, waiting }) => isDue || waiting.length > 0)
  }

  function use(
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

  function useOwnPart(allowance: SharedAllowance, waiting: readonly QueuedRequest[]): void {
    if (waiting.length === 0) return
    const gateways = shared.gateways()
    const { policy } = allowance
    const own = ownPartOf(allowance, gateways)
    allowance.own = own
    for (const { resolve, reject } of waiting) {
      const parallel = policy.parallel && Math.max(1, Math.floor(policy.parallel / gateways))
      const [requestsMs, tokensMs] = [own.requests.waitMs(), own.tokens.waitMs()]
      if (parallel !== undefined && allowance.running >= parallel) reject(tooManyAtOnce(allowance.running, parallel))
      else if (policy.requests && requestsMs > 0) reject(usedUpThisMinute('requests', policy.requests, requestsMs))
      else if (policy.tokens && tokensMs > 0) reject(usedUpThisMinute('tokens', policy.tokens, tokensMs))
      else {
        own.requests.take(1)
        allowance.unreported.requests++
        allowance.running++
        resolve()
      }
    }
  }

  function ownPartOf(allowance: SharedAllowance, gateways: number): NonNullable<SharedAllowance['own']> {
    if (allowance.own) return allowance.own
    const partOf = (limit: 'requests' | 'tokens', left: number | undefined) => {
      const perMinute = () => (allowance.policy[limit]?.perMinute ?? 0) / gateways
      const bucket = tokenBucket(perMinute, clock, () => Math.max(1, perMinute()))
      if (left !== undefined) bucket.set(left / gateways)
      return bucket
    }
    const { requestsLeft, tokensLeft } = allowance.answer ?? {}
    return { requests: partOf('requests', requestsLeft), tokens: partOf('tokens', tokensLeft) }
  }
}

function reportOf({ keyId, policy, running, waiting, unreported, since, reported }: SharedAllowance): AllowanceReport {
  return {
    ...{ key: keyId, running, wanted: waiting.length, ...unreported },
    ...{ since, requestsBefore: reported.requests, tokensBefore: reported.tokens },
    requestsPerMinute: policy.requests?.perMinute,
    tokensPerMinute: policy.tokens?.perMinute,
    parallel: policy.parallel,
  }
}

function refusalOfHalf(
  { parallel, requests, tokens }: CallerPolicy,
  running: number,
  { elsewhere, requestsLeft = 0, tokensLeft = 0 }: AllowanceAnswer,
): GatewayError | undefined {
  const all = running + elsewhere
  if (parallel !== undefined && all >= backgroundShare(parallel)) return tooManyAtOnce(all, parallel)
  const waitMs = (left: number, { perMinute }: Rate) => ((backgroundLevel(perMinute) - left) * 60_000) / perMinute
  if (requests && waitMs(requestsLeft, requests) > 0)
    return usedUpThisMinute('requests', requests, waitMs(requestsLeft, requests))
  if (tokens && waitMs(tokensLeft, tokens) > 0) return usedUpThisMinute('tokens', tokens, waitMs(tokensLeft, tokens))
  return undefined
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
