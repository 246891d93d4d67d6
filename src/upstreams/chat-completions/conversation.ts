import type { AssistantPart, Message, TextPart, ToolCallPart, ToolMessage, UserPart } from '../../core/request.ts'
import type { ChatModel } from './models.ts'

/** The name of the model, for notes about what it cannot see, and what it accepts. */
export type Audience = Pick<ChatModel, 'id' | 'vision' | 'video' | 'files' | 'imagesInToolResults'>

/**
 * The conversation in the form that the API accepts. It answers anything else with 1210, 1213 or 1214.
 *
 * - Every call is followed by exactly one result, and every result belongs to a call.
 * - Results are text, and images if the model takes them there. Their other media move to the next user message.
 * - No message is empty, and there is at least one user message.
 * - Media that the model cannot see are replaced by a note.
 *
 * Otherwise the order is kept, and no text is lost.
 */
export function normaliseConversation(messages: readonly Message[], audience: Audience): Message[] {
  const readable = messages.map((message) => withReadableParts(message, audience))
  return withUser(withMediaAside(pairResults(readable), audience).flatMap(withoutEmpty))
}

/** Number of images in a conversation that the model cannot see. */
export function countUnseenImages(messages: readonly Message[], { vision }: Pick<Audience, 'vision'>): number {
  if (vision) return 0
  return messages.flatMap((message) => (hasUserParts(message) ? message.parts.filter(isImage) : [])).length
}

function withReadableParts(message: Message, audience: Audience): Message {
  if (!hasUserParts(message) || message.parts.every(isText)) return message
  return { ...message, parts: message.parts.map((part) => readable(part, audience)) }
}

function readable(part: UserPart, { id, vision, video, files }: Audience): UserPart {
  switch (part.type) {
    case 'text':
      return part
    case 'image':
      return vision ? part : text(`[image omitted: ${id} cannot see images]`)
    case 'video':
      return video ? part : text(`[video omitted: ${id} cannot see videos]`)
    case 'document': {
      if (files && part.source.type === 'url') return part
      const name = part.title === undefined ? 'A file' : `The file "${part.title}"`
      return text(`[${name} was attached here, but it could not be read.]`)
    }
    default:
      return part satisfies never
  }
}

/** Moves results directly behind their calls, in the order of the calls. */
function pairResults(messages: readonly Message[]): Message[] {
  const readableMessages: Message[] = []
  const placed = new Set<Message>()
  let waiting = new Map<string, ToolMessage[]>()
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!placed.has(message)) readableMessages.push(withoutCall(message))
      continue
    }
    readableMessages.push(message)
    if (message.role !== 'assistant') continue
    // Parallel calls may come as several assistant messages in a row, with the results of all of them after the last
    // one.
    if (messages[index - 1]?.role !== 'assistant') waiting = resultsBehind(messages, index)
    for (const call of message.parts.filter(isToolCall)) {
      const result = waiting.get(call.id)?.pop()
      if (result) placed.add(result)
      readableMessages.push(result ?? withoutResult(call))
    }
  }
  return readableMessages
}

/**
 * The results between this run of assistant messages and the next, by call id. The results of an id are in reverse order,
 * so that `pop()` returns the first.
 */
function resultsBehind(messages: readonly Message[], index: number): Map<string, ToolMessage[]> {
  let end = index
  while (messages[end]?.role === 'assistant') end++
  const results: ToolMessage[] = []
  for (let message = messages[end]; message && message.role !== 'assistant'; message = messages[++end])
    if (message.role === 'tool') results.push(message)
  return Map.groupBy(results.reverse(), ({ callId }) => callId)
}

function withoutCall({ callId, parts }: ToolMessage): Message {
  return { role: 'user', parts: [text(`[Result of the earlier tool call ${callId}]`), ...parts] }
}

function withoutResult({ id }: ToolCallPart): ToolMessage {
  return { role: 'tool', callId: id, parts: [text('[No result was given for this call.]')], isError: false }
}

function withMediaAside(messages: readonly Message[], audience: Audience): Message[] {
  const readableMessages: Message[] = []
  let aside: UserPart[] = []
  for (const message of messages) {
    if (message.role === 'tool') {
      const kept = audience.imagesInToolResults ? message.parts.filter(isImage) : []
      readableMessages.push({ ...message, parts: [text(resultText(message, kept.length > 0)), ...kept] })
      aside.push(...asideOf(message, kept))
      continue
    }
    if (aside.length === 0) readableMessages.push(message)
    else if (message.role === 'user') readableMessages.push({ role: 'user', parts: [...aside, ...message.parts] })
    else readableMessages.push({ role: 'user', parts: aside }, message)
    aside = []
  }
  return aside.length === 0 ? readableMessages : [...readableMessages, { role: 'user', parts: aside }]
}

/** The API has no field for a failed call, so the text says it. */
function resultText({ parts, isError }: ToolMessage, showsImage: boolean): string {
  const words = parts.flatMap((part) => (part.type === 'text' && part.text !== '' ? [part.text] : []))
  const aside = parts.every(isText)
    ? '[no output]'
    : `[The result is ${nameOf(parts)}; it is in the next user message.]`
  const empty = showsImage ? '[The result is an image.]' : aside
  const result = words.join('\n').trim() === '' ? empty : words.join('\n')
  return isError ? `[The tool failed.]\n${result}` : result
}

function nameOf(parts: readonly UserPart[]): string {
  return parts.some(isImage) ? 'an image' : parts.some(({ type }) => type === 'video') ? 'a video' : 'a file'
}

/** The media of a result that its tool message cannot hold. */
function asideOf({ callId, parts }: ToolMessage, kept: readonly UserPart[]): UserPart[] {
  const media = parts.filter((part) => !isText(part) && !kept.includes(part))
  return media.length === 0 ? [] : [text(`[From the result of the tool call ${callId}:]`), ...media]
}

function withoutEmpty(message: Message): Message[] {
  switch (message.role) {
    case 'system':
      return message.text.trim() === '' ? [] : [message]
    case 'user': {
      const parts = message.parts.filter((part) => part.type !== 'text' || part.text.trim() !== '')
      return parts.length === 0 ? [] : [{ role: 'user', parts }]
    }
    case 'assistant': {
      const hasContent = message.parts.some(
        (part) => part.type === 'tool-call' || (part.type === 'text' && part.text.trim() !== ''),
      )
      return hasContent ? [message] : []
    }
    case 'tool':
      return [message]
    default:
      return message satisfies never
  }
}

function withUser(messages: readonly Message[]): Message[] {
  if (messages.some(({ role }) => role === 'user')) return [...messages]
  const index = messages.findIndex(({ role }) => role !== 'system')
  return messages.toSpliced(index < 0 ? messages.length : index, 0, { role: 'user', parts: [text('Go on.')] })
}

function hasUserParts(message: Message): message is Extract<Message, { role: 'user' | 'tool' }> {
  return message.role === 'user' || message.role === 'tool'
}

function isToolCall(part: AssistantPart): part is ToolCallPart {
  return part.type === 'tool-call'
}

function isText(part: UserPart): part is TextPart {
  return part.type === 'text'
}

function isImage(part: UserPart): boolean {
  return part.type === 'image'
}

function text(words: string): TextPart {
  return { type: 'text', text: words }
}
