import type { AssistantPart, Message, TextPart, UserPart } from '../../core/request.ts'

type ToolMessage = Extract<Message, { role: 'tool' }>
type ToolCall = Extract<AssistantPart, { type: 'tool-call' }>

export interface Audience {
  /** The model's name, for what it is told about pictures it cannot see. */
  model: string
  vision: boolean
}

/**
 * The conversation as the API takes it, which answers anything else with 1210, 1213 or 1214.
 *
 * Keeps: every call is followed by exactly one result and every result belongs to a call; results are text, their
 * pictures stand in the user turn behind them; nothing is empty; there is a user turn; models without eyes get a
 * word in place of each picture. Order is kept otherwise, and nothing that has words is lost.
 */
export function normalise(messages: readonly Message[], audience: Audience): Message[] {
  const readable = messages.map((message) => withReadableParts(message, audience))
  return withUser(withPicturesAside(paired(readable)).flatMap(worthSaying))
}

/** How many pictures of a conversation the model will not see. */
export function unseenPictures(messages: readonly Message[], { vision }: Audience): number {
  if (vision) return 0
  return messages.flatMap((message) => (hasUserParts(message) ? message.parts.filter(isPicture) : [])).length
}

function withReadableParts(message: Message, audience: Audience): Message {
  if (!hasUserParts(message) || message.parts.every(isText)) return message
  return { ...message, parts: message.parts.map((part) => readable(part, audience)) }
}

function readable(part: UserPart, { model, vision }: Audience): UserPart {
  switch (part.type) {
    case 'text':
      return part
    case 'image':
      return vision ? part : text(`[image omitted: ${model} cannot see images]`)
    case 'document': {
      const name = part.title === undefined ? 'A file' : `The file "${part.title}"`
      return text(`[${name} was attached here, but it could not be read.]`)
    }
    default:
      return part satisfies never
  }
}

/** Results move right behind their calls, in the order of the calls. */
function paired(messages: readonly Message[]): Message[] {
  const told: Message[] = []
  const placed = new Set<Message>()
  for (const [place, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!placed.has(message)) told.push(withoutCall(message))
      continue
    }
    told.push(message)
    const calls = message.role === 'assistant' ? message.parts.filter(isToolCall) : []
    const results = calls.length > 0 ? resultsBehind(messages, place) : []
    for (const call of calls) {
      const result = results.find((candidate) => candidate.callId === call.id && !placed.has(candidate))
      if (result) placed.add(result)
      told.push(result ?? withoutResult(call))
    }
  }
  return told
}

/** Up to the next answer. Parallel calls may come as assistant messages in a row, so those are stepped over first. */
function resultsBehind(messages: readonly Message[], place: number): ToolMessage[] {
  const results: ToolMessage[] = []
  let answered = false
  for (let at = place + 1; at < messages.length; at++) {
    const message = messages[at]
    if (message === undefined || (message.role === 'assistant' && answered)) break
    answered ||= message.role !== 'assistant'
    if (message.role === 'tool') results.push(message)
  }
  return results
}

function withoutCall({ callId, parts }: ToolMessage): Message {
  return { role: 'user', parts: [text(`[Result of the earlier tool call ${callId}]`), ...parts] }
}

function withoutResult({ id }: ToolCall): ToolMessage {
  return { role: 'tool', callId: id, parts: [text('[No result was given for this call.]')], isError: false }
}

function withPicturesAside(messages: readonly Message[]): Message[] {
  const told: Message[] = []
  let aside: UserPart[] = []
  for (const message of messages) {
    if (message.role === 'tool') {
      told.push({ ...message, parts: [text(resultText(message))] })
      aside.push(...picturesOf(message))
      continue
    }
    if (aside.length === 0) told.push(message)
    else if (message.role === 'user') told.push({ role: 'user', parts: [...aside, ...message.parts] })
    else told.push({ role: 'user', parts: aside }, message)
    aside = []
  }
  return aside.length === 0 ? told : [...told, { role: 'user', parts: aside }]
}

/** There is no field for failure, so the words have to say it. */
function resultText({ parts, isError }: ToolMessage): string {
  const words = parts.flatMap((part) => (part.type === 'text' && part.text !== '' ? [part.text] : []))
  const empty = parts.some(isPicture) ? '[The result is a picture; it is in the next user message.]' : '[no output]'
  const result = words.join('\n').trim() === '' ? empty : words.join('\n')
  return isError ? `[The tool failed.]\n${result}` : result
}

function picturesOf({ callId, parts }: ToolMessage): UserPart[] {
  const pictures = parts.filter(isPicture)
  return pictures.length === 0 ? [] : [text(`[From the result of the tool call ${callId}:]`), ...pictures]
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
  const place = messages.findIndex(({ role }) => role !== 'system')
  return messages.toSpliced(place < 0 ? messages.length : place, 0, { role: 'user', parts: [text('Go on.')] })
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

function isPicture(part: UserPart): boolean {
  return part.type === 'image'
}

function text(words: string): TextPart {
  return { type: 'text', text: words }
}
