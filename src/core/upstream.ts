import type { BatchStream } from './batch-stream.ts'
import type { CallMeter } from './call-meter.ts'
import type { CallObserver } from './call-observer.ts'
import type { Embedder } from './embedding.ts'
import type { Delta } from './events.ts'
import type { ChatRequest } from './request.ts'
import type { YieldIfLong } from './yield-between-steps.ts'

/** A service that generates replies. */
export interface Upstream {
  id: string
  /** Who makes its models: `z-ai`. Absent where only their names may tell. */
  vendor?: string | undefined
  /** Ends a reply at `maxTokens` by itself; otherwise the gateway cuts the reply. */
  enforcesMaxTokens?: true
  /**
   * Can search the web in a reply that may also call the client's tools; otherwise it would search instead of calling.
   */
  searchesBesideTools?: true
  /**
   * Rejects an image in the newest user message if the model cannot see it; otherwise the image is replaced by a note
   * in words.
   */
  rejectsUnseenImages?: true
  /** The models that can be requested now. Never rejects: it falls back to the built-in list. */
  models(): Promise<Model[]>
  /**
   * The model for a name that is in no list, if this upstream decides about names by itself. With `named`, the name was
   * addressed to this upstream by an alias or a prefix, and any name is accepted; otherwise only names that look like
   * its own models. An unknown name is then refused by the upstream itself, with `not-found`.
   */
  unlisted?(name: string, named: boolean): Model | undefined
  /** Newest first: the models to use in place of other vendors' large (`primary`) and small ones. */
  preferred?: Readonly<Record<'primary' | 'small', readonly string[]>>
  /** Names of the parameters of the request that this model cannot honour. */
  ignored(request: ChatRequest, model: Model): string[]
  /**
   * Resolves when the first delta has arrived, so that status codes are correct and a retry is still possible.
   * Errors: rejects with GatewayError before the first delta; afterwards a failure is the last delta.
   *
   * Before each request to the service it calls `UpstreamCall.bill`. The reply of an upstream that never does so is
   * counted by its deltas, and its retries are not counted.
   */
  open(call: UpstreamCall): Promise<OpenedReply>
  /** Whether the model can answer this request without reasoning, if it would reason by default. */
  answersWithoutReasoning?(request: ChatRequest, model: Model): boolean
  /** Absent if it makes none. */
  embeddings?: Embedder
  /** For `GET /readyz` and the ready line. Rejects with GatewayError if no request could succeed now. */
  check(signal: AbortSignal): Promise<void>
  /**
   * Asks for something that costs nothing under one credential, by its `CredentialReport.id`, whatever is known of it.
   * Rejects with GatewayError if it would not serve.
   */
  test?(credential: string, signal: AbortSignal): Promise<CredentialTest>
  /** Current numbers for monitoring, under short fixed names: `{ queued: 2, credentials_ready: 1 }`. */
  gauges?(): Record<string, number>
}

/** What a test call was answered with. */
export interface CredentialTest {
  /** How many models the upstream lists for the credential, if it was asked for that. */
  models?: number
}

/** A reply that has begun: the deltas read so far, and the stream of the rest. */
export interface OpenedReply {
  first: Delta[]
  rest: BatchStream<Delta[]>
}

export interface UpstreamCall {
  request: ChatRequest
  model: Model
  signal: AbortSignal
  /** Id of the client's key: waiting calls are served in turn, key by key. */
  caller: string
  /** Nobody waits for the reply: calls that somebody waits for are served first. */
  isBackground?: boolean | undefined
  /** The client gets the reply in one piece, so text that may still change can be held back until it is final. */
  whole: boolean
  /**
   * Settles what the request before has cost, if it has cost anything, and reserves for the next one. Errors: those of
   * `Spending.reserve`.
   */
  bill(): Promise<Bill>
  /** Adds a note to the request's log line: a retry and its cause, a rewritten text. */
  annotate: (note: string) => void
  observer?: CallObserver | undefined
  /** Awaited between slow steps, so that other requests can proceed. */
  yieldIfLong?: YieldIfLong
}

/** One request to the service that somebody pays for. */
export interface Bill {
  /** Replaces that of the request: less of a retry may be paid for. */
  maxTokens: number | undefined
  meter: CallMeter
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
  /** Takes files by URL; otherwise the gateway extracts their text. */
  files?: boolean
  /** Whether the model can reason, and whether it does so by default. */
  reasoning: 'never' | 'on-request' | 'by-default'
  search: boolean
  /** Accepted values for the reasoning effort, lowest first; absent if there is no choice. */
  efforts?: readonly ('minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max')[]
  contextTokens?: number
  maxOutputTokens?: number
  /** Temperature of a request that sets none. */
  defaultTemperature?: number
  /** US dollars per million tokens. */
  price?: { input?: number; cached?: number; output?: number }
  /** It makes embeddings, and no replies. */
  embeds?: true
  /** The lengths that its vectors may have; absent if any is tried. */
  dimensions?: readonly number[]
  /** No credential may use this model, as far as known from refusals. */
  refused?: true
}

/** A model under one of the names that a request may ask for. */
export interface ListedModel extends Model {
  /** The name to display. Usually the id; for a name that is mapped to a model, the name of that model. */
  displayName: string
  /** Who makes it, or else where it runs: `z-ai`. */
  ownedBy: string
}
