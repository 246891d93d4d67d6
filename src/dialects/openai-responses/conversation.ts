import { type ApprovedCall, type McpServer, mcpToolName } from '../../core/mcp.ts'
import { type AssistantPart, type Message, textOf, type UserPart } from '../../core/request.ts'
import { outputParts, partsOf, textPart } from '../openai/content.ts'
import { type Fields, fieldsOf, jsonText, listOf, textOr } from '../openai/json-fields.ts'
import { asMarkup } from '../openai/markup.ts'
import { named, speakerOf } from '../openai/speaker.ts'
import { summarised } from './compaction.ts'
import { reasoningOf } from './items.ts'
import { approvalsOf } from './mcp-approvals.ts'
import { type ItemBody, isClientTool, isTool } from './schema.ts'
import { type LoweredTool, loweredNames, lowerTools, type ToolOrigin } from './tools.ts'

/** An item, and its path in the body. */
export interface PlacedItem {
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
export function decodeItems(
  items: readonly PlacedItem[],
  lowered: LoweredTool[],
  mcpServers: readonly McpServer[] = [],
): DecodedConversation {
  const messages: Message[] = []
  const ignored: string[] = []
  const calledNames = new Set<string>()
  const loweredName = loweredNames(lowered)
  // OpenAI's local_shell_call_output has the id of the item of the call, not the id of the call.
  const callOfItem = new Map<string, string>()
  const justSent = items.findLastIndex(({ item }) => isByAssistant(item)) + 1
  const approvals = approvalsOf(items, justSent, (server) => mcpServers.some(({ label }) => label === server))
  const approved: ApprovedCall[] = []
  // Images and files of a system or assistant message. Only user messages can hold them, so they get a turn of their
  // own.
  let aside: UserPart[] = []

  for (const [index, { item, path }] of items.entries()) decodeItem(item, path, index >= justSent)
  showAside()
  return { messages, ignored, approved }

  function decodeItem(item: Fields, path: string, isNew: boolean): void {
    const callId = textOr(item.call_id)
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
        if (reasoning !== '') addAssistantParts({ type: 'reasoning', text: reasoning })
        else if (item.encrypted_content || listOf(item.summary).length > 0) leaveOut(item, path)
        return
      }
      case 'function_call':
        call(callId, nameOf('function', item), jsonText(item.arguments) || '{}')
        return
      case 'custom_tool_call':
        call(callId, nameOf('custom', item), JSON.stringify({ input: jsonText(item.input) }))
        return
      case 'local_shell_call': {
        const { command, env, timeout_ms, working_directory } = fieldsOf(item.action)
        const itemId = textOr(item.id)
        callOfItem.set(itemId, callId || itemId)
        const args = {
          command,
          workdir: working_directory ?? undefined,
          timeout_ms: timeout_ms ?? undefined,
          env: Object.keys(fieldsOf(env)).length > 0 ? env : undefined,
        }
        call(callId || itemId, nameOf('local_shell'), JSON.stringify(args))
        return
      }
      case 'shell_call': {
        const { commands, timeout_ms, max_output_length } = fieldsOf(item.action)
        const args = {
          commands,
          timeout_ms: timeout_ms ?? undefined,
          max_output_length: max_output_length ?? undefined,
        }
        call(callId, nameOf('shell'), JSON.stringify(args))
        return
      }
      case 'apply_patch_call': {
        const { type, path, diff } = fieldsOf(item.operation)
        call(callId, nameOf('apply_patch'), JSON.stringify({ type, path, diff: diff ?? undefined }))
        return
      }
      case 'tool_search_call':
        call(callId || textOr(item.id), nameOf('tool_search'), jsonText(item.arguments) || '{}')
        return
      case 'function_call_output':
      case 'custom_tool_call_output':
        answer(callId, outputOf(item, path), item)
        return
      case 'local_shell_call_output': {
        const id = callId || textOr(item.id)
        answer(callOfItem.get(id) ?? id, outputOf(item, path), item)
        return
      }
      case 'shell_call_output':
        answer(callId, Array.isArray(item.output) ? textPart(shellOutput(item.output)) : outputOf(item, path), item)
        return
      case 'apply_patch_call_output': {
        const failed = item.status === 'failed'
        const output = jsonText(item.output) || (failed ? 'The patch could not be applied.' : 'Done.')
        answer(callId, textPart(output), item, failed)
        return
      }
      case 'tool_search_output': {
        const found = lowerTools(listOf(item.tools).filter(isTool).filter(isClientTool)).map(({ origin }) =>
          loweredName(origin),
        )
        answer(callId || textOr(item.id), textPart(`Tools available now: ${found.join(', ') || 'none'}.`), item)
        return
      }
      case 'web_search_call': {
        const found = { ...fieldsOf(item.action), results: item.results }
        addAssistantParts(...textPart(`<web_search_call>\n${JSON.stringify(found)}\n</web_search_call>`))
        return
      }
      case 'additional_tools':
        return // its tools are read with the others
      case 'item_reference':
        leaveOut(item, path)
        // Reasoning may be missing without a note. If text is missing, the model is told.
        if (!textOr(item.id).startsWith('rs_')) missing()
        return
      case 'compaction':
      case 'compaction_summary': {
        const summary = summarised(item)
        if (summary) messages.push(summary)
        else leaveOut(item, path)
        return
      }
      case 'compaction_trigger':
        return // asks for something, and says nothing
      case 'mcp_list_tools':
        return // read with the servers
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
    call(id, mcpToolName(textOr(item.server_label), textOr(item.name)), jsonText(item.arguments) || '{}')
    const isError = isGiven(item.error)
    const words = isError ? mcpErrorWords(item.error) : jsonText(item.output) || 'It has no result.'
    answer(id, textPart(words), item, isError)
    return true
  }

  function decodeApproval(item: Fields): void {
    const outcome = approvals.outcomeOf(item)
    if (outcome === 'made') return
    const id = textOr(item.id)
    call(id, mcpToolName(textOr(item.server_label), textOr(item.name)), jsonText(item.arguments) || '{}')
    if ('call' in outcome) approved.push(outcome.call)
    else answer(id, textPart(outcome.words), {})
  }

  /** Calls and results of tools that run elsewhere, and unknown items. */
  function decodeUnknown(item: Fields, path: string): void {
    const { result, output, ...others } = item
    const images = item.type === 'image_generation_call' ? generatedImage(item) : shown(output, `${path}.output`)
    aside.push(...images)
    const markup = asMarkup(images.length === 0 ? item : others)
    if (markup === '' && images.length === 0) leaveOut(item, path)
    else if (isByAssistant(item)) addAssistantParts(...textPart(markup))
    else if (markup !== '') messages.push({ role: 'user', parts: textPart(markup) })
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
        if (words.length > 0) messages.push({ role: 'system', text: textOf(words) })
        aside.push(...parts.filter((part) => part.type !== 'text'))
        return
      case 'assistant':
        addAssistantParts(...words)
        aside.push(...parts.filter((part) => part.type !== 'text'))
        return
      default:
        showAside()
        messages.push({ role: 'user', parts })
    }
  }

  /** They follow the turn that they came with, so that it is not split. */
  function showAside(): void {
    if (aside.length > 0)
      messages.push({ role: 'user', parts: [...textPart('[Shown with the messages before:]'), ...aside] })
    aside = []
  }

  /** One turn of the assistant is several items. */
  function addAssistantParts(...parts: AssistantPart[]): void {
    const last = messages.at(-1)
    if (last?.role === 'assistant') last.parts.push(...parts)
    else if (parts.length > 0) messages.push({ role: 'assistant', parts })
  }

  function call(id: string, name: string, args: string): void {
    addAssistantParts({ type: 'tool-call', id, name, arguments: args })
  }

  /** A result without an id belongs to a call that waits for a result, unless it names another tool. */
  function answer(callId: string, parts: UserPart[], item: Fields, isError = false): void {
    const name = textOr(item.name)
    const isOrphan = callId === '' && name !== '' && !calledNames.has(name)
    if (isOrphan)
      messages.push({ role: 'user', parts: [...textPart(`[Result of an earlier call of ${name}]`), ...parts] })
    else messages.push({ role: 'tool', callId, parts, isError })
  }

  function outputOf({ output }: Fields, path: string): UserPart[] {
    return outputParts(output, `${path}.output`, { ignored, rejects: false })
  }

  function shown(output: unknown, path: string): UserPart[] {
    const { type } = fieldsOf(output)
    return type === 'computer_screenshot' ? partsOf(output, path, { ignored, rejects: false }) : []
  }

  function leaveOut(item: Fields, path: string): void {
    ignored.push(`${path} (${textOr(item.type, 'no type')})`)
  }

  function missing(): void {
    const note = '[Something that was said here is not stored on this server.]'
    const last = messages.at(-1)
    if (last?.role !== 'user' || textOf(last.parts) !== note) messages.push({ role: 'user', parts: textPart(note) })
  }

  function nameOf(type: ToolOrigin['type'], { name, namespace }: Fields = {}): string {
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

/** The output of each command and how it ended. */
function shellOutput(output: readonly unknown[]): string {
  return output
    .map(fieldsOf)
    .flatMap(({ stdout, stderr, outcome }) => [textOr(stdout), textOr(stderr), ending(fieldsOf(outcome))])
    .filter((part) => part !== '')
    .join('\n')
}

function ending({ type, exit_code }: Fields): string {
  return type === 'timeout' ? '[timed out]' : `[exit code ${exit_code ?? 'unknown'}]`
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
