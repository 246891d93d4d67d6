import type { Delta } from '../core/events.ts'
import { demandsCall } from '../core/request.ts'
import { chain, type Transform } from '../core/transform.ts'
import { loopGuard } from './loop-guard.ts'
import type { ModelRoute } from './model-routing.ts'
import { outputLimit } from './output-limit.ts'
import { stopAt } from './stop-sequences.ts'
import { toolRules } from './tool-rules.ts'

export interface ReplyRulesOptions {
  /** Characters of pure repetition that end a reply; 0 for none. */
  loopLimit: number
  countTokens: (text: string) => number
  annotate: (note: string) => void
}

/**
 * The rules that the gateway enforces on every reply, whatever the upstream does: no endless repetition, `max_tokens`,
 * `tool_choice`, `parallel_tool_calls`, stop sequences.
 */
export function replyRules(
  { upstream, model, request }: Pick<ModelRoute, 'upstream' | 'model' | 'request'>,
  options: ReplyRulesOptions,
): Transform<Delta, Delta> {
  const { sampling, toolChoice, parallelToolCalls } = request
  const { maxTokens, stop = [] } = sampling
  // If the upstream ignores the choice, it is listed as ignored, and an answer without a call is better than an error.
  const mustCall = demandsCall(request) && !upstream.ignored(request, model).includes('tool_choice')
  const rules: Transform<Delta, Delta>[] = []
  if (maxTokens !== undefined && !upstream.enforcesMaxTokens) rules.push(outputLimit(maxTokens, options.countTokens))
  if (toolChoice !== 'auto' || !parallelToolCalls)
    rules.push(toolRules({ choice: toolChoice, parallel: parallelToolCalls, mustCall, annotate: options.annotate }))
  if (stop.length > 0) rules.push(stopAt(stop))
  return rules.reduce((before, rule) => chain(before, rule), loopGuard(options.loopLimit))
}
