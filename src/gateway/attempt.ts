import { asGatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'
import type { OpenedReply } from '../core/upstream.ts'
import { wellFormed, wellFormedRequest } from '../core/well-formed.ts'
import type { Rest } from '../core/yield-between-steps.ts'
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
  rest: Rest
}

/** One call to the upstream, and what keeps its reply to the gateway's rules. */
export interface Attempt extends OpenedReply {
  rules: Transform<Delta, Delta>
  measurement: Measurement
}

/** Errors: whatever `Upstream.open` rejects with, and `context-overflow` for a prompt that surely leaves no room. */
export async function attempt(wanted: ModelRoute, options: AttemptOptions): Promise<Attempt> {
  const { tokenMeter, health, signal, caller, whole, loopLimit, annotate, rest } = options
  // The door to every upstream: what was said on the way here, by clients, files and models, has no halves of characters.
  const route = { ...wanted, model: wellFormed(wanted.model), request: wellFormedRequest(wanted.request) }
  const { upstream, model } = route
  await rest()
  const measurement = await tokenMeter.measure(route)
  const request = measurement.clamped(annotate)
  await rest()
  const startedAt = health.now()
  const call = { request, model, signal, caller, whole, annotate }
  const reply = await upstream.open(call).catch((thrown) => {
    health.failed(upstream.id, asGatewayError(thrown), startedAt)
    throw thrown
  })
  health.answered(upstream.id)
  const again = upstream.answersWithoutThinking?.(request, model)
    ? () => upstream.open({ ...call, request: { ...request, reasoning: { mode: 'off' } } })
    : undefined
  const rules = replyRules({ upstream, model, request }, { loopLimit, countTokens: measurement.countText, annotate })
  return { ...retryWithoutReasoning(reply, { again, annotate }), rules, measurement }
}
