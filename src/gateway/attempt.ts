import type { CallObserver } from '../core/call-observer.ts'
import { asGatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Spending } from '../core/spending.ts'
import type { Transform } from '../core/transform.ts'
import type { OpenedReply } from '../core/upstream.ts'
import { wellFormed, wellFormedRequest } from '../core/well-formed.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import type { ModelRoute } from './model-routing.ts'
import { longestReply } from './output-limit.ts'
import { replyRules } from './reply-rules.ts'
import { retryWithoutReasoning } from './retry-without-reasoning.ts'
import type { Measurement, TokenMeter } from './token-meter.ts'
import type { UpstreamHealth } from './upstream-health.ts'

export interface AttemptOptions {
  tokenMeter: TokenMeter
  health: UpstreamHealth
  signal: AbortSignal
  caller: string
  whole: boolean
  loopLimit: number
  annotate: (note: string) => void
  /** Hears of what was asked and is not honoured. */
  onIgnored: (name: string) => void
  observer: CallObserver | undefined
  yieldIfLong: YieldIfLong
  /** Pays for the call; absent for a caller without budgets. */
  spending?: Spending | undefined
}

/** One opened reply of an upstream, and the transform that applies the gateway's rules to it. */
export interface Attempt extends OpenedReply {
  rules: Transform<Delta, Delta>
  measurement: Measurement
}

/**
 * Sends a request to its upstream. Errors: those of `Upstream.open` and `Spending.reserve`, and `context-overflow` for a
 * prompt that certainly leaves no room for an answer.
 */
export async function attempt(wanted: ModelRoute, options: AttemptOptions): Promise<Attempt> {
  const { tokenMeter, health, signal, caller, whole, loopLimit, annotate, onIgnored, observer, yieldIfLong } = options
  // Upstreams refuse lone surrogates. They may come from clients, files or models, so they are replaced here for all.
  const route = { ...wanted, model: wellFormed(wanted.model), request: wellFormedRequest(wanted.request) }
  const { upstream, model } = route
  await yieldIfLong()
  observer?.counts()
  const measurement = await tokenMeter.measure(route)
  observer?.counted(measurement.inputTokens)
  const clamped = measurement.clamped({ annotate, onIgnored })
  await yieldIfLong()
  const paid = await paidFor(clamped)
  const { request } = paid
  const startedAt = health.now()
  const call = { request, model, signal, caller, whole, annotate, observer, yieldIfLong }
  observer?.asks(upstream.id)
  const reply = await upstream.open(call).catch((thrown) => {
    const error = asGatewayError(thrown)
    health.failed(upstream.id, error, startedAt)
    // A client that leaves has had its prompt read.
    if (error.kind !== 'cancelled') paid.release()
    throw thrown
  })
  health.answered(upstream.id)
  const callAgain = upstream.answersWithoutReasoning?.(request, model)
    ? async () => {
        const again = await paidFor({ ...request, reasoning: { mode: 'off' } })
        return await upstream.open({ ...call, request: again.request })
      }
    : undefined
  const rules = replyRules({ upstream, model, request }, { loopLimit, countTokens: measurement.countText, annotate })
  return { ...retryWithoutReasoning(reply, { callAgain, annotate }), rules, measurement }

  /** The request with a reply no longer than the caller's budgets pay for. */
  async function paidFor(unpaid: ChatRequest): Promise<{ request: ChatRequest; release: () => void }> {
    const { maxTokens: wanted } = unpaid.sampling
    const reservation = await options.spending?.reserve({
      model,
      prompt: measurement.mostInputTokens,
      maxTokens: wanted,
      longestReply: (maxTokens) => longestReply(upstream, maxTokens),
    })
    const { maxTokens, release = () => {} } = reservation ?? { maxTokens: wanted }
    if (maxTokens === undefined || maxTokens === wanted) return { request: unpaid, release }
    annotate(`max_tokens ${wanted ?? 'of the model'} cut to ${maxTokens}: the budget of the key pays for no more`)
    onIgnored('max_tokens')
    return { request: { ...unpaid, sampling: { ...unpaid.sampling, maxTokens } }, release }
  }
}
