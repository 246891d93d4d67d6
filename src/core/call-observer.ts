import type { GatewayError } from './errors.ts'

/**
 * Hears how one request finds its answer: about twenty calls a request, and none for an event of a reply. An observer
 * never throws.
 */
export interface CallObserver {
  /** Why the request goes where it goes: from `claude-opus-4-8` to `glm-5.3` by `PRIMARY_MODEL`. */
  routed(from: string, to: string, by: string): void
  /** The tokens of the prompt are being counted. */
  counts(): void
  counted(inputTokens: number): void
  /** Who gets the attempts from now on. */
  asks(upstream: string): void
  /** The request stands in a line for a credential until its next attempt. `place` tells where, whenever it is called. */
  waits(place: () => QueuePlace): void
  /** The request waits for a while before its next attempt. */
  backsOff(): void
  /** The request goes out under a credential, which is named by its fingerprint, or else by its name for people. */
  attempts(credential: string | undefined): AttemptObserver
}

export interface QueuePlace {
  /** 1 for the next. */
  n: number
  of: number
}

/** Hears of one attempt at an upstream. */
export interface AttemptObserver {
  answered(status: number, connection?: ConnectionFacts): void
  /** The first token has arrived. */
  begun(): void
  failed(error: GatewayError): void
  /** The last byte has arrived, or nobody reads on. */
  ended(): void
}

export interface ConnectionFacts {
  /** It was open before. */
  reused: boolean
  /** How long it took to open. */
  connectMs?: number
}
