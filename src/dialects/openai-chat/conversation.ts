import { type AssistantPart, type Message, textOf, type UserPart } from '../../core/request.ts'
import { isBillingHeader } from '../openai/billing-header.ts'
import { outputParts, partOf, partsOf, textPart } from '../openai/content.ts'
import type { Entry } from '../openai/conversation-entries.ts'
import { type Fields, fieldsOf, isFields, listOf, textOr } from '../openai/json-fields.ts'
import { asMarkup } from '../openai/markup.ts'
import { named, speakerOf, spokenBy } from '../openai/speaker.ts'
import { type CustomName, toolCall } from '../openai/tool-call.ts'
import { blockOf, callKey, reasoningPart, type ToolResult } from './blocks.ts'

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
export function decodeConversation(entries: readonly Entry[], path: string, customName: CustomName): Conversation {
  const messages: Message[] = []
  const ignored: string[] = []
  const justSent = (entries.findLast(({ fields }) => isByAssistant(fields))?.index ?? -1) + 1
  // Images and files of a system or assistant message. Only user messages can hold them, so they get a turn of their
  // own.
  let aside: UserPart[] = []
  // Legacy functions have no ids: a result belongs to the call before it.
  let functionCallId = ''

  for (const { fields, index } of entries) {
    const at = `${path}.${index}`
    if (typeof fields.role === 'string') readMessage(fields, at, index)
    else readItem(fields, at, index)
  }
  showAside()
  return { messages, ignored }

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
        addToolResult(textOr(message.tool_call_id), outputParts(message.content, content, old()))
        break
      case 'function':
        addToolResult(functionCallId, outputParts(message.content, content, old()))
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
        continueAssistant([toolCall(item, customName)])
        break
      case 'reasoning': {
        const texts = [...listOf(item.content), ...listOf(item.summary)].map((part) => textOr(fieldsOf(part).text))
        continueAssistant(reasoningPart(texts.filter((text) => text !== '').join('\n\n')))
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
      addToolResult(textOr(item.call_id), outputParts(item.output ?? item.tools, `${at}.output`, old()))
      return
    }
    const described = asMarkup(item)
    if (described === '') ignored.push(`${at} (${type || 'no type'})`)
    else if (type.endsWith('_call')) continueAssistant(textPart(described))
    else listen(textPart(described))
  }

  function system(message: Fields, at: string): void {
    const parts = partsOf(message.content, at, old())
    const described = parts.filter((part) => part.type === 'text' && !isBillingHeader(part.text))
    for (const part of parts) if (part.type !== 'text') aside.push(part)
    if (described.length > 0) messages.push({ role: 'system', text: spokenBy(message, textOf(described)) })
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
      if (parts.length > 0) listen(named(message, parts))
      parts = []
      if (block.type === 'result') addToolResult(block.callId, resultParts(block, `${at}.${partIndex}`), block.isError)
      else continueAssistant([block])
    }
    if (parts.length > 0 || blocks === 0) listen(named(message, parts))
  }

  function assistant(message: Fields, path: string): void {
    const at = `${path}.content`
    const reasoning = textOr(message.reasoning_content) || textOr(message.reasoning)
    let parts: AssistantPart[] = reasoningPart(reasoning)
    const shown: UserPart[] = []
    for (const [partIndex, part] of indexedParts(message.content)) {
      const block = blockOf(part, customName)
      if (block?.type === 'result') {
        if (parts.length > 0) addAssistantParts(parts)
        parts = []
        addToolResult(block.callId, resultParts(block, `${at}.${partIndex}`), block.isError)
      } else if (block) {
        // Some clients send the reasoning twice, as a block and in its field.
        if (block.type !== 'reasoning' || block.text !== reasoning) parts.push(block)
      } else {
        for (const described of partOf(part, partIndex === undefined ? at : `${at}.${partIndex}`, old()))
          if (described.type === 'text') parts.push(described)
          else shown.push(described)
      }
    }
    parts.push(...textPart(textOr(message.refusal)))
    const known = new Set(parts.map(callKey))
    for (const called of listOf(message.tool_calls).filter(isFields)) {
      const call = toolCall(called, customName)
      // The same for a call, as a block and in `tool_calls`.
      if (call.id === '' || !known.has(callKey(call))) parts.push(call)
    }
    if (isFields(message.function_call))
      parts.push({ ...toolCall(message.function_call, customName), id: functionCallId })
    if (message.type === 'message' || hasOnlyReasoning(messages.at(-1))) continueAssistant(parts)
    else if (parts.length > 0) addAssistantParts(parts)
    for (const part of shown) aside.push(part)
    // The audio of a spoken reply is stored at the server that made it.
    if (isFields(message.audio)) ignored.push(`${path}.audio`)
    // A name in the text of the assistant would be repeated by the model in its replies.
    if (speakerOf(message) !== '' && !ignored.includes(assistantName)) ignored.push(assistantName)
  }

  function resultParts({ content }: ToolResult, at: string): UserPart[] {
    return outputParts(content, `${at}.content`, old())
  }

  function addAssistantParts(parts: AssistantPart[]): void {
    showAside()
    messages.push({ role: 'assistant', parts })
  }

  /** In Responses, one turn of the assistant is several items. */
  function continueAssistant(parts: AssistantPart[]): void {
    const last = messages.at(-1)
    if (last?.role === 'assistant') for (const part of parts) last.parts.push(part)
    else if (parts.length > 0) addAssistantParts(parts)
  }

  function addToolResult(callId: string, parts: UserPart[], isError = false): void {
    messages.push({ role: 'tool', callId, parts, isError })
  }

  function listen(parts: UserPart[]): void {
    messages.push({ role: 'user', parts: [...aside, ...parts] })
    aside = []
  }

  function showAside(): void {
    if (aside.length > 0) listen([])
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

/** The parts of a content with their indexes; a text alone is one part without an index. */
function indexedParts(content: unknown): [index: number | undefined, part: unknown][] {
  return Array.isArray(content) ? [...content.entries()] : [[undefined, content]]
}

function isByAssistant({ role, type }: Fields): boolean {
  return role === 'assistant' || (role === undefined && /_call$|^reasoning$/.test(textOr(type)))
}
