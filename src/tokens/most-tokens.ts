import type { ChatRequest } from '../core/request.ts'
import type { CountableRequest } from './request-counter.ts'

/** Spaces that the template puts behind commas and colons of tools: at most one for every two bytes. */
const formattedTools = 1.5
/** What templates and prompts of the gateway put around a request, its tools and a required form, in tokens. */
const overhead = { request: 16, message: 4, tools: 4_096, output: 512 }

/**
 * The most tokens that a prompt can have with any vocabulary. Every vocabulary of GLM models works on the bytes of UTF-8,
 * so no text has more tokens than bytes; text that is written for it can come near that, such as rare characters, emoji and
 * digits, of which a count with another vocabulary finds half as many or fewer.
 */
export function mostTokens({ messages, tools, output }: ChatRequest, { texts, tokens }: CountableRequest): number {
  let most = tokens + overhead.request + messages.length * overhead.message
  for (const text of texts) most += typeof text === 'string' ? bytesOf(text) : bytesOf(text.key) * formattedTools
  if (tools.length > 0) most += overhead.tools
  if (output.type === 'json') most += overhead.output + bytesOf(output.description ?? '')
  return Math.ceil(most)
}

/** The most tokens that these texts can have, each with the template of a message around it. */
export function mostTokensOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + bytesOf(text) + overhead.message, 0)
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
