import type { ChatRequest } from '../core/request.ts'
import type { CountableRequest } from './request-counter.ts'

/** The template adds a space after each comma and colon of tools: at most one for every two bytes. */
const formattedTools = 1.5
/**
 * Tokens that templates and the gateway's own prompts add to a request, to its tools and for a required output format.
 */
const overhead = { request: 16, message: 4, tools: 4_096, output: 512 }

/**
 * The most tokens that a prompt can have with any vocabulary. All vocabularies of GLM models work on UTF-8 bytes, so no
 * text has more tokens than bytes. Texts of rare characters, emoji and digits can come near that, while a count with
 * another vocabulary finds half as many tokens or fewer.
 */
export function mostTokens({ messages, tools, output }: ChatRequest, { texts, tokens }: CountableRequest): number {
  let most = tokens + overhead.request + messages.length * overhead.message
  for (const text of texts) most += typeof text === 'string' ? bytesOf(text) : bytesOf(text.key) * formattedTools
  if (tools.length > 0) most += overhead.tools
  if (output.type === 'json') most += overhead.output + bytesOf(output.description ?? '')
  return Math.ceil(most)
}

/** The most tokens that these texts can have if each is a message with its template. */
export function mostTokensOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + bytesOf(text) + overhead.message, 0)
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
