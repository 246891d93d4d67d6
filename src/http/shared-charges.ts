import type { Caller, CallerPolicy } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { AllowanceAnswer, AllowanceReport, SharedAllowances } from '../core/shared-allowances.ts'
import {
  isIdle,
  newAllowance,
  type QueuedRequest,
  refusalOfHalf,
  reportOf,
  type SharedAllowance,
  useAnswer,
  useOwnPart,
} from './shared-allowance.ts'

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
  // The number of allowances so far.
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
    const error = refusalOfHalf(allowance)
    if (error) throw error
  }

  function allowanceOf(keyId: string, policy: CallerPolicy): SharedAllowance {
    const known = allowances.get(keyId)
    if (known) {
      known.policy = policy
      return known
    }
    const added = newAllowance(keyId, policy, ++count)
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
    if (!isAnswered) for (const allowance of allowances.values()) grantOwnPart(allowance, allowance.waiting.splice(0))
    // Nothing is awaited since the last check, so nothing can have become due.
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
        if (answer !== undefined) useAnswer(allowance, report, waiting, answer)
      }
      return true
    } catch {
      // The database module reports the outage. What was not reported is due again with the next request or renewal.
      for (const { allowance, waiting } of asked) {
        allowance.isDue = true
        grantOwnPart(allowance, waiting)
      }
      return false
    }
  }

  /** Asks again if an answer is lost: that alone does not mean that the database is away and that limits are divided. */
  function exchangeTwice(reports: readonly AllowanceReport[]): Promise<AllowanceAnswer[]> {
    return shared.exchange(reports).catch(() => shared.exchange(reports))
  }

  function dueOnes(): SharedAllowance[] {
    for (const [keyId, allowance] of allowances) if (isIdle(allowance)) allowances.delete(keyId)
    return [...allowances.values()].filter(({ isDue, waiting }) => isDue || waiting.length > 0)
  }

  function grantOwnPart(allowance: SharedAllowance, waiting: readonly QueuedRequest[]): void {
    useOwnPart(allowance, waiting, shared.gateways(), clock)
  }
}
