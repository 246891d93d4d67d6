import type { Static, TSchema } from '@sinclair/typebox'
import type { EmbeddingReply, EmbeddingRequest } from './embedding.ts'
import type { StoredResponse } from './stored-conversation.ts'

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
   * of a `model` route has the model's name as `:model` or as `*`.
   */
  | { serves: 'model-list' | 'model'; method: 'GET' }
  | PostedModelRoute
  /** Replies over a WebSocket: see `SocketFormat`. */
  | { serves: 'socket'; method: 'GET'; summary: string }
  | StoredRoute
  | ConversationRoute
  | BatchRoute
  | FixedRoute
  | EmbeddingRoute
)

/** The parts of a request besides its body. */
export interface RequestContext {
  headers: Headers
  /** Percent-decoded parameters of the path: `model` of `/models/:model:generateContent`. */
  params: Readonly<Record<string, string>>
  query: Query
  /** The pattern of the route, for a dialect that distinguishes verbs by it. */
  path: string
}

export type Query = Readonly<Record<string, string | undefined>>

/** A parameter of the query, in the form of OpenAPI. */
export interface QueryParameter {
  name: string
  description: string
  schema: object
  example: string
}

/** A route that describes the model named in the body of the request. */
export interface PostedModelRoute {
  serves: 'model'
  method: 'POST'
  body: TSchema
  /** Errors: `invalid-request` if the body has no name. */
  nameIn(body: unknown): string
  example: object
}

/** A route for a stored reply; its parameter `id` is the id of the reply. */
export interface StoredRoute {
  serves: 'stored'
  method: 'GET' | 'POST' | 'DELETE'
  summary: string
  /** The stored reply is deleted afterwards. */
  deletes?: true
  /** A reply that is still being written in the background is cancelled first. */
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

/** A route for conversations that the gateway keeps for a client. Without the parameter `id` it begins one. */
export interface ConversationRoute {
  serves: 'conversation'
  method: 'GET' | 'POST' | 'DELETE'
  summary: string
  /** Only for `POST`. */
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
  /** The conversation after the change; absent where nothing changed. */
  changed?: StoredResponse
}

/** A route for batches of requests. Its parameter `id` is the id of a batch. */
export interface BatchRoute {
  serves: 'batch'
  does: 'create' | 'list' | 'retrieve' | 'cancel' | 'results' | 'delete'
  method: 'GET' | 'POST' | 'DELETE'
  summary: string
  /** The body of `create`. */
  body?: TSchema
  docs: { description: string; parameters?: readonly object[]; example?: object }
}

/** A route whose answer is the same for every request: a version, or a refusal of what this server does not do. */
export interface FixedRoute {
  serves: 'fixed'
  method: 'GET' | 'POST' | 'DELETE'
  summary: string
  /** In place of those of the dialect; the first one is documented. */
  basePaths?: readonly [string, ...string[]]
  /** Of the answer; 200 where absent. */
  status?: number
  /** Its answer is about the budgets of the key. */
  readsBudgets?: true
  /** What is sent as JSON. Errors: GatewayError for a refusal. The body of the request is not read. */
  answer(asked: FixedRequest): object
}

export interface FixedRequest {
  /** The URL by which the caller reached the gateway, with the base path: `http://127.0.0.1:8080/anthropic`. */
  base: string
  /** The budgets of the caller's key, for a route that reads them. */
  budgets: readonly KeyBudget[]
}

/** Amounts in units, instants in epoch milliseconds. */
export interface KeyBudget {
  unit: string
  limit: number
  /** `5h`, `day`, `week`, `month` or `total` */
  window: string
  spent: number
  /** Absent where it does not reset, or has not begun. */
  resets_at?: number
}

/** A route for embeddings. */
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
  /** The name as the client wrote it. */
  model: string
  /** From the request until now, in milliseconds. */
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

/**
 * What a request is charged for: a request and its tokens of the key's allowance, one of the requests in progress, or
 * nothing.
 */
export type ChargeKind = 'allowance' | 'place' | 'nothing'

export const costOf = {
  reply: 'allowance',
  count: 'place',
  'model-list': 'nothing',
  model: 'nothing',
  stored: 'nothing',
  conversation: 'place',
  batch: 'place',
  fixed: 'nothing',
  socket: 'nothing',
  embeddings: 'allowance',
} satisfies Record<DialectRoute['serves'], ChargeKind>
