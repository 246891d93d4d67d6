import type { ApprovedCall, McpServer } from '../../core/mcp.ts'
import { type Message, textOf } from '../../core/request.ts'
import { partsOf, textPart } from '../openai/content.ts'
import { type Fields, fieldsOf, listOf, textOr } from '../openai/json-fields.ts'
import { named, speakerOf } from '../openai/speaker.ts'
import { type CallItem, callIn, resultIn } from './call-items.ts'
import { summarised } from './compaction.ts'
import { addResult, type ConversationState, conversationState, type ItemEntry, leaveOut } from './conversation-state.ts'
import { decodeApprovalRequest, decodeApprovalResponse, decodeMcpCall, decodeUnknown } from './hosted-items.ts'
import { reasoningOf } from './items.ts'
import type { LoweredTool } from './tools.ts'

export interface DecodedConversation {
  messages: readonly Message[]
  /** The path and type of everything that was left out. */
  ignored: string[]
  /** Calls of MCP tools that run before the model is asked: they have no result in `messages`. */
  approved: ApprovedCall[]
}

/**
 * The items of a conversation as messages. No history makes a request impossible: ids and names may be missing (the
 * gateway gives new ones), results may have no call, and fields may have any type. Items of tools that run elsewhere,
 * and unknown items, become text.
 *
 * Errors: `invalid-request` for a file in the user's newest message that cannot be read.
 */
export function decodeConversation(
  items: readonly ItemEntry[],
  lowered: readonly LoweredTool[],
  mcpServers: readonly McpServer[] = [],
): DecodedConversation {
  const state = conversationState(items, lowered, mcpServers)
  for (const [index, { item, path }] of items.entries())
    if (!decodeToolItem(item, path, state)) {
      const decode = itemTypes.get(item.type) ?? decodeUnknown
      decode(item, path, state, index >= state.justSent)
    }
  state.builder.showAside()
  return { messages: state.builder.messages, ignored: state.ignored, approved: state.approved }
}

/** Returns whether the item is a call of one of the client's tools, or its result. */
function decodeToolItem(item: Fields, path: string, state: ConversationState): boolean {
  const { builder, ignored, loweredName, callOfItem } = state
  const call = callIn(item)
  if (call !== undefined) {
    if (item.type === 'local_shell_call') callOfItem.set(textOr(item.id), call.id)
    builder.call(call.id, calledName(call, item, state), call.arguments)
    return true
  }
  const result = resultIn(item, { path, ignored, loweredName })
  if (result === undefined) return false
  const { id, parts, isError } = result
  const callId = item.type === 'local_shell_call_output' ? (callOfItem.get(id) ?? id) : id
  addResult(state, { callId, parts, name: textOr(item.name), isError })
  return true
}

/** The name under which a tool is offered. Only functions and custom tools have a name of their own. */
function calledName({ tool: type }: CallItem, item: Fields, { calledNames, loweredName }: ConversationState): string {
  const { name, namespace } = type === 'function' || type === 'custom' ? item : {}
  calledNames.add(textOr(name))
  const called = type === 'function' || type === 'custom' ? textOr(name) : undefined
  return loweredName({ type, name: called, namespace: textOr(namespace) })
}

/** `isNew`: it comes after the last item of the assistant. */
type DecodeItem = (item: Fields, path: string, state: ConversationState, isNew: boolean) => void

function saysNothing(): void {}

const itemTypes = new Map<unknown, DecodeItem>([
  [undefined, decodeMessage],
  [null, decodeMessage],
  ['message', decodeMessage],
  ['reasoning', decodeReasoning],
  ['web_search_call', decodeSearch],
  ['additional_tools', saysNothing], // read with the tools
  ['mcp_list_tools', saysNothing], // read with the servers
  ['compaction_trigger', saysNothing], // asks for something
  ['item_reference', decodeReference],
  ['compaction', decodeSummary],
  ['compaction_summary', decodeSummary],
  ['mcp_call', decodeMcpCall],
  ['mcp_approval_request', decodeApprovalRequest],
  ['mcp_approval_response', decodeApprovalResponse],
  ['configuration_update', leaveOut],
])

function decodeMessage(message: Fields, path: string, state: ConversationState, isNew: boolean): void {
  const { builder, ignored } = state
  const { role, content } = message
  const read = partsOf(content, `${path}.content`, { ignored, rejects: isNew && role === 'user' })
  // Only Chat Completions have a name for the speaker.
  const parts = role === 'assistant' ? read : named(message, read)
  const words = parts.filter((part) => part.type === 'text')
  const others = parts.filter((part) => part.type !== 'text')
  switch (role) {
    case 'system':
    case 'developer':
      if (words.length > 0) builder.system(textOf(words))
      builder.setAside(others)
      return
    case 'assistant':
      builder.assistant(...words)
      builder.setAside(others)
      // A name in the text of the assistant would be repeated by the model in its replies.
      if (speakerOf(message) !== '') ignored.push(`${path}.name`)
      return
    default:
      builder.showAside()
      builder.user(parts)
  }
}

function decodeReasoning(item: Fields, path: string, state: ConversationState): void {
  const reasoning = reasoningOf(item)
  if (reasoning !== '') state.builder.assistant({ type: 'reasoning', text: reasoning })
  else if (item.encrypted_content || listOf(item.summary).length > 0) leaveOut(item, path, state)
}

function decodeSearch({ action, results }: Fields, _path: string, { builder }: ConversationState): void {
  const found = { ...fieldsOf(action), results }
  builder.assistant(...textPart(`<web_search_call>\n${JSON.stringify(found)}\n</web_search_call>`))
}

/** Reasoning may be missing without a note. If text is missing, the model is told. */
function decodeReference(item: Fields, path: string, state: ConversationState): void {
  leaveOut(item, path, state)
  if (!textOr(item.id).startsWith('rs_')) state.builder.missing()
}

function decodeSummary(item: Fields, path: string, state: ConversationState): void {
  const summary = summarised(item)
  if (summary) state.builder.summary(summary)
  else leaveOut(item, path, state)
}
