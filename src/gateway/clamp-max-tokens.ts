import { GatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import { leastReplyTokens } from '../core/spending.ts'
import type { Model } from '../core/upstream.ts'
import type { Corrected } from '../tokens/calibrate.ts'

export interface ClampObservers {
  annotate: (note: string) => void
  /** Called if a smaller `max_tokens` is sent than the client asked for. */
  onIgnored: (name: string) => void
}

interface ClampOptions extends ClampObservers {
  model: Model
  /** The estimated tokens of the prompt. */
  prompt: Corrected
}

/**
 * Reduces `max_tokens` to what the context window has room for behind the prompt. Servers that add both up would refuse
 * the request otherwise, although a shorter answer is what users want. Without `max_tokens` nothing is changed.
 *
 * Errors: `context-overflow` for a prompt that certainly leaves no room for an answer. If that is not certain, the
 * request is sent with room for the smallest answer, and the upstream decides.
 */
export function clampMaxTokens(
  request: ChatRequest,
  { model, prompt, annotate, onIgnored }: ClampOptions,
): ChatRequest {
  const { contextTokens, maxOutputTokens = Number.POSITIVE_INFINITY } = model
  const { maxTokens } = request.sampling
  if (contextTokens === undefined) return request
  const wanted = maxTokens === undefined ? 0 : Math.min(maxTokens, maxOutputTokens)
  const smallest = Math.min(wanted, leastReplyTokens)
  if (prompt.least + smallest > contextTokens) throw overflow(prompt, contextTokens)
  const room = Math.max(contextTokens - prompt.most, smallest)
  if (wanted <= room) return request
  annotate(`max_tokens ${maxTokens} cut to ${room}: the prompt leaves no room for more`)
  onIgnored('max_tokens')
  return { ...request, sampling: { ...request.sampling, maxTokens: room } }
}

/** The error names more tokens than the context window has, because clients compare the two numbers. */
function overflow({ likely, least }: Corrected, contextTokens: number): GatewayError {
  const tokens = Math.max(likely, least, contextTokens + 1)
  return new GatewayError(
    'context-overflow',
    `This model's maximum context length is ${contextTokens} tokens. However, your messages resulted in ${tokens} tokens. Please reduce the length of the messages.`,
    { param: 'messages', overflow: { tokens, maximum: contextTokens } },
  )
}
