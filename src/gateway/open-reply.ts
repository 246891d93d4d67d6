import type { Delta, StreamEvent } from '../core/events.ts'
import type { ReplyStream } from '../core/pipeline.ts'
import type { ChatRequest } from '../core/request.ts'
import { streamNormaliser } from '../core/stream-normaliser.ts'
import { clientToolNames } from '../core/tool-names.ts'
import { chain, type Transform } from '../core/transform.ts'
import { type Attempt, type AttemptOptions, attempt } from './attempt.ts'
import { learnUsage } from './learn-usage.ts'
import type { ModelRoute } from './model-routing.ts'
import { placeReasoning, type ReasoningMode } from './reasoning-placement.ts'
import { jsonReply } from './structured/index.ts'
import type { Validate } from './structured/validation.ts'
import { toolArguments } from './tool-arguments.ts'

export interface OpenReplyOptions extends AttemptOptions {
  reasoningMode: ReasoningMode
  newToolCallId: () => string
  /** Validates answers and arguments against schemas of clients, outside of the event loop. */
  validate: Validate
  searchFilter: Transform<Delta, Delta>
}

/** Opens a reply and attaches the transforms for it. Errors: those of `attempt`. */
export async function openReply(found: ModelRoute, options: OpenReplyOptions): Promise<ReplyStream> {
  const { request } = found
  const { output } = request
  // JSON is held back until it is complete, so a whole reply is requested from the upstream.
  const asked = output.type === 'json' ? { ...options, whole: true } : options
  const firstAttempt = await attempt(found, asked)
  const { first, rest, rules, measurement } = firstAttempt
  const reply = eventsOf(firstAttempt, output, options)
  const withChecks = checksOf(found, options)
  if (output.type === 'text')
    return { first, rest, transform: withChecks(chain(rules, learnUsage(reply, measurement.learn))) }
  const askAgain = async (repaired: ChatRequest) => {
    await firstAttempt.settle()
    return await attempt({ ...found, request: repaired }, asked)
  }
  const { validate, signal, annotate } = options
  // `learnUsage` is left out: the usage may be the sum of two prompts, which says nothing about one of them.
  const kept = jsonReply(firstAttempt, { request, output, attempt: askAgain, validate, signal, annotate })
  return { first: [], rest: kept, transform: withChecks(reply) }
}

/** From the deltas of an upstream to events, with reasoning where the client wants it. */
function eventsOf(
  { measurement }: Attempt,
  output: ChatRequest['output'],
  { reasoningMode, newToolCallId, searchFilter }: OpenReplyOptions,
): Transform<Delta, StreamEvent> {
  const normaliser = streamNormaliser({
    newToolCallId,
    inputTokens: measurement.inputTokens,
    countTokens: measurement.countText,
  })
  // Reasoning in tags would make the text invalid JSON.
  const mode = output.type === 'json' && reasoningMode !== 'strip' ? 'think' : reasoningMode
  return chain(searchFilter, mode === 'think' ? normaliser : chain(placeReasoning(mode), normaliser))
}

/** Adds what a reply's calls need: the client's own names of tools, and arguments that fit the schemas. */
function checksOf({ request: { tools } }: ModelRoute, { validate, signal, annotate }: OpenReplyOptions) {
  const checked = toolArguments({ tools, validate, signal, annotate })
  const clientNames = clientToolNames(tools)
  return (events: Transform<Delta, StreamEvent>): Transform<Delta, StreamEvent> => {
    const named = clientNames ? chain(events, clientNames.inEvents) : events
    return checked ? chain(named, checked) : named
  }
}
