import { type ApprovedCall, type McpServer, mcpToolName } from '../../core/mcp.ts'
import { type Message, textOf, type UserPart } from '../../core/request.ts'
import { partsOf, textPart } from '../openai/content.ts'
import { type Fields, fieldsOf, jsonText, listOf, textOr } from '../openai/json-fields.ts'
import { asMarkup } from '../openai/markup.ts'
import { named, speakerOf } from '../openai/speaker.ts'
import { callIn, resultIn } from './call-items.ts'
import { summarised } from './compaction.ts'
import { reasoningOf } from './items.ts'
import { approvalsOf } from './mcp-approvals.ts'
import { createMessageBuilder } from './message-builder.ts'
import type { ItemBody } from './schema.ts'
import { type LoweredTool, loweredNames, type ToolOrigin } from './tools.ts'

/** An item, and its path in the body. */
export interface ItemEntry {
  item: ItemBody
  /** `input.3` */
  path: string
}

export interface DecodedConversation {
  messages: Message[]
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
  lowered: LoweredTool[],
  mcpServers: readonly McpServer[] = [],
): DecodedConversation {
  const builder = createMessageBuilder()
  const ignored: string[] = []
  const calledNames = new Set<string>()
  const loweredName = loweredNames(lowered)
  // OpenAI's local_shell_call_output has the id of the item of the call, not the id of the call.
  const callOfItem = new Map<string, string>()
  const justSent = items.findLastIndex(({ item }) => isByAssistant(item)) + 1
  const approvals = approvalsOf(items, justSent, (server) => mcpServers.some(({ label }) => label === server))
  const approved: ApprovedCall[] = []

  for (const [index, { item, path }] of items.entries())
    if (!decodeToolItem(item, path)) decodeItem(item, path, index >= justSent)
  builder.showAside()
  return { messages: builder.messages, ignored, approved }

  /** Returns whether the item is a call of one of the client's tools, or its result. */
  function decodeToolItem(item: Fields, path: string): boolean {
    const call = callIn(item)
    if (call !== undefined) {
      if (item.type === 'local_shell_call') callOfItem.set(textOr(item.id), call.id)
      builder.call(call.id, nameOf(call.tool, item), call.arguments)
      return true
    }
    const result = resultIn(item, { path, ignored, loweredName })
    if (result === undefined) return false
    const { id, parts, isError } = result
    answer(item.type === 'local_shell_call_output' ? (callOfItem.get(id) ?? id) : id, parts, item, isError)
    return true
  }

  function decodeItem(item: Fields, path: string, isNew: boolean): void {
    switch (item.type) {
      case undefined:
      case null:
      case 'message':
        addMessage(item, `${path}.content`, isNew)
        // A name in the text of the assistant would be repeated by the model in its replies.
        if (item.role === 'assistant' && speakerOf(item) !== '') ignored.push(`${path}.name`)
        return
      case 'reasoning': {
        const reasoning = reasoningOf(item)
        if (reasoning !== '') builder.assistant({ type: 'reasoning', text: reasoning })
        else if (item.encrypted_content || listOf(item.summary).length > 0) leaveOut(item, path)
        return
      }
      case 'web_search_call': {
        const found = { ...fieldsOf(item.action), results: item.results }
        builder.assistant(...textPart(`<web_search_call>\n${JSON.stringify(found)}\n</web_search_call>`))
        return
      }
      case 'additional_tools': // read with the tools
      case 'mcp_list_tools': // read with the servers
      case 'compaction_trigger': // asks for something, and says nothing
        return
      case 'item_reference':
        leaveOut(item, path)
        // Reasoning may be missing without a note. If text is missing, the model is told.
        if (!textOr(item.id).startsWith('rs_')) builder.missing()
        return
      case 'compaction':
      case 'compaction_summary': {
        const summary = summarised(item)
        if (summary) builder.summary(summary)
        else leaveOut(item, path)
        return
      }
      case 'mcp_call':
        if (!decodeMcpCall(item)) decodeUnknown(item, path)
        return
      case 'mcp_approval_request':
        decodeApproval(item)
        return
      case 'mcp_approval_response':
        if (!approvals.answers(item)) decodeUnknown(item, path)
        return
      case 'configuration_update':
        leaveOut(item, path)
        return
      default:
        decodeUnknown(item, path)
    }
  }

  /** A call without an id cannot be told from others. */
  function decodeMcpCall(item: Fields): boolean {
    const id = textOr(item.id)
    if (id === '' || textOr(item.name) === '') return false
    builder.call(id, mcpToolName(textOr(item.server_label), textOr(item.name)), jsonText(item.arguments) || '{}')
    const isError = isGiven(item.error)
    const words = isError ? mcpErrorWords(item.error) : jsonText(item.output) || 'It has no result.'
    answer(id, textPart(words), item, isError)
    return true
  }

  function decodeApproval(item: Fields): void {
    const outcome = approvals.outcomeOf(item)
    if (outcome === 'made') return
    const id = textOr(item.id)
    builder.call(id, mcpToolName(textOr(item.server_label), textOr(item.name)), jsonText(item.arguments) || '{}')
    if ('call' in outcome) approved.push(outcome.call)
    else answer(id, textPart(outcome.words), {})
  }

  /** Calls and results of tools that run elsewhere, and unknown items. */
  function decodeUnknown(item: Fields, path: string): void {
    const { result, output, ...others } = item
    const images = item.type === 'image_generation_call' ? generatedImage(item) : shown(output, `${path}.output`)
    builder.setAside(images)
    const markup = asMarkup(images.length === 0 ? item : others)
    if (markup === '' && images.length === 0) leaveOut(item, path)
    else if (isByAssistant(item)) builder.assistant(...textPart(markup))
    else if (markup !== '') builder.user(textPart(markup))
  }

  function addMessage(message: Fields, path: string, isNew: boolean): void {
    const { role, content } = message
    const read = partsOf(content, path, { ignored, rejects: isNew && role === 'user' })
    // Only Chat Completions have a name for the speaker.
    const parts = role === 'assistant' ? read : named(message, read)
    const words = parts.filter((part) => part.type === 'text')
    switch (role) {
      case 'system':
      case 'developer':
        if (words.length > 0) builder.system(textOf(words))
        builder.setAside(parts.filter((part) => part.type !== 'text'))
        return
      case 'assistant':
        builder.assistant(...words)
        builder.setAside(parts.filter((part) => part.type !== 'text'))
        return
      default:
        builder.showAside()
        builder.user(parts)
    }
  }

  /** A result without an id belongs to a call that waits for a result, unless it names another tool. */
  function answer(callId: string, parts: UserPart[], item: Fields, isError = false): void {
    const name = textOr(item.name)
    const isOrphan = callId === '' && name !== '' && !calledNames.has(name)
    if (isOrphan) builder.user([...textPart(`[Result of an earlier call of ${name}]`), ...parts])
    else builder.result(callId, parts, isError)
  }

  function shown(output: unknown, path: string): UserPart[] {
    const { type } = fieldsOf(output)
    return type === 'computer_screenshot' ? partsOf(output, path, { ignored, rejects: false }) : []
  }

  function leaveOut(item: Fields, path: string): void {
    ignored.push(`${path} (${textOr(item.type, 'no type')})`)
  }

  /** The name under which a tool is offered. Only functions and custom tools have a name of their own. */
  function nameOf(type: ToolOrigin['type'], item: Fields): string {
    const { name, namespace } = type === 'function' || type === 'custom' ? item : {}
    calledNames.add(textOr(name))
    const called = type === 'function' || type === 'custom' ? textOr(name) : undefined
    return loweredName({ type, name: called, namespace: textOr(namespace) })
  }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** The words of an error in any of its forms. */
function mcpErrorWords(error: unknown): string {
  const { message, content } = fieldsOf(error)
  const words = listOf(content).map((part) => textOr(fieldsOf(part).text))
  return textOr(message) || words.join('\n') || jsonText(error)
}

/** The image that a hosted tool has made. */
function generatedImage({ result, output_format }: Fields): UserPart[] {
  const data = textOr(result)
  const mediaType = `image/${textOr(output_format, 'png')}`
  return data === '' ? [] : [{ type: 'image', source: { type: 'base64', mediaType, data } }]
}

function isByAssistant({ role, type }: Fields): boolean {
  if (typeof type !== 'string' || type === 'message') return role === 'assistant'
  return /(?:_call|_request)$|^(?:reasoning|program)$/.test(type)
}
