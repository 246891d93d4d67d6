import type { GatewayError } from './errors.ts'

/**
 * Is notified of each step in routing and sending one request: about twenty calls, and none for an event of the reply. An
 * observer never throws.
 */
export interface CallObserver {
  /** Why the request goes where it goes: from `claude-opus-4-8` to `glm-5.3` by `PRIMARY_MODEL`. */
  routed(from: string, to: string, by: string): void
  /** The tokens of the prompt are being counted. */
  counts(): void
  counted(inputTokens: number): void
  /** The upstream that gets the attempts from now on. */
  asks(upstream: string): void
  /** The request stands in a line for a credential until its next attempt. `place` tells where, whenever it is called. */
  waits(place: () => QueuePlace): void
  /** The request waits for a while before its next attempt. */
  backsOff(): void
  /** The gateway itself does something for the reply, such as a call of a tool. Returns what ends it, with its outcome. */
  runs(label: string): (outcome: string) => void
  /** The request goes out under a credential, which is named by its fingerprint, or else by its name for people. */
  attempts(credential: string | undefined): AttemptObserver
}

export interface QueuePlace {
  /** Position in the queue; 1 is served next. */
  n: number
  /** Length of the queue. */
  of: number
}

/** Is notified of one attempt at an upstream. */
export interface AttemptObserver {
  answered(status: number, connection?: ConnectionFacts): void
  /** The first token has arrived. */
  begun(): void
  failed(error: GatewayError): void
  /** The last byte has arrived, or nobody reads on. */
  ended(): void
  /** Takes what goes over the wire; absent unless bodies are kept. */
  exchange?: ExchangeObserver | undefined
}

/** Takes one request to an upstream and its response, byte for byte. */
export interface ExchangeObserver {
  sent(request: MessageHead & { body: string | Uint8Array | undefined }): void
  answered(head: MessageHead): void
  /** Bytes from `start` to `end`. They are copied: the buffer may serve something else afterwards. */
  received(range: { bytes: Buffer; start: number; end: number }): void
}

/** The first lines of a request or of a response. */
export interface MessageHead {
  method?: string
  url?: string
  status?: number
  headers: readonly (readonly [string, string])[]
}

export interface ConnectionFacts {
  /** It was open before. */
  reused: boolean
  /** How long it took to open. */
  connectMs?: number
}
