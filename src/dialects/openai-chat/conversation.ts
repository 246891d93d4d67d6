import { type AssistantPart, type Message, textOf, type UserPart } from '../../core/request.ts'
import { isBillingHeader } from '../openai/billing-header.ts'
import { outputParts, partOf, partsOf, textPart } from '../openai/content.ts'
import type { ConversationEntry } from '../openai/conversation-entries.ts'
import { type Fields, fieldsOf, isFields, listOf, textOr } from '../openai/json-fields.ts'
import { asMarkup } from '../openai/markup.ts'
import { named, speakerOf, spokenBy } from '../openai/speaker.ts'
import { type CustomName, toolCall } from '../openai/tool-call.ts'
import { blockOf, callKey, reasoningPart, type ToolResult } from './content-blocks.ts'
import { createMessageBuilder } from './message-builder.ts'

export interface Conversation {
  messages: Message[]
  /** The path and type of everything that was left out. */
  ignored: string[]
}

/**
 * Reads messages of Chat Completions, items of Responses and blocks of Messages, also mixed. No history makes a request
 * impossible: ids and names may be missing or empty, results may have no call, and parts may be of any type. The
 * gateway gives ids and names to calls without them.
 *
 * Errors: `invalid-request` for a file in the user's last message that cannot be read.
 */
export function decodeConversation(
  entries: readonly ConversationEntry[],
  path: string,
  customName: CustomName,
): Conversation {
  const builder = createMessageBuilder()
  const ignored: string[] = []
  const justSent = (entries.findLast(({ fields }) => isByAssistant(fields))?.index ?? -1) + 1
  // Legacy functions have no ids: a result belongs to the call before it.
  let functionCallId = ''

  for (const { fields, index } of entries) {
    const at = `${path}.${index}`
    if (typeof fields.role === 'string') readMessage(fields, at, index)
    else readItem(fields, at, index)
  }
  builder.end()
  return { messages: builder.messages, ignored }

  function readMessage(message: Fields, at: string, index: number): void {
    const content = `${at}.content`
    switch (message.role) {
      case 'system':
      case 'developer':
        system(message, content)
        break
      case 'assistant':
        functionCallId = `call_${index}`
        assistant(message, at)
        break
      case 'tool':
        builder.result(textOr(message.tool_call_id), outputParts(message.content, content, old()))
        break
      case 'function':
        builder.result(functionCallId, outputParts(message.content, content, old()))
        break
      default:
        user(message, content, index)
    }
  }

  /** An item of Responses other than a message. */
  function readItem(item: Fields, at: string, index: number): void {
    const type = textOr(item.type)
    switch (type) {
      case 'message':
        user(item, `${at}.content`, index)
        break
      case 'function_call':
      case 'custom_tool_call':
        builder.continueAssistant([toolCall(item, customName)])
        break
      case 'reasoning': {
        const texts = [...listOf(item.content), ...listOf(item.summary)].map((part) => textOr(fieldsOf(part).text))
        builder.continueAssistant(reasoningPart(texts.filter((text) => text !== '').join('\n\n')))
        break
      }
      case 'additional_tools':
        break // its tools are read with the others
      default:
        otherItem(item, type, at)
    }
  }

  /** Calls and results of tools that run elsewhere, and unknown items. */
  function otherItem(item: Fields, type: string, at: string): void {
    if (type.endsWith('_output')) {
      builder.result(textOr(item.call_id), outputParts(item.output ?? item.tools, `${at}.output`, old()))
      return
    }
    const described = asMarkup(item)
    if (described === '') ignored.push(`${at} (${type || 'no type'})`)
    else if (type.endsWith('_call')) builder.continueAssistant(textPart(described))
    else builder.user(textPart(described))
  }

  function system(message: Fields, at: string): void {
    const parts = partsOf(message.content, at, old())
    const described = parts.filter((part) => part.type === 'text' && !isBillingHeader(part.text))
    builder.setAside(parts.filter((part) => part.type !== 'text'))
    if (described.length > 0) builder.system(spokenBy(message, textOf(described)))
  }

  function user(message: Fields, at: string, index: number): void {
    const reading = { ignored, rejects: index >= justSent }
    let parts: UserPart[] = []
    let blocks = 0
    for (const [partIndex, part] of indexedParts(message.content)) {
      const block = blockOf(part, customName)
      if (block === undefined) {
        parts.push(...partOf(part, partIndex === undefined ? at : `${at}.${partIndex}`, reading))
        continue
      }
      blocks++
      if (parts.length > 0) builder.user(named(message, parts))
      parts = []
      if (block.type === 'result') builder.result(block.callId, resultParts(block, `${at}.${partIndex}`), block.isError)
      else builder.continueAssistant([block])
    }
    if (parts.length > 0 || blocks === 0) builder.user(named(message, parts))
  }

  function assistant(message: Fields, path: string): void {
    const reasoning = textOr(message.reasoning_content) || textOr(message.reasoning)
    const { parts, shown } = assistantContent(message.content, `${path}.content`, reasoning)
    parts.push(...textPart(textOr(message.refusal)))
    for (const call of callsBeside(parts, message)) parts.push(call)
    if (message.type === 'message' || hasOnlyReasoning(builder.messages.at(-1))) builder.continueAssistant(parts)
    else if (parts.length > 0) builder.assistant(parts)
    builder.setAside(shown)
    // The audio of a spoken reply is stored at the server that made it.
    if (isFields(message.audio)) ignored.push(`${path}.audio`)
    // A name in the text of the assistant would be repeated by the model in its replies.
    if (speakerOf(message) !== '' && !ignored.includes(assistantName)) ignored.push(assistantName)
  }

  /** A result among the parts ends the turn before it; the parts after it are returned. `shown` are images and files. */
  function assistantContent(content: unknown, at: string, reasoning: string) {
    let parts: AssistantPart[] = reasoningPart(reasoning)
    const shown: UserPart[] = []
    for (const [partIndex, part] of indexedParts(content)) {
      const block = blockOf(part, customName)
      if (block?.type === 'result') {
        if (parts.length > 0) builder.assistant(parts)
        parts = []
        builder.result(block.callId, resultParts(block, `${at}.${partIndex}`), block.isError)
      } else if (block) {
        // Some clients send the reasoning twice, as a block and in its field.
        if (block.type !== 'reasoning' || block.text !== reasoning) parts.push(block)
      } else {
        for (const described of partOf(part, partIndex === undefined ? at : `${at}.${partIndex}`, old()))
          if (described.type === 'text') parts.push(described)
          else shown.push(described)
      }
    }
    return { parts, shown }
  }

  /** The calls of `tool_calls` and `function_call`, without those that some clients also send as blocks. */
  function callsBeside(parts: readonly AssistantPart[], { tool_calls, function_call }: Fields): AssistantPart[] {
    const known = new Set(parts.filter(({ type }) => type === 'tool-call').map(callKey))
    const calls: AssistantPart[] = listOf(tool_calls)
      .filter(isFields)
      .map((called) => toolCall(called, customName))
      .filter((call) => known.size === 0 || call.id === '' || !known.has(callKey(call)))
    if (isFields(function_call)) calls.push({ ...toolCall(function_call, customName), id: functionCallId })
    return calls
  }

  function resultParts({ content }: ToolResult, at: string): UserPart[] {
    return outputParts(content, `${at}.content`, old())
  }

  function old() {
    return { ignored, rejects: false }
  }
}

const assistantName = 'messages.name (assistant)'

/** Responses have an item of its own for the reasoning, in front of that for the text. */
function hasOnlyReasoning(message: Message | undefined): boolean {
  return message?.role === 'assistant' && message.parts.every(({ type }) => type === 'reasoning')
}

/** The parts of a content with their indexes; a content that is not a list is one part without an index. */
function indexedParts(content: unknown): [index: number | undefined, part: unknown][] {
  return Array.isArray(content) ? [...content.entries()] : [[undefined, content]]
}

function isByAssistant({ role, type }: Fields): boolean {
  return role === 'assistant' || (role === undefined && /_call$|^reasoning$/.test(textOr(type)))
}
