import { GatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Model } from '../core/upstream.ts'
import type { Corrected } from '../tokens/calibrate.ts'

/** Fewer tokens than this hold no answer worth a request, unless the client asks for fewer. */
const minAnswerTokens = 256

interface ClampOptions {
  model: Model
  /** Tokens of the prompt. */
  prompt: Corrected
  annotate: (note: string) => void
}

/**
 * The request with `max_tokens` cut to what the window has room for behind the prompt: a server that holds both against
 * the window would refuse it, where its users want the shorter answer. Without `max_tokens` the upstream finds its own.
 *
 * Errors: `context-overflow` for a prompt that surely leaves no room for an answer; one that may is sent with room for
 * the smallest, and the upstream's to judge.
 */
export function clampMaxTokens(request: ChatRequest, { model, prompt, annotate }: ClampOptions): ChatRequest {
  const { contextTokens, maxOutputTokens = Number.POSITIVE_INFINITY } = model
  const { maxTokens } = request.sampling
  if (contextTokens === undefined) return request
  const wanted = maxTokens === undefined ? 0 : Math.min(maxTokens, maxOutputTokens)
  const smallest = Math.min(wanted, minAnswerTokens)
  if (prompt.least + smallest > contextTokens) throw overflow(prompt, contextTokens)
  const room = Math.max(contextTokens - prompt.most, smallest)
  if (wanted <= room) return request
  annotate(`max_tokens ${maxTokens} cut to ${room}: the prompt leaves no room for more`)
  return { ...request, sampling: { ...request.sampling, maxTokens: room } }
}

/** Clients look for a number beyond the window. */
function overflow({ likely, least }: Corrected, contextTokens: number): GatewayError {
  const tokens = Math.max(likely, least, contextTokens + 1)
  return new GatewayError(
    'context-overflow',
    `This model's maximum context length is ${contextTokens} tokens. However, your messages resulted in ${tokens} tokens. Please reduce the length of the messages.`,
    { param: 'messages', overflow: { tokens, maximum: contextTokens } },
  )
}
