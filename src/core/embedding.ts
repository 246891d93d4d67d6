import type { CallMeter } from './call-meter.ts'
import type { CallObserver } from './call-observer.ts'
import type { Model } from './upstream.ts'

/** A request for vectors, independent of dialect and upstream. */
export interface EmbeddingRequest {
  /** The name as the client wrote it. */
  model: string
  /** Each a text, or the tokens of one in the vocabulary `cl100k_base`, which LangChain sends. */
  inputs: readonly (string | readonly number[])[]
  /** Length of the vectors; undefined for that of the model. */
  dimensions: number | undefined
  /** Names of requested things that cannot be honoured. */
  ignored: string[]
}

export interface EmbeddingReply {
  /** One for each input, in their order. */
  vectors: readonly (readonly number[])[]
  inputTokens: number
}

/** One request to an upstream, with as many texts as it takes at once. */
export interface EmbeddingCall {
  texts: readonly string[]
  dimensions: number | undefined
  model: Model
  signal: AbortSignal
  /** Id of the client's key: waiting calls are served in turn, key by key. */
  caller: string
  /** The meter of the next request to the service; it pays for that one alone. Errors: those of `Spending.reserve`. */
  bill: () => Promise<CallMeter>
  annotate: (note: string) => void
  observer?: CallObserver | undefined
}

/** The part of an upstream that makes embeddings. */
export interface Embedder {
  /** The models that can be requested now. Never rejects. */
  models(): Promise<Model[]>
  /** The model for a name that is in no list: see `Upstream.unlisted`. */
  unlisted(name: string, named: boolean): Model | undefined
  /** Texts in one call. */
  mostTexts: number
  /** Errors: GatewayError. */
  embed(call: EmbeddingCall): Promise<EmbeddingReply>
}

/** The longest vectors that may be asked for: eight times as long as those of any model that is known. */
export const mostDimensions = 32_768
