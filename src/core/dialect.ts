import type { TSchema } from '@sinclair/typebox'
import type { GatewayError } from './errors.ts'
import type { Reply, StreamEvent, TextKind } from './events.ts'
import type { ChatRequest } from './request.ts'
import type { Transform } from './transform.ts'

/** What a client speaks. Everything here is pure: ids, time and estimates come in `ReplyHead`. */
export interface Dialect<Options = unknown> {
  id: string
  /** One line for the documentation page. */
  summary: string
  /** Behind every base URL people paste: `/chat/completions`. */
  path: string
  /** Whose key opens it, and whose allowance it draws on. */
  credentials: CredentialScope
  body: TSchema
  /** `anthropic-beta` and the like; names are lower case. */
  decode(body: unknown, headers: Headers): Decoded<Options>
  /** The reply as ready SSE text, one string an event. */
  encoder(head: ReplyHead, options: Options): Encoder
  encodeReply(head: ReplyHead, reply: Reply, options: Options): object
  encodeError(error: GatewayError, requestId: string): { status: number; body: object }
  /**
   * Sent while the upstream is silent: an event every client of the dialect skips, or a comment. No blank line follows
   * a comment: there are decoders that take each blank line for an event, and fail on one without data.
   */
  keepAlive: string
  /** Prefixes of the ids this dialect hands out: `chatcmpl-`, `call_`. */
  ids: { reply: string; toolCall: string }
  /** Only where clients may ask what a request would cost: the path behind `path`, and the answer. */
  count?: { path: string; encode(inputTokens: number, options?: Options): object }
  /** Only where clients may refer to earlier replies instead of sending them again. */
  storedConversation?: StoredConversation<Options>
}

/** An operator may give the clients of Anthropic's API a key of their own. */
export type CredentialScope = 'openai' | 'anthropic'

/** Writes events. */
export interface Encoder extends Transform<StreamEvent, string> {
  /** How further text of the open block is written now, where all of it is written alike. */
  textWriter?(): TextWriter | undefined
  /** An event that says nothing, for clients that need one to know that the stream lives. */
  keepAlive?: string
}

/** What is sent while the upstream is silent: the dialect's own, or an event where the encoder has one. */
export const keepAliveStyles = ['comment', 'chunk'] as const
export type KeepAliveStyle = (typeof keepAliveStyles)[number]

/** Where clients of Chat Completions look for reasoning, for which OpenAI has no place: DeepSeek's field, OpenRouter's. */
export const reasoningFields = ['reasoning_content', 'reasoning', 'both'] as const
export type ReasoningField = (typeof reasoningFields)[number]

/** Writes text of the open block without an event for each piece. */
export interface TextWriter {
  kind: TextKind
  /** Messages for JSON strings without their quotes, one each: all around them is ASCII. */
  write(pieces: readonly string[]): string
  /** Takes note of what `write` has written since the last time, and says what follows from it. */
  account(text: string, out: string[]): void
}

/** How a dialect refers to stored replies, and what it stores. */
export interface StoredConversation<Options> {
  /** The body with everything it refers to in its place. Errors: `invalid-request` for what `find` does not find. */
  resolve(body: unknown, find: FindStored): unknown
  /** What to store of a reply that ended well; nothing where the client wants none of it stored. */
  save(head: ReplyHead, reply: Reply, options: Options): StoredResponse | undefined
}

export type FindStored = (replyId: string) => StoredResponse | undefined

/** A stored reply, in its dialect's own words. */
export interface StoredResponse {
  id: string
  reply: Record<string, unknown>
  /** The conversation it answered, from the beginning. */
  input: Record<string, unknown>[]
}

export interface Decoded<Options> {
  request: ChatRequest
  options: Options
  stream: boolean
}

export interface ReplyHead {
  id: string
  /** Finds the request in the log; the response header tells it, too. */
  requestId?: string
  /** As the client wrote it. */
  model: string
  createdAtSeconds: number
  /** Unix time; the first call fixes it, so that all who tell it tell the same. */
  completedAtSeconds(): number
  /** The model's name asked for reasoning (`GLM-4.5-Thinking`), whatever the body says. */
  reasoningByName: boolean
  /** `reasoning_content` where nothing is said. */
  reasoningField?: ReasoningField
}
