import { GatewayError, invalidField } from '../../core/errors.ts'
import { type AssistantPart, type Message, type TextPart, textOf, type UserPart } from '../../core/request.ts'
import { isBillingHeader } from '../openai/billing-header.ts'
import { isFields, jsonText, listOf } from '../openai/fields.ts'
import { named } from '../openai/speaker.ts'
import { element } from '../openai/tagged.ts'
import { toolCall } from '../openai/tool-call.ts'
import { videoPart, videoTypes } from '../openai/video.ts'
import {
  type Block,
  type DocumentBlock,
  type ImageBlock,
  isKnown,
  readBlocks,
  type SearchResultBlock,
  type ToolResultBlock,
} from './blocks.ts'
import { thoughtsOf } from './encode.ts'
import { asOwnBlock, contentOf, storedFile } from './other-blocks.ts'
import { offeredName } from './toolsets.ts'
import type { Turn } from './turns.ts'
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
export function decodeConversation(system: unknown, turns: readonly Turn[], ignore: Ignore): Message[] {
  const instructions = systemTurn(readBlocks(system, 'system', ignore), {
    speaker: 'system',
    refuses: false,
    legacyCallId: '',
    ignore,
  })
  const { messages } = instructions
  let { aside } = instructions
  const newestUser = turns.findLastIndex(({ role }) => role === 'user')
  // Results of OpenAI's oldest calls carry no id: they follow their call.
  let legacyCallId = ''
  for (const [place, turn] of turns.entries()) {
    const { role, index, fields } = turn
    if (fields.clear_at === 'next_user_message' && place < newestUser) continue
    if (fields.output_config) ignore(`messages.${index}.output_config`)
    if (fields.function_call) legacyCallId = `function_call_${index}`
    const told = decodeTurn(turn, {
      speaker: role,
      refuses: place === newestUser,
      legacyCallId,
      ignore,
    })
    if (aside.length > 0 && told.messages.some(({ role }) => role === 'user')) {
      messages.push({ role: 'user', parts: aside })
      aside = []
    }
    messages.push(...told.messages)
    aside.push(...told.aside)
  }
  return aside.length === 0 ? messages : [...messages, { role: 'user', parts: aside }]
}

interface Place {
  speaker: Turn['role']
  /** What cannot be read is refused. */
  refuses: boolean
  legacyCallId: string
  ignore: Ignore
}

interface ToldTurn {
  messages: Message[]
  /** What only a user can show. */
  aside: UserPart[]
}

function decodeTurn(turn: Turn, place: Place): ToldTurn {
  const { role, blocks, fields } = turn
  switch (role) {
    case 'user':
      return { messages: userMessages(turn, place), aside: [] }
    case 'assistant':
      return assistantTurn(turn, place)
    case 'system':
      return systemTurn(blocks, place)
    case 'tool':
      return { messages: [toolMessage(member(fields, 'tool_call_id'), blocks, place)], aside: [] }
    case 'function':
      return { messages: [toolMessage(place.legacyCallId, blocks, place)], aside: [] }
    default:
      return role satisfies never
  }
}

/** One user turn answers all parallel calls: each result is a message of its own, the rest follows them. */
function userMessages({ blocks, fields }: Turn, place: Place): Message[] {
  const results: Message[] = []
  const told: UserPart[] = []
  for (const { block, path } of blocks) {
    if (isResult(block)) results.push(toolResult(block, path, place))
    else told.push(...partsOf(block, path, place))
  }
  const parts = told.length > 0 || results.length === 0 ? named(fields, told) : told
  return parts.length > 0 || results.length === 0 ? [...results, { role: 'user', parts }] : results
}

function assistantTurn({ blocks, fields }: Turn, place: Place): ToldTurn {
  const messages: Message[] = []
  const aside: UserPart[] = []
  let parts: AssistantPart[] = text(member(fields, 'reasoning_content')).map((told) => ({ ...told, type: 'reasoning' }))
  const flush = () => {
    // Nothing but another model's thinking: no turn is left to tell.
    if (parts.length > 0) messages.push({ role: 'assistant', parts })
    parts = []
  }
  for (const { block, path } of blocks) {
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
    ...text(member(fields, 'refusal')),
    ...listOf(fields.tool_calls)
      .filter(isFields)
      .map((call) => toolCall(call)),
  )
  if (isFields(fields.function_call)) parts.push({ ...toolCall(fields.function_call), id: place.legacyCallId })
  flush()
  return { messages, aside: labelled(aside, 'the answer') }
}

function systemTurn(blocks: Turn['blocks'], place: Place): ToldTurn {
  const parts = blocks.flatMap(({ block, path }) => partsOf(block, path, place))
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

function isResult(block: Block): block is ToolResultBlock {
  return block.type === 'tool_result'
}

function isText(part: UserPart): part is TextPart {
  return part.type === 'text'
}

function toolResult({ tool_use_id, content, is_error }: ToolResultBlock, path: string, place: Place): Message {
  const blocks = readBlocks(content, `${path}.content`, place.ignore)
  return { ...toolMessage(tool_use_id, blocks, place), isError: is_error ?? false }
}

function toolMessage(callId: string | null | undefined, blocks: Turn['blocks'], place: Place): ToolMessage {
  const result: Place = { ...place, speaker: 'tool' }
  const parts = blocks.flatMap(({ block, path }) => partsOf(block, path, result))
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
      return toolMessage('', readBlocks(block.content, `${path}.content`, place.ignore), place).parts
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
      return unreadable(invalidField(`${path}.source`, unreadableSource), 'image', path, place)
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
  switch (source?.type) {
    case undefined:
      return unreadable(invalidField(`${path}.source`, unreadableSource), 'document', path, place)
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

const unreadableSource = 'a source is required, of the type base64 with media_type and data, or url with url.'

function availableNow(tool: string): string {
  return `Tool ${tool} is now available.`
}

function storedUpload(path: string): GatewayError {
  return invalidField(
    path,
    'container_upload names a file by its id, and files are not stored here; send its content as a document.',
  )
}
