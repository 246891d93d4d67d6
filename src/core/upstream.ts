import type { BatchStream } from './batch-stream.ts'
import type { Delta } from './events.ts'
import type { ChatRequest } from './request.ts'

/** Where tokens come from. */
export interface Upstream {
  id: string
  /** Ends a reply at `maxTokens` by itself; where it does not, the gateway does. */
  enforcesMaxTokens?: true
  /** Can search the web in a reply that may call the client's tools; where it cannot, it would search instead. */
  searchesBesideTools?: true
  /**
   * Refuses the image a user has just sent to a model that cannot see; where it does not, words take the image's
   * place.
   */
  rejectsUnseenImages?: true
  /** What can be asked for now. Never rejects: falls back to what is known without asking. */
  models(): Promise<Model[]>
  /**
   * A model that no list has, where this upstream judges names by itself: any name it is `named` for, else those that
   * look like its own. Its refusal is `not-found`.
   */
  unlisted?(name: string, named: boolean): Model | undefined
  /** Newest first: the models that stand for large and small ones of other vendors. */
  preferred?: Readonly<Record<'primary' | 'small', readonly string[]>>
  /** Names of what the request asks and the model it goes to cannot honour. */
  ignored(request: ChatRequest, model: Model): string[]
  /**
   * Resolves when the first delta is in hand, so status codes are honest and a retry is still possible.
   * Rejects with GatewayError before that; afterwards failure is the last delta.
   */
  open(call: UpstreamCall): Promise<OpenedReply>
  /** The model can be kept from thinking about this request, where it would think otherwise. */
  answersWithoutThinking?(request: ChatRequest, model: Model): boolean
  /** What `GET /readyz` and the ready line say: rejects with GatewayError when no request could succeed now. */
  check(signal: AbortSignal): Promise<void>
  /** What it holds now, for monitoring, under short fixed names: `{ queued: 2, credentials_ready: 1 }`. */
  gauges?(): Record<string, number>
}

/** A reply that has begun: what was read to know so, and what follows. */
export interface OpenedReply {
  first: Delta[]
  rest: BatchStream<Delta[]>
}

export interface UpstreamCall {
  request: ChatRequest
  model: Model
  signal: AbortSignal
  /** Id of the client's key: where calls wait, keys take turns. */
  caller: string
  /** Nothing is shown before the end, so text that may still change can be held back until it is exact. */
  whole: boolean
  /** Tells the request's log line something worth knowing: a retry and its cause, a rewritten text. */
  annotate: (note: string) => void
}

export interface Model {
  /** Public name: `GLM-4.5-Air`. */
  id: string
  /** The upstream's own name: `0727-106B-API`. */
  upstreamId: string
  createdAtSeconds: number
  /** Takes images. */
  vision: boolean
  /** Takes videos. */
  video?: boolean
  /** Takes files by their address; where it does not, the gateway reads the text out of them. */
  files?: boolean
  /** Can reason, and whether it does unless told otherwise. */
  reasoning: 'never' | 'on-request' | 'by-default'
  search: boolean
  /** Words for the effort of its reasoning, least first; none where there is no choice. */
  efforts?: readonly ('minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max')[]
  contextTokens?: number
  maxOutputTokens?: number
  /** Dollars for a million tokens. */
  price?: { input?: number; cached?: number; output?: number }
  /** None of the credentials may use it, as far as their refusals have told. */
  refused?: true
}
