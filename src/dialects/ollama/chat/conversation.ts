import { invalidField } from '../../../core/errors.ts'
import { type AssistantPart, type Message, textOf, type UserPart } from '../../../core/request.ts'
import { unansweredCalls } from '../../../core/unanswered-calls.ts'
import { type ContentOptions, partsOf, textPart } from '../../openai/content.ts'
import { type ConversationEntry, listed, readEntries } from '../../openai/conversation-entries.ts'
import { type Fields, isFields, listOf, textOr } from '../../openai/json-fields.ts'
import { named } from '../../openai/speaker.ts'
import { toolCall } from '../../openai/tool-call.ts'
import { imageParts } from '../images.ts'

/**
 * Reads messages. Calls need no ids: a result may name its call or its tool. If it names neither, it answers the next
 * call without a result. The gateway gives the missing ids.
 *
 * Errors: `invalid-request` for a part of the newest message that cannot be read.
 */
export function decodeConversation(list: unknown): { messages: Message[]; ignored: string[] } {
  const ignored: string[] = []
  const entries = readEntries(list, 'messages', (name) => ignored.push(name))
  const justSent = (entries.findLast(({ fields }) => fields.role === 'assistant')?.index ?? -1) + 1
  // Calls of the newest turn that have no result yet.
  let unanswered = unansweredCalls()
  // Images of a system or assistant message. Only user messages can hold them.
  let aside: UserPart[] = []
  const messages = entries.flatMap(readMessage)
  return { messages: aside.length > 0 ? [...messages, { role: 'user', parts: aside }] : messages, ignored }

  function readMessage({ fields, index }: ConversationEntry): Message[] {
    const reading = { ignored, rejects: index >= justSent }
    switch (fields.role) {
      case 'system':
      case 'developer':
        return systemMessage(textIn(fields, index))
      case 'assistant':
        return assistantMessage(fields, index)
      case 'tool':
      case 'function':
        return [{ role: 'tool', callId: callOf(fields), parts: partsIn(fields, index, reading), isError: false }]
      default:
        return [{ role: 'user', parts: [...takeAside(), ...named(fields, partsIn(fields, index, reading))] }]
    }
  }

  /** The text of a message that can hold nothing else. */
  function textIn(fields: Fields, index: number): string {
    const parts = partsIn(fields, index, { ignored, rejects: false })
    for (const part of parts) if (part.type !== 'text') aside.push(part)
    return textOf(parts)
  }

  function takeAside(): UserPart[] {
    const shown = aside
    aside = []
    return shown
  }

  function assistantMessage(fields: Fields, index: number): Message[] {
    const thinking = textOr(fields.thinking)
    const calls = listOf(fields.tool_calls)
      .filter(isFields)
      .map((call) => toolCall(call))
    const offered = calls.map((call, at) => (call.id === '' ? { ...call, id: `call_${index}_${at}` } : call))
    unanswered = unansweredCalls()
    for (const call of offered) unanswered.add(call)
    const parts: AssistantPart[] = [
      ...(thinking === '' ? [] : [{ type: 'reasoning' as const, text: thinking }]),
      ...textPart(textIn(fields, index)),
      ...offered,
    ]
    return parts.length === 0 ? [] : [{ role: 'assistant', parts }]
  }

  /** The id of the call that a result answers; empty if it says nothing about it. */
  function callOf({ tool_call_id, tool_name, name }: Fields): string {
    const id = textOr(tool_call_id)
    const tool = textOr(tool_name) || textOr(name)
    return unanswered.take(id, tool)?.id ?? id
  }
}

function systemMessage(text: string): Message[] {
  return text === '' ? [] : [{ role: 'system', text }]
}

/** The text, and the images beside it. */
function partsIn({ content, images }: Fields, index: number, reading: ContentOptions): UserPart[] {
  const given = listed(images).flatMap((image, at) => {
    if (typeof image === 'string' && image !== '') return image
    const path = `messages.${index}.images.${at}`
    if (reading.rejects) throw invalidField(path, 'expected base64 data.')
    reading.ignored.push(path)
    return []
  })
  return [...partsOf(content, `messages.${index}.content`, reading), ...imageParts(given)]
}
