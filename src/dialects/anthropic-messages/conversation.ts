import { GatewayError, invalidField } from '../../core/errors.ts'
import { type AssistantPart, type Message, type TextPart, textOf, type UserPart } from '../../core/request.ts'
import { isBillingHeader } from '../openai/billing-header.ts'
import { isFields, jsonText, listOf } from '../openai/fields.ts'
import { element } from '../openai/tagged.ts'
import { toolCall } from '../openai/tool-call.ts'
import { videoPart, videoTypes } from '../openai/video.ts'
import {
  type Block,
  type Content,
  type DocumentBlock,
  type ImageBlock,
  isBlock,
  isKnown,
  type SearchResultBlock,
  type ToolResultBlock,
} from './blocks.ts'
import { thoughtsOf } from './encode.ts'
import { asOwnBlock, contentOf, storedFile } from './other-blocks.ts'
import type { MessageBody, MessagesBody } from './schema.ts'
import { offeredName } from './toolsets.ts'
import { member, text } from './words.ts'

/** Takes the names of what cannot be told. */
export type Ignore = (name: string) => void

/**
 * The conversation in our language. What other servers and programs have left in it is told as text where it has
 * words, and named where it has none, so that no history locks its user out.
 *
 * Pictures and files of turns that are not the user's stand in a user turn of their own, before the next one.
 * Errors: `invalid-request` for files by id in the newest words of the user: nothing is stored here. In older ones,
 * which nobody can send in another way, they become a sentence.
 */
export function decodeConversation({ system, messages: bodies }: MessagesBody, ignore: Ignore): Message[] {
  const instructions = systemTurn(system, {
    path: 'system',
    speaker: 'system',
    refuses: false,
    legacyCallId: '',
    ignore,
  })
  const { messages } = instructions
  let { aside } = instructions
  const newestUser = bodies.findLastIndex(({ role }) => role === 'user')
  // Results of OpenAI's oldest calls carry no id: they follow their call.
  let legacyCallId = ''
  for (const [index, body] of bodies.entries()) {
    if (body.clear_at === 'next_user_message' && index < newestUser) continue
    if (body.output_config) ignore(`messages.${index}.output_config`)
    if (body.function_call) legacyCallId = `function_call_${index}`
    const turn = decodeTurn(body, {
      path: `messages.${index}.content`,
      speaker: body.role,
      refuses: index === newestUser,
      legacyCallId,
      ignore,
    })
    if (aside.length > 0 && turn.messages.some(({ role }) => role === 'user')) {
      messages.push({ role: 'user', parts: aside })
      aside = []
    }
    messages.push(...turn.messages)
    aside.push(...turn.aside)
  }
  return aside.length === 0 ? messages : [...messages, { role: 'user', parts: aside }]
}

interface Place {
  path: string
  speaker: MessageBody['role']
  /** What cannot be read is refused. */
  refuses: boolean
  legacyCallId: string
  ignore: Ignore
}

interface Turn {
  messages: Message[]
  /** What only a user can show. */
  aside: UserPart[]
}

function decodeTurn(body: MessageBody, place: Place): Turn {
  switch (body.role) {
    case 'user':
      return { messages: userMessages(body.content, place), aside: [] }
    case 'assistant':
      return assistantTurn(body, place)
    case 'system':
    case 'developer':
      return systemTurn(body.content, place)
    case 'tool':
    case 'function': {
      const callId = body.role === 'tool' ? member(body, 'tool_call_id') : place.legacyCallId
      return { messages: [toolMessage(callId, body.content, place.path, place)], aside: [] }
    }
    default:
      return body.role satisfies never
  }
}

/** One user turn answers all parallel calls: each result is a message of its own, the rest follows them. */
function userMessages(content: Content, place: Place): Message[] {
  const results: Message[] = []
  const parts: UserPart[] = []
  for (const [index, block] of blocksOf(content).entries()) {
    const path = `${place.path}.${index}`
    if (isResult(block)) results.push(toolResult(block, path, place))
    else parts.push(...partsOf(block, path, place))
  }
  return parts.length > 0 || results.length === 0 ? [...results, { role: 'user', parts }] : results
}

function assistantTurn(body: MessageBody, place: Place): Turn {
  const messages: Message[] = []
  const aside: UserPart[] = []
  let parts: AssistantPart[] = text(member(body, 'reasoning_content')).map((told) => ({ ...told, type: 'reasoning' }))
  const flush = () => {
    // Nothing but another model's thinking: no turn is left to tell.
    if (parts.length > 0) messages.push({ role: 'assistant', parts })
    parts = []
  }
  for (const [index, block] of blocksOf(body.content).entries()) {
    const path = `${place.path}.${index}`
    if (isResult(block)) {
      flush()
      messages.push(toolResult(block, path, place))
    } else if (isKnown(block) && block.type === 'tool_use') {
      const name = offeredName(block.toolset_name, block.name ?? '')
      parts.push({ type: 'tool-call', id: block.id ?? '', name, arguments: jsonText(block.input) || '{}' })
    } else if (isKnown(block) && block.type === 'thinking' && thoughtsOf(block) !== undefined) {
      const thoughts = thoughtsOf(block)
      if (thoughts) parts.push({ type: 'reasoning', text: thoughts })
    } else {
      const told = partsOf(block, path, place)
      parts.push(...told.filter(isText))
      aside.push(...told.filter((part) => !isText(part)))
    }
  }
  parts.push(
    ...text(member(body, 'refusal')),
    ...listOf(body.tool_calls)
      .filter(isFields)
      .map((call) => toolCall(call)),
  )
  if (isFields(body.function_call)) parts.push({ ...toolCall(body.function_call), id: place.legacyCallId })
  flush()
  return { messages, aside: labelled(aside, 'the answer') }
}

function systemTurn(content: Content, place: Place): Turn {
  const parts = blocksOf(content).flatMap((block, index) => partsOf(block, `${place.path}.${index}`, place))
  const words = parts.filter(isText).filter((part) => !isBillingHeader(part.text))
  const messages: Message[] = words.length === 0 ? [] : [{ role: 'system', text: textOf(words) }]
  return {
    messages,
    aside: labelled(
      parts.filter((part) => !isText(part)),
      'the instructions',
    ),
  }
}

function labelled(parts: UserPart[], origin: string): UserPart[] {
  return parts.length === 0 ? [] : [...text(`[This belongs to ${origin} above:]`), ...parts]
}

function blocksOf(content: Content): readonly Block[] {
  if (content === undefined || content === null) return []
  if (Array.isArray(content))
    return content.flatMap((block): Block[] => {
      if (block === null) return []
      if (typeof block === 'string') return [textBlock(block)]
      return isBlock(block) ? [block] : [textBlock(member(block, 'text') ?? JSON.stringify(block))]
    })
  return [textBlock(typeof content === 'string' ? content : JSON.stringify(content))]
}

function textBlock(words: string): Block {
  return { type: 'text', text: words }
}

function isResult(block: Block): block is ToolResultBlock {
  return block.type === 'tool_result'
}

function isText(part: UserPart): part is TextPart {
  return part.type === 'text'
}

function toolResult({ tool_use_id, content, is_error }: ToolResultBlock, path: string, place: Place): Message {
  return { ...toolMessage(tool_use_id, content, `${path}.content`, place), isError: is_error ?? false }
}

function toolMessage(callId: string | null | undefined, content: Content, path: string, place: Place): ToolMessage {
  const result: Place = { ...place, speaker: 'tool' }
  const parts = blocksOf(content).flatMap((block, index) => partsOf(block, `${path}.${index}`, result))
  return { role: 'tool', callId: callId ?? '', parts, isError: false }
}

type ToolMessage = Extract<Message, { role: 'tool' }>

/** What a block says or shows, whoever it is from. */
function partsOf(told: Block, path: string, place: Place): UserPart[] {
  const block = isKnown(told) ? told : asOwnBlock(told, path)
  if (block instanceof GatewayError) return unreadable(block, told.type, path, place)
  if (!isKnown(block)) {
    const video = videoTypes.some((type) => type === block.type) ? videoPart({ ...block }) : undefined
    return video ? [video] : otherParts(block, path, place)
  }
  switch (block.type) {
    case 'text':
      return text(block.text)
    case 'image':
      return imageParts(block, path, place)
    case 'document':
      return documentParts(block, path, place)
    case 'search_result':
      return searchResult(block, path, place)
    case 'tool_reference':
      return text(availableNow(block.tool_name))
    case 'tool_addition': {
      const name = block.tool.name ?? member(block.tool.definition, 'name')
      return name ? text(availableNow(name)) : []
    }
    case 'tool_removal':
      return block.tool.name ? text(`Tool ${block.tool.name} is no longer available.`) : []
    case 'tool_use':
      return text(element(block.type, { name: block.name }, JSON.stringify(block.input ?? {})))
    case 'tool_result':
      return toolMessage('', block.content, `${path}.content`, place).parts
    case 'thinking':
    case 'redacted_thinking':
      // Sealed by another server.
      place.ignore('messages (thinking of another model)')
      return []
    case 'container_upload':
      return unreadable(storedUpload(path), block.type, path, place)
    default:
      return block satisfies never
  }
}

/**
 * What nobody has words for is told with all its members by a user or a tool, whom the model only listens to, and
 * named elsewhere: an answer it reads as its own is one it imitates.
 */
function otherParts(block: Extract<Block, { type: string }>, path: string, { speaker, ignore }: Place): TextPart[] {
  const content = contentOf(block)
  if ('words' in content) return text(content.words)
  if ('members' in content && (speaker === 'user' || speaker === 'tool')) return text(content.members)
  ignore(`${path} (${block.type})`)
  return 'members' in content ? [] : attached(block.type, speaker)
}

/** An error where somebody can send the right thing instead. */
function unreadable(error: GatewayError, type: string, path: string, place: Place): TextPart[] {
  if (place.refuses) throw error
  place.ignore(`${path} (${type})`)
  return attached(type, place.speaker)
}

function attached(type: string, speaker: Place['speaker']): TextPart[] {
  return speaker === 'assistant' ? [] : text(`[${type} was attached here; it cannot be read.]`)
}

function searchResult(
  { title, source, content, citations }: SearchResultBlock,
  path: string,
  { ignore }: Place,
): TextPart[] {
  if (citations?.enabled) ignore(`${path}.citations`)
  return text(element('search_result', { title, source }, textOf(content.flatMap((block) => text(block.text)))))
}

function imageParts({ source, data, mimeType, transformations }: ImageBlock, path: string, place: Place): UserPart[] {
  if (transformations?.oversized_image === 'error') place.ignore(`${path}.transformations`)
  if (data && mimeType) return [{ type: 'image', source: { type: 'base64', mediaType: mimeType, data } }]
  switch (source?.type) {
    case undefined:
      return unreadable(invalidField(`${path}.source`, 'this field is required'), 'image', path, place)
    case 'base64':
      return [{ type: 'image', source: { type: 'base64', mediaType: source.media_type, data: source.data } }]
    case 'url':
      return [{ type: 'image', source: { type: 'url', url: source.url } }]
    case 'file':
      return unreadable(storedFile(`${path}.source`), 'image', path, place)
    default:
      return source satisfies never
  }
}

function documentParts({ source, title, context, citations }: DocumentBlock, path: string, place: Place): UserPart[] {
  if (citations?.enabled) place.ignore(`${path}.citations`)
  const document = { type: 'document' as const, title: title ?? undefined }
  // A file is read apart, so that what is said of it stands in front.
  const about = context ? text(element('document_context', { title }, context)) : []
  const asText = (inner: string) => text(element('document', { title, context }, inner))
  switch (source.type) {
    case 'base64':
      return [...about, { ...document, source: { type: 'base64', mediaType: source.media_type, data: source.data } }]
    case 'url':
      return [...about, { ...document, source: { type: 'url', url: source.url } }]
    case 'text':
      return asText(source.data)
    case 'content': {
      const { content } = source
      if (typeof content === 'string') return asText(content)
      const words = content.flatMap((block) => (block.type === 'text' ? text(block.text) : []))
      const images = content.flatMap((block, n) =>
        block.type === 'image' ? imageParts(block, `${path}.source.content.${n}`, place) : [],
      )
      return [...asText(textOf(words)), ...images]
    }
    case 'file':
      return unreadable(storedFile(`${path}.source`), 'document', path, place)
    default:
      return source satisfies never
  }
}

function availableNow(tool: string): string {
  return `Tool ${tool} is now available.`
}

function storedUpload(path: string): GatewayError {
  return invalidField(
    path,
    'container_upload names a file by its id, and files are not stored here; send its content as a document.',
  )
}
