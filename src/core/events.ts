import type { GatewayError } from './errors.ts'

/** What an upstream decoder may say. Loose: no starts, no ends, no indexes. */
export type Delta =
  | { type: TextKind; text: string }
  /** `key` is the upstream's own slot; `id` and `name` come once, `arguments` in pieces of raw JSON text. */
  | { type: 'tool-call'; key: string; id?: string; name?: string; arguments?: string }
  | { type: 'server-tool'; tool: ServerTool }
  | { type: 'usage'; usage: Usage }
  /** The upstream says it is done; nothing may follow. */
  | { type: 'finish'; reason: FinishReason; stopSequence?: string }
  | { type: 'error'; error: GatewayError }

/** What a dialect encoder may rely on: `message-start block* (message-end | error)`, one block open at a time. */
export type StreamEvent =
  | { type: 'message-start'; inputTokens: number }
  | { type: 'text-start' | 'reasoning-start'; index: number }
  | { type: 'text-delta' | 'reasoning-delta'; index: number; text: string }
  | { type: 'text-end' | 'reasoning-end'; index: number; text: string }
  | { type: 'tool-call-start'; index: number; id: string; name: string }
  /** A piece of raw JSON text, never parsed on the way. */
  | { type: 'tool-call-delta'; index: number; text: string }
  | { type: 'tool-call-end'; index: number; id: string; name: string; arguments: string }
  /** What the upstream ran and the client shall see: a block that is whole at once. */
  | { type: 'server-tool'; index: number; tool: ServerTool }
  | { type: 'message-end'; reason: FinishReason; stopSequence?: string; usage: Usage }
  | { type: 'error'; error: GatewayError }

export type TextKind = 'text' | 'reasoning'

/** `length` is the end of what the client allowed, `context-window` of what the model can hold. */
export type FinishReason = 'stop' | 'stop-sequence' | 'length' | 'context-window' | 'tool-calls' | 'content-filter'

/** Totals are inclusive: inputTokens counts cached ones, outputTokens counts reasoning. Encoders subtract where a dialect excludes. */
export interface Usage {
  inputTokens: number
  outputTokens: number
  cachedInputTokens?: number
  reasoningTokens?: number
}

/** A tool the upstream ran by itself (web search, page open); never handed to the client as a call. */
export interface ServerTool {
  id: string
  name: string
  /** Raw JSON text. */
  arguments: string
  /** What it is to a client: only the upstream knows what its tools do. */
  kind: 'web-search' | 'other'
  /** What was searched for, where the upstream tells. */
  query?: string
  sources: WebSource[]
}

/** One page the upstream read; `refId` is the upstream's own mark in the text. */
export interface WebSource {
  refId: string
  title: string
  url: string
}

/** A whole reply: the same stream, collected. */
export interface Reply {
  blocks: ReplyBlock[]
  reason: FinishReason
  stopSequence?: string
  usage: Usage
}

export type ReplyBlock =
  | { type: 'text' | 'reasoning'; text: string }
  | { type: 'tool-call'; id: string; name: string; arguments: string }
  | { type: 'server-tool'; tool: ServerTool }

/** Nothing of a reply counts behind it. */
export function isFinal({ type }: Delta): boolean {
  return type === 'finish' || type === 'error'
}

/** The reply ran out of room: it may end anywhere, inside a call as well. */
export function isCut(reason: FinishReason): boolean {
  return reason === 'length' || reason === 'context-window'
}
