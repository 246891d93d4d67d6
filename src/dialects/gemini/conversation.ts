import { type AssistantPart, type Message, textOf, type UserPart } from '../../core/request.ts'
import { unansweredCalls } from '../../core/unanswered-calls.ts'
import { textPart } from '../openai/content.ts'
import { type Fields, isFields, textOr } from '../openai/json-fields.ts'
import { named } from '../openai/speaker.ts'
import type { ContentEntry } from './conversation-entries.ts'
import { contentOf, type PartOptions, partsIn, resultOf } from './parts.ts'
import type { GeminiBody } from './schema.ts'
import { reasoningIn } from './thought-signature.ts'

/** The instructions, of which only text can be followed. */
export function systemMessages(
  system: GeminiBody['systemInstruction'],
  onIgnored: PartOptions['onIgnored'],
): Message[] {
  return instructions(partsIn(typeof system === 'string' ? system : system?.parts), 'systemInstruction', onIgnored)
}

function instructions(parts: readonly Fields[], path: string, onIgnored: PartOptions['onIgnored']): Message[] {
  const content = parts.flatMap((part, index) =>
    contentOf(part, `${path}.parts.${index}`, { onIgnored, rejects: false }),
  )
  for (const { type } of content) if (type !== 'text') onIgnored(`${path} (${type})`)
  const text = textOf(content)
  return text === '' ? [] : [{ role: 'system', text }]
}

/**
 * The conversation as canonical messages. Calls and results may lack ids: a result without one belongs to the first
 * unanswered call of its name.
 *
 * Successive contents of the model are one message: clients keep each piece of a stream as a content of its own.
 * Errors: `invalid-request` for a file in the user's newest content that cannot be read.
 */
export function decodeConversation(contents: readonly ContentEntry[], onIgnored: PartOptions['onIgnored']): Message[] {
  const messages: Message[] = []
  const unanswered = unansweredCalls()
  const newest = (contents.findLast(({ role }) => role === 'model')?.index ?? -1) + 1
  let calls = 0
  // The parts of the last message, if it is the model's: more may follow.
  let turn: AssistantPart[] | undefined
  // Images of the model. Only a user's message can hold them.
  let aside: UserPart[] = []

  for (const { role, parts, speaker, index } of contents) {
    const path = `contents.${index}`
    if (role === 'model') modelContent(parts, `${path}.parts`)
    else if (role === 'system') instructions(parts, path, onIgnored).forEach(add)
    else otherContent({ parts, speaker, path: `${path}.parts`, rejects: index >= newest })
  }
  if (aside.length > 0) add({ role: 'user', parts: aside })
  return messages

  function add(message: Message): void {
    messages.push(message)
    turn = undefined
  }

  function modelContent(parts: Fields[], path: string): void {
    const spoken = turn ?? []
    for (const [index, part] of parts.entries()) addModelPart(part, spoken, `${path}.${index}`)
    if (turn || spoken.length === 0) return
    add({ role: 'assistant', parts: spoken })
    turn = spoken
  }

  function addModelPart(part: Fields, turn: AssistantPart[], path: string): void {
    const sealed = reasoningIn(part.thoughtSignature)
    if (sealed !== undefined) addSealed(sealed, turn)
    if (part.thought === true) addThought(part, turn)
    else if (isFields(part.functionCall)) turn.push(callOf(part.functionCall))
    else
      for (const content of contentOf(part, path, { onIgnored, rejects: false }))
        if (content.type !== 'text') aside.push(content)
        else if (typeof part.text === 'string') addText(content.text, turn)
        else turn.push(content)
  }

  function callOf({ id, name, args }: Fields): AssistantPart {
    const call = { id: textOr(id) || `call_${++calls}`, name: textOr(name) }
    unanswered.add(call)
    return { type: 'tool-call', ...call, arguments: JSON.stringify(args ?? {}) }
  }

  /** A content of the user, with results in front of the rest. Results may also have a role of their own, `function`. */
  function otherContent({ parts, speaker, path, rejects }: OtherContent): void {
    const shown: UserPart[] = []
    let results = 0
    for (const [index, part] of parts.entries()) {
      const at = `${path}.${index}`
      if (isFields(part.functionResponse)) {
        results++
        addResult(part.functionResponse, `${at}.functionResponse`)
      } else shown.push(...contentOf(part, at, { onIgnored, rejects }))
    }
    if (shown.length === 0 && results > 0) return
    add({ role: 'user', parts: [...aside, ...named({ name: speaker }, shown)] })
    aside = []
  }

  function addResult(functionResponse: Fields, path: string): void {
    const id = textOr(functionResponse.id)
    const name = textOr(functionResponse.name)
    const call = unanswered.take(id, name)
    const { parts, isError } = resultOf(functionResponse, path, { onIgnored, rejects: false })
    add({ role: 'tool', callId: call?.id ?? id, parts, isError })
  }

  /** A thought without a signature was shown to the client. The signature of a later part holds it as well. */
  function addThought({ text, thoughtSignature }: Fields, turn: AssistantPart[]): void {
    if (textOr(thoughtSignature) !== '') {
      if (reasoningIn(thoughtSignature) === undefined) onIgnored('contents (thought of another model)')
      return
    }
    if (typeof text !== 'string' || text === '') return
    const last = turn.at(-1)
    if (last?.type === 'reasoning') last.text += text
    else turn.push({ type: 'reasoning', text })
  }
}

interface OtherContent {
  parts: readonly Fields[]
  speaker: string
  path: string
  rejects: boolean
}

/** Pieces of a stream are joined. */
function addText(text: string, turn: AssistantPart[]): void {
  const last = turn.at(-1)
  if (last?.type === 'text') last.text += text
  else turn.push(...textPart(text))
}

/**
 * The signature is attached to a call, or to the end of the text that the reasoning led to. It replaces the thoughts
 * that were shown, because it holds the same text.
 */
function addSealed(reasoning: string, turn: AssistantPart[]): void {
  const before = turn.findLastIndex(({ type }) => type === 'tool-call') + 1
  const rest = turn.splice(before).filter(({ type }) => type !== 'reasoning')
  turn.push({ type: 'reasoning', text: reasoning }, ...rest)
}
