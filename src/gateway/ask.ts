import { asGatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/machine.ts'
import type { Rest } from '../core/rest.ts'
import type { OpenedReply } from '../core/upstream.ts'
import { wellFormed, wellFormedRequest } from '../core/well-formed.ts'
import { heard } from './heard.ts'
import type { Measured, Meter } from './meter.ts'
import type { Route } from './route.ts'
import { withSecondAnswer } from './second-answer.ts'
import type { UpstreamHealth } from './upstream-health.ts'

export interface AskOptions {
  meter: Meter
  health: UpstreamHealth
  signal: AbortSignal
  caller: string
  whole: boolean
  loopLimit: number
  note: (note: string) => void
  rest: Rest
}

/** One call to the upstream, and what keeps its reply to the gateway's rules. */
export interface Asked extends OpenedReply {
  rules: Transform<Delta, Delta>
  measured: Measured
}

/** Errors: whatever `Upstream.open` rejects with, and `context-overflow` for a prompt that surely leaves no room. */
export async function ask(asked: Route, options: AskOptions): Promise<Asked> {
  const { meter, health, signal, caller, whole, loopLimit, note, rest } = options
  // The door to every upstream: what was said on the way here, by clients, files and models, has no halves of characters.
  const found = { ...asked, model: wellFormed(asked.model), request: wellFormedRequest(asked.request) }
  const { upstream, model } = found
  await rest()
  const measured = await meter.measure(found)
  const request = measured.fitted(note)
  await rest()
  const startedAt = health.now()
  const call = { request, model, signal, caller, whole, note }
  const reply = await upstream.open(call).catch((thrown) => {
    health.failed(upstream.id, asGatewayError(thrown), startedAt)
    throw thrown
  })
  health.answered(upstream.id)
  const again = upstream.answersWithoutThinking?.(request, model)
    ? () => upstream.open({ ...call, request: { ...request, reasoning: { mode: 'off' } } })
    : undefined
  const rules = heard({ upstream, model, request }, { loopLimit, countTokens: measured.countText, annotate: note })
  return { ...withSecondAnswer(reply, { again, annotate: note }), rules, measured }
}
