import type { ApprovedCall, McpServer } from '../../core/mcp.ts'
import type { UserPart } from '../../core/request.ts'
import { textPart } from '../openai/content.ts'
import { type Fields, textOr } from '../openai/json-fields.ts'
import { type Approvals, approvalsOf } from './mcp-approvals.ts'
import { createMessageBuilder, type MessageBuilder } from './message-builder.ts'
import type { ItemBody } from './schema.ts'
import { type LoweredTool, loweredNames } from './tools.ts'

/** An item, and its path in the body. */
export interface ItemEntry {
  item: ItemBody
  /** `input.3` */
  path: string
}

/** What is known of a conversation while its items are decoded one after the other. */
export interface ConversationState {
  /** The messages so far. */
  readonly builder: MessageBuilder
  /** The path and type of everything that was left out. */
  readonly ignored: string[]
  /** The names of all functions and custom tools that were called so far. */
  readonly calledNames: Set<string>
  /** The name under which a tool is offered to the model. */
  readonly loweredName: ReturnType<typeof loweredNames>
  /** The call in an item, by the item's id: OpenAI's local_shell_call_output has that id, not the id of the call. */
  readonly callOfItem: Map<string, string>
  /** The index of the first item after the last one of the assistant. */
  readonly justSent: number
  readonly approvals: Approvals
  /** Calls of MCP tools that run before the model is asked. */
  readonly approved: ApprovedCall[]
}

export function conversationState(
  items: readonly ItemEntry[],
  lowered: readonly LoweredTool[],
  mcpServers: readonly McpServer[],
): ConversationState {
  const justSent = items.findLastIndex(({ item }) => isByAssistant(item)) + 1
  return {
    builder: createMessageBuilder(),
    ignored: [],
    calledNames: new Set(),
    loweredName: loweredNames(lowered),
    callOfItem: new Map(),
    justSent,
    approvals: approvalsOf(items, justSent, (server) => mcpServers.some(({ label }) => label === server)),
    approved: [],
  }
}

export function isByAssistant({ role, type }: Fields): boolean {
  if (typeof type !== 'string' || type === 'message') return role === 'assistant'
  return /(?:_call|_request)$|^(?:reasoning|program)$/.test(type)
}

export function leaveOut(item: Fields, path: string, { ignored }: ConversationState): void {
  ignored.push(`${path} (${textOr(item.type, 'no type')})`)
}

export interface CallResult {
  callId: string
  parts: UserPart[]
  /** Of the tool; empty where the item does not name it. */
  name: string
  isError?: boolean | undefined
}

/** A result without an id belongs to a call that waits for a result, unless it names another tool. */
export function addResult(
  { builder, calledNames }: ConversationState,
  { callId, parts, name, isError = false }: CallResult,
): void {
  const isOrphan = callId === '' && name !== '' && !calledNames.has(name)
  if (isOrphan) builder.user([...textPart(`[Result of an earlier call of ${name}]`), ...parts])
  else builder.result(callId, parts, isError)
}
