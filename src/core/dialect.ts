import type { Static, TSchema } from '@sinclair/typebox'
import type { GatewayError } from './errors.ts'
import type { Reply, StreamEvent, TextKind } from './events.ts'
import type { ChatRequest } from './request.ts'
import type { Transform } from './transform.ts'

/**
 * One client API, with everything the gateway needs to know about it. Everything here is pure: ids, time and estimates
 * are passed in as `ReplyHead`.
 */
export interface Dialect<Options = unknown> {
  /** For the log, metrics and the OpenAPI document: `openai-chat`. */
  id: string
  /** For people: `OpenAI Chat Completions`. */
  label: string
  /** Relative to every base URL that people paste: `/chat/completions`. */
  path: string
  /** Base paths of this dialect alone, besides those that every dialect has: `/anthropic/v1`. */
  basePaths?: readonly string[]
  /** Whether these headers are only sent by clients of this dialect, whatever the path. */
  recognises?(headers: Headers): boolean
  /** Which keys may use the path, and whose allowance it draws on. */
  credentials: CredentialScope
  /** Checked before `decode`, and before stored references are resolved. */
  body: TSchema
  /** Errors: `invalid-request`. */
  decode(body: unknown, context: RequestContext): Decoded<Options>
  /** Encodes the reply as text, one string per event. */
  encoder(head: ReplyHead, options: Options): Encoder
  encodeReply(head: ReplyHead, reply: Reply, options: Options): object
  encodeError(error: GatewayError, requestId: string): { status: number; body: object }
  stream: StreamFormat
  /** Prefixes of the ids this dialect hands out: `chatcmpl-`, `call_`. */
  ids: { reply: string; toolCall: string }
  /** Only if clients can ask for the token count of a request: the path after `path`, and the answer. */
  count?: { path: string; encode(inputTokens: number, options: Options): object }
  /** Only if clients can refer to earlier replies instead of sending them again. */
  storedConversation?: StoredConversation<Options>
}

/** The first dialect is used where the client's dialect is unknown, for example in errors. */
export type Dialects = readonly [Dialect, ...Dialect[]]

/**
 * Types a dialect: `decode` receives the type of its schema. `Resolved` is the result of `storedConversation.resolve`;
 * without it, the body itself.
 */
export function defineDialect<Body extends TSchema, Options, Resolved extends Static<Body> = Static<Body>>(
  dialect: DialectDefinition<Body, Options, Resolved>,
): Dialect<Options> {
  return dialect
}

type DialectDefinition<Body extends TSchema, Options, Resolved> = Omit<
  Dialect<Options>,
  'body' | 'decode' | 'storedConversation'
> & {
  body: Body
  // Properties, not methods: their parameters are compared strictly.
  decode: (body: Resolved, context: RequestContext) => Decoded<Options>
  storedConversation?: Omit<StoredConversation<Options>, 'references' | 'resolve'> & {
    references: (body: Static<Body>) => string[]
    resolve: (body: Static<Body>, find: FindStored) => Resolved
  }
}

/** The parts of a request besides its body. */
export interface RequestContext {
  headers: Headers
  /** Percent-decoded parameters of the path: `model` of `/models/:model:generateContent`. */
  params: Readonly<Record<string, string>>
}

/** How a reply is streamed. */
export interface StreamFormat {
  contentType: string
  /**
   * Text sent while the upstream is silent: an event that every client of the dialect skips, or a comment. A comment is
   * not followed by a blank line: some decoders take each blank line for an event, and fail on one without data.
   */
  keepAlive: string
}

/** Which API a key belongs to: an operator may give the clients of Anthropic's API separate keys. */
export type CredentialScope = 'openai' | 'anthropic'

/** Encodes events as text of the dialect. */
export interface Encoder extends Transform<StreamEvent, string> {
  /** A writer for further text of the open block, if all such text is currently written the same way. */
  textWriter?(): TextWriter | undefined
  /** An event without content, for clients that need an event to know that the stream is alive. */
  keepAlive?: string
}

/** What is sent while the upstream is silent: the dialect's `keepAlive`, or the encoder's event if it has one. */
export const keepAliveStyles = ['comment', 'chunk'] as const
export type KeepAliveStyle = (typeof keepAliveStyles)[number]

/**
 * Fields in which clients of Chat Completions look for reasoning. OpenAI has none; these are DeepSeek's and
 * OpenRouter's.
 */
export const reasoningFields = ['reasoning_content', 'reasoning', 'both'] as const
export type ReasoningField = (typeof reasoningFields)[number]

/** Encodes text of the open block without a `StreamEvent` for each piece. */
export interface TextWriter {
  kind: TextKind
  /**
   * The messages for these pieces, one each. A piece is a JSON string without its quotes; the text around it is ASCII.
   */
  write(pieces: readonly string[]): string
  /** Records the text that `write` has encoded since the last call, and appends the messages that follow from it. */
  account(text: string, out: string[]): void
}

/** How a dialect refers to stored replies, and what it stores. */
export interface StoredConversation<Options> {
  /** Ids of the stored replies that `resolve` needs for the body, each once. */
  references(body: unknown): string[]
  /** The body with its references replaced by what they refer to. Errors: `invalid-request` if `find` finds nothing. */
  resolve(body: unknown, find: FindStored): unknown
  /** What to store of a reply that ended well; `undefined` if the client wants nothing stored. */
  save(head: ReplyHead, reply: Reply, options: Options): StoredResponse | undefined
}

export type FindStored = (replyId: string) => StoredResponse | undefined

/** A stored reply, in the wire format of its dialect. */
export interface StoredResponse {
  id: string
  reply: Record<string, unknown>
  /** The conversation that the reply answered, from the beginning. */
  input: Record<string, unknown>[]
}

export interface Decoded<Options> {
  request: ChatRequest
  options: Options
  stream: boolean
}

export interface ReplyHead {
  id: string
  /** Identifies the request in the log and in a response header. */
  requestId?: string
  /** As the client wrote it. */
  model: string
  createdAtSeconds: number
  /** Unix time in seconds. The first call fixes the value, so that every message of the reply has the same one. */
  completedAtSeconds(): number
  /** The model's name asked for reasoning (`GLM-4.5-Thinking`), whatever the body says. */
  reasoningByName: boolean
  /** Defaults to `reasoning_content`. */
  reasoningField?: ReasoningField
}
