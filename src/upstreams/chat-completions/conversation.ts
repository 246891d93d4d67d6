import type { AssistantPart, Message, TextPart, UserPart } from '../../core/request.ts'
import type { ChatModel } from './models.ts'

type ToolMessage = Extract<Message, { role: 'tool' }>
type ToolCall = Extract<AssistantPart, { type: 'tool-call' }>

/** What the model is called, for what it is told about what it cannot see, and what it takes. */
export type Audience = Pick<ChatModel, 'id' | 'vision' | 'video' | 'files' | 'imagesInToolResults'>

/**
 * The conversation as the API takes it, which answers anything else with 1210, 1213 or 1214.
 *
 * Keeps: every call is followed by exactly one result and every result belongs to a call; results are text, and
 * images where the model takes them there; what else they hold stands in the user turn behind them; nothing is empty;
 * there is a user turn; a model gets a word in place of what it cannot see. Order is kept otherwise, and nothing that has words is lost.
 */
export function normaliseConversation(messages: readonly Message[], audience: Audience): Message[] {
  const readable = messages.map((message) => withReadableParts(message, audience))
  return withUser(withMediaAside(paired(readable), audience).flatMap(worthSaying))
}

/** How many images of a conversation the model will not see. */
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

/** Results move right behind their calls, in the order of the calls. */
function paired(messages: readonly Message[]): Message[] {
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
    // Parallel calls may come as assistant messages in a row: the results behind the last are those of all.
    if (messages[index - 1]?.role !== 'assistant') waiting = resultsBehind(messages, index)
    for (const call of message.parts.filter(isToolCall)) {
      const result = waiting.get(call.id)?.pop()
      if (result) placed.add(result)
      readableMessages.push(result ?? withoutResult(call))
    }
  }
  return readableMessages
}

/** The results between this row of answers and the next one, by the ids of their calls; the first of an id comes last. */
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

function withoutResult({ id }: ToolCall): ToolMessage {
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

/** There is no field for failure, so the words have to say it. */
function resultText({ parts, isError }: ToolMessage, showsImage: boolean): string {
  const words = parts.flatMap((part) => (part.type === 'text' && part.text !== '' ? [part.text] : []))
  const aside = parts.every(isText)
    ? '[no output]'
    : `[The result is ${nameOf(parts)}; it is in the next user message.]`
  const empty = showsImage ? '[The result is a picture.]' : aside
  const result = words.join('\n').trim() === '' ? empty : words.join('\n')
  return isError ? `[The tool failed.]\n${result}` : result
}

function nameOf(parts: readonly UserPart[]): string {
  return parts.some(isImage) ? 'a picture' : parts.some(({ type }) => type === 'video') ? 'a video' : 'a file'
}

/** What of a result cannot stand in it. */
function asideOf({ callId, parts }: ToolMessage, kept: readonly UserPart[]): UserPart[] {
  const media = parts.filter((part) => !isText(part) && !kept.includes(part))
  return media.length === 0 ? [] : [text(`[From the result of the tool call ${callId}:]`), ...media]
}

function worthSaying(message: Message): Message[] {
  switch (message.role) {
    case 'system':
      return message.text.trim() === '' ? [] : [message]
    case 'user': {
      const parts = message.parts.filter((part) => part.type !== 'text' || part.text.trim() !== '')
      return parts.length === 0 ? [] : [{ role: 'user', parts }]
    }
    case 'assistant': {
      const says = message.parts.some(
        (part) => part.type === 'tool-call' || (part.type === 'text' && part.text.trim() !== ''),
      )
      return says ? [message] : []
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

function isToolCall(part: AssistantPart): part is ToolCall {
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
