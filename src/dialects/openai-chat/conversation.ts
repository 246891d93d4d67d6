import { type Message, textOf, type UserPart } from '../../core/request.ts'
import { isBillingHeader } from '../openai/billing-header.ts'
import { partOf, partsOf, textPart } from '../openai/content.ts'
import type { ConversationEntry } from '../openai/conversation-entries.ts'
import { type Fields, fieldsOf, listOf, textOr } from '../openai/json-fields.ts'
import { asMarkup } from '../openai/markup.ts'
import { named, spokenBy } from '../openai/speaker.ts'
import { type CustomName, toolCall } from '../openai/tool-call.ts'
import { decodeAssistant } from './assistant-message.ts'
import { blockOf, reasoningPart } from './content-blocks.ts'
import { addResultBlock, contentParts, resultParts } from './content-parts.ts'
import { type ConversationState, conversationState, tolerant } from './conversation-state.ts'

export interface DecodedConversation {
  messages: readonly Message[]
  /** The path and type of everything that was left out. */
  ignored: string[]
}

/**
 * Reads messages of Chat Completions, items of Responses and blocks of Messages, also mixed. A request never fails
 * because of its history: ids and names may be missing or empty, results may have no call, and parts may be of any
 * type. The gateway gives ids and names to calls without them.
 *
 * Errors: `invalid-request` for a file in the user's last message that cannot be read.
 */
export function decodeConversation(
  entries: readonly ConversationEntry[],
  path: string,
  customName: CustomName,
): DecodedConversation {
  const state = conversationState(entries, customName)
  for (const { fields, index } of entries) {
    if (fields.role === 'assistant') state.functionCallId = `call_${index}`
    const decode = decoderOf(fields)
    decode(fields, `${path}.${index}`, state, index >= state.justSent)
  }
  state.builder.end()
  return { messages: state.builder.messages, ignored: state.ignored }
}

/** `isNew`: it comes after the last entry of the assistant. */
type DecodeEntry = (entry: Fields, path: string, state: ConversationState, isNew: boolean) => void

function decoderOf({ role, type }: Fields): DecodeEntry {
  if (typeof role === 'string') return roles.get(role) ?? decodeUser
  return itemTypes.get(textOr(type)) ?? decodeOther
}

const roles = new Map<string, DecodeEntry>([
  ['system', decodeSystem],
  ['developer', decodeSystem],
  ['assistant', decodeAssistant],
  ['tool', decodeResult],
  ['function', decodeFunctionResult],
])

/** Items of Responses. */
const itemTypes = new Map<string, DecodeEntry>([
  ['message', decodeUser],
  ['function_call', decodeCall],
  ['custom_tool_call', decodeCall],
  ['reasoning', decodeReasoning],
  ['additional_tools', saysNothing], // read with the tools
])

function saysNothing(): void {}

function decodeSystem(message: Fields, path: string, state: ConversationState): void {
  const parts = partsOf(message.content, `${path}.content`, tolerant(state))
  const described = parts.filter((part) => part.type === 'text' && !isBillingHeader(part.text))
  state.builder.setAside(parts.filter((part) => part.type !== 'text'))
  if (described.length > 0) state.builder.system(spokenBy(message, textOf(described)))
}

function decodeUser(message: Fields, path: string, state: ConversationState, isNew: boolean): void {
  const { builder, ignored, customName } = state
  if (typeof message.content === 'string') {
    builder.user(named(message, textPart(message.content)))
    return
  }
  let parts: UserPart[] = []
  let blocks = 0
  for (const { part, path: at } of contentParts(message.content, `${path}.content`)) {
    const block = blockOf(part, customName)
    if (block === undefined) {
      parts.push(...partOf(part, at, { ignored, rejects: isNew }))
      continue
    }
    blocks++
    if (parts.length > 0) builder.user(named(message, parts))
    parts = []
    if (block.type === 'result') addResultBlock(block, at, state)
    else builder.continueAssistant([block])
  }
  if (parts.length > 0 || blocks === 0) builder.user(named(message, parts))
}

function decodeResult({ tool_call_id, content }: Fields, path: string, state: ConversationState): void {
  state.builder.result(textOr(tool_call_id), resultParts(content, `${path}.content`, state))
}

function decodeFunctionResult({ content }: Fields, path: string, state: ConversationState): void {
  state.builder.result(state.functionCallId, resultParts(content, `${path}.content`, state))
}

function decodeCall(item: Fields, _path: string, { builder, customName }: ConversationState): void {
  builder.continueAssistant([toolCall(item, customName)])
}

function decodeReasoning(item: Fields, _path: string, { builder }: ConversationState): void {
  const texts = [...listOf(item.content), ...listOf(item.summary)].map((part) => textOr(fieldsOf(part).text))
  builder.continueAssistant(reasoningPart(texts.filter((text) => text !== '').join('\n\n')))
}

/** Calls and results of tools that run elsewhere, and unknown items. */
function decodeOther(item: Fields, path: string, state: ConversationState): void {
  const { builder, ignored } = state
  const type = textOr(item.type)
  if (type.endsWith('_output')) {
    builder.result(textOr(item.call_id), resultParts(item.output ?? item.tools, `${path}.output`, state))
    return
  }
  const described = asMarkup(item)
  if (described === '') ignored.push(`${path} (${type || 'no type'})`)
  else if (type.endsWith('_call')) builder.continueAssistant(textPart(described))
  else builder.user(textPart(described))
}
