import type { CallObserver } from '../core/call-observer.ts'
import { asGatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'
import type { OpenedReply } from '../core/upstream.ts'
import { wellFormed, wellFormedRequest } from '../core/well-formed.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import type { ModelRoute } from './model-routing.ts'
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
}

/** One opened reply of an upstream, and the transform that applies the gateway's rules to it. */
export interface Attempt extends OpenedReply {
  rules: Transform<Delta, Delta>
  measurement: Measurement
}

/**
 * Sends a request to its upstream. Errors: those of `Upstream.open`, and `context-overflow` for a prompt that certainly
 * leaves no room for an answer.
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
  const request = measurement.clamped({ annotate, onIgnored })
  await yieldIfLong()
  const startedAt = health.now()
  const call = { request, model, signal, caller, whole, annotate, observer }
  observer?.asks(upstream.id)
  const reply = await upstream.open(call).catch((thrown) => {
    health.failed(upstream.id, asGatewayError(thrown), startedAt)
    throw thrown
  })
  health.answered(upstream.id)
  const callAgain = upstream.answersWithoutThinking?.(request, model)
    ? () => upstream.open({ ...call, request: { ...request, reasoning: { mode: 'off' } } })
    : undefined
  const rules = replyRules({ upstream, model, request }, { loopLimit, countTokens: measurement.countText, annotate })
  return { ...retryWithoutReasoning(reply, { callAgain, annotate }), rules, measurement }
}
