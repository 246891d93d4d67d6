import type { StreamEvent, TextKind } from './events.ts'
import type { Transform } from './transform.ts'

/** Encodes events as text of the dialect. */
export interface Encoder extends Transform<StreamEvent, string> {
  /** A writer for further text of the open block, if all such text is currently written the same way. */
  textWriter?(): TextWriter | undefined
  /** An event without content, for clients that need an event to know that the stream is alive. */
  keepAlive?: string
}

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

/** What an encoder knows of a reply besides its events. */
export interface ReplyHead {
  id: string
  /** Identifies the request in the log and in a response header. */
  requestId?: string
  /** The name as the client wrote it. */
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
  /** How long the request has taken so far; absent in examples. */
  timing?: () => ReplyTiming
}

/** Milliseconds, with fractions. */
export interface ReplyTiming {
  totalMs: number
  /** From the request to the beginning of the reply. */
  firstTokenMs: number
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

/** What is sent while the upstream is silent: the dialect's `keepAlive`, or the encoder's event if it has one. */
export const keepAliveStyles = ['comment', 'chunk'] as const
export type KeepAliveStyle = (typeof keepAliveStyles)[number]

/**
 * Fields in which clients of Chat Completions look for reasoning. OpenAI has none; these are DeepSeek's and
 * OpenRouter's.
 */
export const reasoningFields = ['reasoning_content', 'reasoning', 'both'] as const
export type ReasoningField = (typeof reasoningFields)[number]
