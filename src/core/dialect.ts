import type { Static, TSchema } from '@sinclair/typebox'
import type { BatchFormat } from './batch.ts'
import type { DialectRoute, Query, RequestContext } from './dialect-route.ts'
import type { GatewayError } from './errors.ts'
import type { Reply } from './events.ts'
import type { Encoder, ReplyHead, StreamFormat } from './reply-encoder.ts'
import type { ChatRequest } from './request.ts'
import type { SocketFormat } from './socket-format.ts'
import type { FindStored, StoredConversation } from './stored-conversation.ts'
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
  /**
   * The whole reply to a prompt that was refused as unsafe, for an API in which that is no error. In a stream `encoder` is
   * given the error as its only event.
   */
  refusedPrompt?(head: ReplyHead, error: GatewayError): object
  /** How replies are streamed, unless `decode` names another format for the request. */
  stream: StreamFormat
  /** Prefixes of the ids this dialect hands out: `chatcmpl-`, `call_`. */
  ids: { reply: string; toolCall: string }
  /** Fields of the body whose entries MAX_MESSAGES limits: `messages`. */
  conversationFields: readonly string[]
  /** A small request, for the documentation and for checks. */
  example(options: ExampleOptions): { body: object; params?: Readonly<Record<string, string>> }
  /** Newer APIs of the same vendor replace it, so error messages do not suggest it. */
  isLegacy?: true
  /** How models are listed; goes with routes that serve `model-list` and `model`. */
  models?: ModelFormat
  /** The answer to a route that serves `count`. */
  count?: { encode(inputTokens: number, options: Options): object }
  /** Goes with a route that serves `socket`. */
  socket?: SocketFormat
  /** Goes with routes that serve `batch`. */
  batches?: BatchFormat
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

/** What a request for a reply means. */
export interface Decoded<Options> {
  request: ChatRequest
  options: Options
  stream: boolean
  /** The reply is written whether or not the client waits. */
  background?: { isStreamed: boolean } | undefined
  /**
   * No model has to write anything: the client only loads a model, or prepares a conversation to which it will refer. The
   * reply is empty and no upstream is called, but the model has to exist.
   */
  isEmpty?: true | undefined
  /** How this reply is streamed, if not in the dialect's usual format. */
  streamFormat?: StreamFormat
}

/** Which API a key belongs to: an operator may give the clients of Anthropic's API separate keys. */
export type CredentialScope = 'openai' | 'anthropic'

/** How a dialect lists models. */
export interface ModelFormat {
  /** The vendor of the format: `OpenAI`. */
  vendor: string
  list(models: readonly ListedModel[], request: { headers: Headers; query: Query }): object
  one(model: ListedModel): object
  /** For the documentation: whether the list comes in pages, the header that selects this format, query parameters. */
  docs: { manner: string; header?: { name: string; description: string }; query?: readonly object[] }
}

/** What the example request of a dialect is about. */
export interface ExampleOptions {
  model: string
  text: string
  /** Set for a probe of the model: the reply has at most this many tokens, no reasoning, and is not stored. */
  probeTokens?: number
}
