import type { AssistantPart, Message, UserPart } from '../../core/request.ts'
import { partOf, textPart } from '../openai/content.ts'
import { type Fields, isFields, listOf, textOr } from '../openai/json-fields.ts'
import { speakerOf } from '../openai/speaker.ts'
import { toolCall } from '../openai/tool-call.ts'
import { blockOf, callKey, reasoningPart } from './content-blocks.ts'
import { addResultBlock, contentParts } from './content-parts.ts'
import { type ConversationState, tolerant } from './conversation-state.ts'

export function decodeAssistant(message: Fields, path: string, state: ConversationState): void {
  const { builder, ignored } = state
  const reasoning = textOr(message.reasoning_content) || textOr(message.reasoning)
  const { parts, shown } = decodeContent(message.content, `${path}.content`, reasoning, state)
  parts.push(...textPart(textOr(message.refusal)))
  for (const call of callsBeside(parts, message, state)) parts.push(call)
  if (message.type === 'message' || hasOnlyReasoning(builder.messages.at(-1))) builder.continueAssistant(parts)
  else if (parts.length > 0) builder.assistant(parts)
  builder.setAside(shown)
  // The audio of a spoken reply is stored at the server that made it.
  if (isFields(message.audio)) ignored.push(`${path}.audio`)
  // A name in the text of the assistant would be repeated by the model in its replies.
  if (speakerOf(message) !== '' && !ignored.includes(assistantName)) ignored.push(assistantName)
}

const assistantName = 'messages.name (assistant)'

/** Responses have an item of its own for the reasoning, in front of that for the text. */
function hasOnlyReasoning(message: Message | undefined): boolean {
  return message?.role === 'assistant' && message.parts.every(({ type }) => type === 'reasoning')
}

/** A result among the parts ends the turn before it; the parts after it are returned. `shown` are images and files. */
function decodeContent(content: unknown, path: string, reasoning: string, state: ConversationState) {
  let parts: AssistantPart[] = reasoningPart(reasoning)
  const shown: UserPart[] = []
  for (const { part, path: at } of contentParts(content, path)) {
    const block = blockOf(part, state.customName)
    if (block?.type === 'result') {
      if (parts.length > 0) state.builder.assistant(parts)
      parts = []
      addResultBlock(block, at, state)
    } else if (block) {
      // Some clients send the reasoning twice, as a block and in its field.
      if (block.type !== 'reasoning' || block.text !== reasoning) parts.push(block)
    } else {
      for (const described of partOf(part, at, tolerant(state)))
        if (described.type === 'text') parts.push(described)
        else shown.push(described)
    }
  }
  return { parts, shown }
}

/** The calls of `tool_calls` and `function_call`, without those that some clients also send as blocks. */
function callsBeside(
  parts: readonly AssistantPart[],
  { tool_calls, function_call }: Fields,
  { customName, functionCallId }: ConversationState,
): AssistantPart[] {
  const known = new Set(parts.filter(({ type }) => type === 'tool-call').map(callKey))
  const calls: AssistantPart[] = listOf(tool_calls)
    .filter(isFields)
    .map((called) => toolCall(called, customName))
    .filter((call) => known.size === 0 || call.id === '' || !known.has(callKey(call)))
  if (isFields(function_call)) calls.push({ ...toolCall(function_call, customName), id: functionCallId })
  return calls
}
