import type { Static, TSchema } from '@sinclair/typebox'
import type { EmbeddingReply, EmbeddingRequest } from './embedding.ts'
import type { GatewayError } from './errors.ts'
import type { Reply, StreamEvent, TextKind } from './events.ts'
import type { ChatRequest } from './request.ts'
import type { Transform } from './transform.ts'
import type { ListedModel } from './upstream.ts'

/**
 * One client API, with everything that the gateway needs to know about it. Everything here is pure: ids, time and
 * estimates are passed in as `ReplyHead`.
 */
export interface Dialect<Options = unknown> {
  /** For the log, metrics and the OpenAPI document: `openai-chat`. */
  id: string
  /** For people: `OpenAI Chat Completions`. */
  label: string
  /** Every path of the dialect: no other list has them. */
  routes: readonly DialectRoute[]
  /** Base paths that its clients use, besides those of every dialect: `/anthropic/v1`. */
  basePaths?: readonly string[]
  /** The one of its base paths that the documentation shows; `/v1` where absent. */
  documentedBasePath?: string
  /**
   * The only base paths of its routes, for an API whose clients have a fixed one: `/api`. The documentation shows the first.
   * A route of this kind comes before one of another dialect that has the same path behind a common base path.
   */
  ownBasePaths?: readonly [string, ...string[]]
  /** Headers in which its clients send a key, besides `Authorization: Bearer`; names are lower case. */
  keyHeaders?: readonly string[]
  /**
   * The query parameter in which its clients may send a key. Proxies and browsers keep addresses, so such a request is
   * refused unless the operator allows it.
   */
  keyParameter?: string
  /** Whether only clients of this dialect send these headers, whatever the path. */
  recognises?(headers: Headers): boolean
  /** Which keys are accepted, and which allowance a request is charged to. */
  credentials: CredentialScope
  /** Checked before `decode`, and before stored references are resolved. */
  body: TSchema
  /** Errors: `invalid-request`. */
  decode(body: unknown, context: RequestContext): Decoded<Options>
  /** Encodes the reply as text, one string per event. */
  encoder(head: ReplyHead, options: Options): Encoder
  encodeReply(head: ReplyHead, reply: Reply, options: Options): object
  encodeError(error: GatewayError, requestId: string): { status: number; body: object }
  /** How replies are streamed, unless `decode` names another format for the request. */
  stream: StreamFormat
  /** Prefixes of the ids this dialect hands out: `chatcmpl-`, `call_`. */
  ids: { reply: string; toolCall: string }
  /** Fields of the body whose entries MAX_MESSAGES limits: `messages`. */
  conversationFields: readonly string[]
  /** A small request, for the documentation and for checks. */
  example(ask: ExampleAsk): { body: object; params?: Readonly<Record<string, string>> }
  /** Newer APIs of the same vendor replace it, so error messages do not suggest it. */
  isLegacy?: true
  /** How models are listed; goes with routes that serve `model-list` and `model`. */
  models?: ModelFormat
  /** The answer to a route that serves `count`. */
  count?: { encode(inputTokens: number, options: Options): object }
  /** Goes with a route that serves `socket`. */
  socket?: SocketFormat
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

/** One route of a dialect. */
export type DialectRoute = {
  /**
   * Goes behind a base path. `:name` is a parameter; it ends at a slash, or at the colon of a verb:
   * `/models/:model:generateContent`. `:name+` as the last one also takes slashes. `*` is the rest of the path.
   */
  path: string
  /** Who may use it: anybody who can reach the gateway, clients with a key, or the operator. */
  access: 'open' | 'client' | 'operator'
} & (
  | {
      serves: 'reply' | 'count'
      method: 'POST'
      /** For the documentation; the dialect's label if absent. */
      summary?: string
      /** For the documentation, which shows a request with the examples. */
      query?: readonly QueryParameter[]
    }
  /**
   * Several dialects may have the same path for these: `recognises` decides, then the base path, then the order. The path
   * of a `model` route takes the model's name as `:model` or as `*`.
   */
  | { serves: 'model-list' | 'model'; method: 'GET' }
  | PostedModelRoute
  /** Replies over a WebSocket: see `SocketFormat`. */
  | { serves: 'socket'; method: 'GET'; summary: string }
  | StoredRoute
  | ConversationRoute
  | FixedRoute
  | EmbeddingRoute
)

/** A route for vectors of texts. */
export interface EmbeddingRoute {
  serves: 'embeddings'
  method: 'POST'
  summary: string
  body: TSchema
  /** `encode` makes the response body. Errors: `invalid-request`. */
  decode(body: unknown, context: RequestContext): { request: EmbeddingRequest; encode: EncodeEmbeddings }
  /** For the documentation. */
  example(model: string): object
}

export type EncodeEmbeddings = (reply: EmbeddingReply, head: EmbeddingHead) => object

export interface EmbeddingHead {
  /** As the client wrote it. */
  model: string
  /** What has passed since the request came. */
  totalMs: number
}

/** Types an embedding route: `decode` receives the type of its schema. */
export function defineEmbeddings<Body extends TSchema>(
  route: Omit<EmbeddingRoute, 'serves' | 'method' | 'body' | 'decode'> & {
    path: string
    body: Body
    decode: (body: Static<Body>, context: RequestContext) => ReturnType<EmbeddingRoute['decode']>
  },
): DialectRoute {
  return { ...route, serves: 'embeddings', method: 'POST', access: 'client' }
}

/** The model whose name is in a body. */
export interface PostedModelRoute {
  serves: 'model'
  method: 'POST'
  body: TSchema
  /** Errors: `invalid-request` if the body has no name. */
  nameIn(body: unknown): string
  example: object
}

/** A route for conversations that are kept for a client. Without a parameter `id` it begins one. */
export interface ConversationRoute {
  serves: 'conversation'
  method: 'GET' | 'POST' | 'DELETE'
  summary: string
  /** Of `POST`. */
  body?: TSchema
  /** The conversation is deleted afterwards. */
  deletes?: true
  /** Errors: `invalid-request`, `not-found`. */
  answer(conversation: StoredResponse, request: ConversationRequest): ConversationAnswer
  docs: { description: string; parameters?: readonly object[]; example?: object }
}

export interface ConversationRequest {
  params: Readonly<Record<string, string>>
  query: Query
  body: unknown
  newId: (prefix: string) => string
}

export interface ConversationAnswer {
  answer: object
  /** The conversation as it is afterwards; absent where it stays as it was. */
  changed?: StoredResponse
}

/** An answer that is the same for every request: a version, or the refusal of what this server does not do. */
export interface FixedRoute {
  serves: 'fixed'
  method: 'GET' | 'POST' | 'DELETE'
  summary: string
  /** Errors: GatewayError for a refusal. The body of the request is not read. */
  answer(): object
}

/** A parameter of the query, in the form of OpenAPI. */
export interface QueryParameter {
  name: string
  description: string
  schema: object
  example: string
}

/** A route for stored replies. Its parameter `id` is the id of the reply. */
export interface StoredRoute {
  serves: 'stored'
  method: 'GET' | 'POST' | 'DELETE'
  summary: string
  /** The stored reply is deleted afterwards. */
  deletes?: true
  /** A reply that is being written in the background is ended before. */
  cancels?: true
  /**
   * The number of the event behind which the client wants the events of a reply that is written in the background;
   * `undefined` if it wants the reply. Errors: `invalid-request`.
   */
  eventsAfter?(query: Query): number | undefined
  /** Errors: `invalid-request` for what cannot be done with a stored reply. */
  answer(stored: StoredResponse, query: Query): object
  docs: { description: string; parameters?: readonly object[] }
}

/**
 * What a request is charged for: a request and its tokens of the key's allowance, one of the requests in progress, or
 * nothing.
 */
export type Cost = 'allowance' | 'place' | 'nothing'

export const costOf = {
  reply: 'allowance',
  count: 'place',
  'model-list': 'nothing',
  model: 'nothing',
  stored: 'nothing',
  conversation: 'place',
  fixed: 'nothing',
  socket: 'nothing',
  embeddings: 'allowance',
} satisfies Record<DialectRoute['serves'], Cost>

export type Query = Readonly<Record<string, string | undefined>>

export interface ExampleAsk {
  model: string
  text: string
  /** For a check whether the model answers: at most this many tokens, no reasoning, and nothing is stored. */
  checkWithin?: number
}

/** How a dialect lists models. */
export interface ModelFormat {
  /** The vendor of the format: `OpenAI`. */
  vendor: string
  list(models: readonly ListedModel[], request: { headers: Headers; query: Query }): object
  one(model: ListedModel): object
  /** For the documentation: how the list is divided, the header that selects this format, and the query parameters. */
  docs: { manner: string; header?: { name: string; description: string }; query?: readonly object[] }
}

/** The parts of a request besides its body. */
export interface RequestContext {
  headers: Headers
  /** Percent-decoded parameters of the path: `model` of `/models/:model:generateContent`. */
  params: Readonly<Record<string, string>>
  query: Query
  /** The pattern of the route, for a dialect that distinguishes verbs by it. */
  path: string
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

/**
 * How a dialect is spoken over a WebSocket: each message that asks for a reply is the body of a request for a streamed one
 * to the same path, and each event of the stream is a message.
 */
export interface SocketFormat {
  /** Errors: `invalid-request` for a message that asks for no reply. */
  read(message: unknown): SocketRequest
  /** `data` is that of an event of the stream. */
  encodeEvent(data: string, lane: string | undefined): string
  /** A refusal, as the route for replies would have answered it. */
  encodeRefusal(status: number, body: object, headers: Headers, lane: string | undefined): string
}

export interface SocketRequest {
  /** Of a request for a streamed reply. */
  body: object
  /** Requests of one lane are answered one after the other, those of different lanes at the same time. */
  lane: string | undefined
}

/** How a dialect refers to stored replies, and what it stores. */
export interface StoredConversation<Options> {
  /** Ids of the stored replies that `resolve` needs for the body, each once. */
  references(body: unknown): string[]
  /** The body with its references replaced by what they refer to. Errors: `invalid-request` if `find` finds nothing. */
  resolve(body: unknown, find: FindStored): unknown
  /** The error for an id without a stored reply: `not-found`. */
  notFound(id: string): GatewayError
  /** Whether the client wants the reply stored. */
  isWanted(options: Options): boolean
  /** What to store of a complete reply; `undefined` if clients cannot refer to it. */
  save(head: ReplyHead, reply: Reply, options: Options): StoredResponse | undefined
  /** Goes with routes that serve `conversation`. */
  conversations?: ConversationFormat<Options>
  /** Only if replies can be written while no client waits. */
  background?: BackgroundFormat<Options>
}

/** How a dialect keeps conversations on the server, to which each reply is added. */
export interface ConversationFormat<Options = unknown> {
  /** Prefix of the ids of conversations: `conv_`. */
  idPrefix: string
  begin(newId: (prefix: string) => string, nowSeconds: number): StoredResponse
  notFound(id: string): GatewayError
  /** The conversation that a reply belongs to, and what it adds to it. */
  additions(head: ReplyHead, reply: Reply, options: Options): { id: string; items: StoredResponse['input'] } | undefined
}

/** How a reply that is written in the background looks before its end. */
export interface BackgroundFormat<Options = unknown> {
  /** Before its first event. */
  queued(head: ReplyHead, options: Options): StoredResponse
  /** The reply after an event of its stream, whose `data` this is. */
  update(reply: StoredResponse['reply'], data: string): StoredResponse['reply']
  /** The client does not want the rest. */
  cancelled(reply: StoredResponse['reply']): StoredResponse['reply']
  /** A stored reply, which has failed if nobody can still be writing it: the gateway that did has stopped. */
  settled(reply: StoredResponse['reply'], nowSeconds: number): StoredResponse['reply']
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
  /**
   * The answer to a request for which no model has to work, such as one that only loads a model; JSON, also for a client that
   * wants a stream. The model has to exist.
   */
  atOnce?: (head: ReplyHead) => object
  /** The reply is written whether or not the client waits. */
  background?: { isStreamed: boolean } | undefined
  /** The client only prepares a conversation to which it will refer: the reply is empty, and no model is asked. */
  isPreparation?: boolean | undefined
  /** How this reply is streamed, if not in the dialect's usual format. */
  streamFormat?: StreamFormat
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
  /** Default temperature of the model that replies; unknown for some models. */
  defaultTemperature?: number | undefined
  /** Defaults to `reasoning_content`. */
  reasoningField?: ReasoningField
  /** What has passed since the request came; absent in examples. */
  timing?: () => ReplyTiming
}

/** Milliseconds, with fractions. */
export interface ReplyTiming {
  totalMs: number
  /** Until the reply began. */
  firstTokenMs: number
}
