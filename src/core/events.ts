import type { GatewayError } from './errors.ts'
import type { McpItem, McpStep } from './mcp.ts'

/** What an upstream decoder emits: no starts, no ends, no indexes. */
export type Delta =
  | { type: TextKind; text: string }
  /** `key` tells calls apart; `id` and `name` come once, `arguments` in pieces of raw JSON text. */
  | { type: 'tool-call'; key: string; id?: string; name?: string; arguments?: string }
  | { type: 'server-tool'; tool: ServerTool }
  | { type: 'usage'; usage: Usage }
  /** The upstream has finished; nothing may follow. */
  | { type: 'finish'; reason: FinishReason; stopSequence?: string }
  | { type: 'error'; error: GatewayError }

/** What a reply is made of: the deltas of an upstream, and what the gateway does with MCP servers between its rounds. */
export type ReplyDelta = Delta | McpStep

/** What an encoder can rely on: `message-start block* (message-end | error)`, with one block open at a time. */
export type StreamEvent =
  | { type: 'message-start'; inputTokens: number }
  | { type: 'text-start' | 'reasoning-start'; index: number }
  | { type: 'text-delta' | 'reasoning-delta'; index: number; text: string }
  | { type: 'text-end' | 'reasoning-end'; index: number; text: string }
  | { type: 'tool-call-start'; index: number; id: string; name: string }
  /** A piece of raw JSON text, passed on without parsing. */
  | { type: 'tool-call-delta'; index: number; text: string }
  | { type: 'tool-call-end'; index: number; id: string; name: string; arguments: string }
  /** A tool that the upstream ran and that the client may see: a whole block in one event. */
  | { type: 'server-tool'; index: number; tool: ServerTool }
  /** The gateway used an MCP server. Both have the index of the block; the item of the second one is complete. */
  | (McpStep & { index: number })
  | { type: 'message-end'; reason: FinishReason; stopSequence?: string; usage: Usage }
  /** `usage` is what the upstream had reported before the error. */
  | { type: 'error'; error: GatewayError; usage?: Usage }

export type TextKind = 'text' | 'reasoning'

/** `length`: the limit that the client set. `context-window`: the limit of the model. */
export type FinishReason = 'stop' | 'stop-sequence' | 'length' | 'context-window' | 'tool-calls' | 'content-filter'

/**
 * Totals are inclusive: inputTokens includes cached, outputTokens includes reasoning. Encoders subtract where needed.
 */
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
  /** What the tool is to a client. The upstream sets it, since only the upstream knows its tools. */
  kind: 'web-search' | 'other'
  /** What was searched for, if the upstream says so. */
  query?: string
  sources: WebSource[]
}

/** One page the upstream read. `refId` is the upstream's own mark for it in the text. */
export interface WebSource {
  refId: string
  title: string
  url: string
}

/** A whole reply: the collected stream. */
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
  | { type: 'mcp'; item: McpItem }

/** Whether a delta ends the reply: everything after it is dropped. */
export function isFinal({ type }: Delta): boolean {
  return type === 'finish' || type === 'error'
}

/** Whether the reply was cut by a limit: it may end anywhere, even inside a call. */
export function isCut(reason: FinishReason): boolean {
  return reason === 'length' || reason === 'context-window'
}
