import { GatewayError, invalidField } from '../../core/errors.ts'
import { mcpToolName } from '../../core/mcp.ts'
import {
  type AssistantPart,
  type Message,
  type TextPart,
  type ToolMessage,
  textOf,
  type UserPart,
} from '../../core/request.ts'
import { isBillingHeader } from '../openai/billing-header.ts'
import { isFields, jsonText, listOf } from '../openai/json-fields.ts'
import { element } from '../openai/markup.ts'
import { named } from '../openai/speaker.ts'
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
} from './block-schema.ts'
import type { MessageEntry } from './conversation-entries.ts'
import { reasoningOf } from './encode.ts'
import { member, text } from './text.ts'
import { offeredName } from './toolsets.ts'
import { asOwnBlock, contentOf, storedFile } from './unknown-blocks.ts'

/** Receives the names of what cannot be represented. */
export type OnIgnored = (name: string) => void

/**
 * The conversation as canonical messages. Content of other servers and programs becomes text if it has words, and is
 * reported as ignored otherwise, so that no history makes a request impossible.
 *
 * Images and files in turns other than the user's get a user turn of their own, before the next turn.
 * Errors: `invalid-request` for files by id in the user's newest message, because nothing is stored here. In older
 * messages, which nobody can send again, they become a sentence.
 */
export function decodeConversation(system: unknown, entries: readonly MessageEntry[], onIgnored: OnIgnored): Message[] {
  const instructions = systemTurn(readBlocks(system, 'system', onIgnored), {
    speaker: 'system',
    refuses: false,
    legacyCallId: '',
    onIgnored,
  })
  const { messages } = instructions
  let { aside } = instructions
  const newestUser = entries.findLastIndex(({ role }) => role === 'user')
  // Results of OpenAI's oldest form of calls have no id. They belong to the call before them.
  let legacyCallId = ''
  for (const [scope, turn] of entries.entries()) {
    const { role, index, fields } = turn
    if (fields.clear_at === 'next_user_message' && scope < newestUser) continue
    if (fields.output_config) onIgnored(`messages.${index}.output_config`)
    if (fields.function_call) legacyCallId = `function_call_${index}`
    const shown = decodeTurn(turn, {
      speaker: role,
      refuses: scope === newestUser,
      legacyCallId,
      onIgnored,
    })
    if (aside.length > 0 && shown.messages.some(({ role }) => role === 'user')) {
      messages.push({ role: 'user', parts: aside })
      aside = []
    }
    messages.push(...shown.messages)
    aside.push(...shown.aside)
  }
  return aside.length === 0 ? messages : [...messages, { role: 'user', parts: aside }]
}

interface BlockScope {
  speaker: MessageEntry['role']
  /** Content that cannot be read is an error. */
  refuses: boolean
  legacyCallId: string
  onIgnored: OnIgnored
}

interface DecodedTurn {
  messages: Message[]
  /** Content that only a user message can hold. */
  aside: UserPart[]
}

function decodeTurn(turn: MessageEntry, scope: BlockScope): DecodedTurn {
  const { role, blocks, fields } = turn
  switch (role) {
    case 'user':
      return { messages: userMessages(turn, scope), aside: [] }
    case 'assistant':
      return assistantTurn(turn, scope)
    case 'system':
      return systemTurn(blocks, scope)
    case 'tool':
      return { messages: [toolMessage(member(fields, 'tool_call_id'), blocks, scope)], aside: [] }
    case 'function':
      return { messages: [toolMessage(scope.legacyCallId, blocks, scope)], aside: [] }
    default:
      return role satisfies never
  }
}

/** One user turn answers all parallel calls. Each result becomes a message, and the other content follows them. */
function userMessages({ blocks, fields }: MessageEntry, scope: BlockScope): Message[] {
  const results: Message[] = []
  const shown: UserPart[] = []
  for (const { block, path } of blocks) {
    if (isResult(block)) results.push(toolResult(block, path, scope))
    else shown.push(...partsOf(block, path, scope))
  }
  const parts = shown.length > 0 || results.length === 0 ? named(fields, shown) : shown
  return parts.length > 0 || results.length === 0 ? [...results, { role: 'user', parts }] : results
}

function assistantTurn({ blocks, fields }: MessageEntry, scope: BlockScope): DecodedTurn {
  const messages: Message[] = []
  const aside: UserPart[] = []
  let parts: AssistantPart[] = text(member(fields, 'reasoning_content')).map((shown) => ({
    ...shown,
    type: 'reasoning',
  }))
  const flush = () => {
    // The turn held only the reasoning of another model, so it is left out.
    if (parts.length > 0) messages.push({ role: 'assistant', parts })
    parts = []
  }
  for (const { block, path } of blocks) {
    if (isResult(block)) {
      flush()
      messages.push(toolResult(block, path, scope))
    } else if (isKnown(block) && block.type === 'tool_use') {
      const name = offeredName(block.toolset_name, block.name ?? '')
      parts.push({ type: 'tool-call', id: block.id ?? '', name, arguments: jsonText(block.input) || '{}' })
    } else if (isKnown(block) && block.type === 'mcp_tool_use') {
      const name = mcpToolName(block.server_name ?? '', block.name)
      parts.push({ type: 'tool-call', id: block.id, name, arguments: jsonText(block.input) || '{}' })
    } else if (isKnown(block) && block.type === 'thinking' && reasoningOf(block) !== undefined) {
      const reasoning = reasoningOf(block)
      if (reasoning) parts.push({ type: 'reasoning', text: reasoning })
    } else {
      const shown = partsOf(block, path, scope)
      parts.push(...shown.filter(isText))
      aside.push(...shown.filter((part) => !isText(part)))
    }
  }
  parts.push(
    ...text(member(fields, 'refusal')),
    ...listOf(fields.tool_calls)
      .filter(isFields)
      .map((call) => toolCall(call)),
  )
  if (isFields(fields.function_call)) parts.push({ ...toolCall(fields.function_call), id: scope.legacyCallId })
  flush()
  return { messages, aside: labelled(aside, 'the answer') }
}

function systemTurn(blocks: MessageEntry['blocks'], scope: BlockScope): DecodedTurn {
  const parts = blocks.flatMap(({ block, path }) => partsOf(block, path, scope))
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
  return block.type === 'tool_result' || (block.type === 'mcp_tool_result' && isKnown(block))
}

function isText(part: UserPart): part is TextPart {
  return part.type === 'text'
}

function toolResult({ tool_use_id, content, is_error }: ToolResultBlock, path: string, scope: BlockScope): Message {
  const blocks = readBlocks(content, `${path}.content`, scope.onIgnored)
  return { ...toolMessage(tool_use_id, blocks, scope), isError: is_error ?? false }
}

function toolMessage(
  callId: string | null | undefined,
  blocks: MessageEntry['blocks'],
  scope: BlockScope,
): ToolMessage {
  const result: BlockScope = { ...scope, speaker: 'tool' }
  const parts = blocks.flatMap(({ block, path }) => partsOf(block, path, result))
  return { role: 'tool', callId: callId ?? '', parts, isError: false }
}

/** The content of a block, whatever its role. */
function partsOf(shown: Block, path: string, scope: BlockScope): readonly UserPart[] {
  const block = isKnown(shown) ? shown : asOwnBlock(shown, path)
  if (block instanceof GatewayError) return unreadable(block, shown.type, path, scope)
  if (!isKnown(block)) {
    const video = videoTypes.some((type) => type === block.type) ? videoPart({ ...block }) : undefined
    return video ? [video] : otherParts(block, path, scope)
  }
  switch (block.type) {
    case 'text':
      return text(block.text)
    case 'image':
      return imageParts(block, path, scope)
    case 'document':
      return documentParts(block, path, scope)
    case 'search_result':
      return searchResult(block, path, scope)
    case 'tool_reference':
      return text(availableNow(block.tool_name))
    case 'tool_addition': {
      const name = block.tool.name ?? member(block.tool.definition, 'name')
      return name ? text(availableNow(name)) : []
    }
    case 'tool_removal':
      return block.tool.name ? text(`Tool ${block.tool.name} is no longer available.`) : []
    case 'mcp_tool_use':
      return text(
        element(block.type, { name: block.name, server: block.server_name ?? '' }, JSON.stringify(block.input ?? {})),
      )
    case 'tool_use':
      return text(element(block.type, { name: block.name }, JSON.stringify(block.input ?? {})))
    case 'tool_result':
    case 'mcp_tool_result':
      return toolMessage('', readBlocks(block.content, `${path}.content`, scope.onIgnored), scope).parts
    case 'thinking':
    case 'redacted_thinking':
      // Encrypted by another server.
      scope.onIgnored('messages (thinking of another model)')
      return []
    case 'container_upload':
      return unreadable(storedUpload(path), block.type, path, scope)
    default:
      return block satisfies never
  }
}

/**
 * A block of an unknown type becomes its text. Without text, all its members become the text if it is from a user or a
 * tool. From the assistant it is only reported as ignored, because a model imitates what it reads as its own replies.
 * A file becomes a note that it was attached.
 */
function otherParts(
  block: Extract<Block, { type: string }>,
  path: string,
  { speaker, onIgnored }: BlockScope,
): TextPart[] {
  if (block.type === 'mcp_tool_listing') return [] // read with the servers
  const content = contentOf(block)
  if ('words' in content) return text(content.words)
  if ('members' in content && (speaker === 'user' || speaker === 'tool')) return text(content.members)
  onIgnored(`${path} (${block.type})`)
  return 'members' in content ? [] : attached(block.type, speaker)
}

/** Throws if the sender can correct it. */
function unreadable(error: GatewayError, type: string, path: string, scope: BlockScope): TextPart[] {
  if (scope.refuses) throw error
  scope.onIgnored(`${path} (${type})`)
  return attached(type, scope.speaker)
}

function attached(type: string, speaker: BlockScope['speaker']): TextPart[] {
  return speaker === 'assistant' ? [] : text(`[${type} was attached here; it cannot be read.]`)
}

function searchResult(
  { title, source, content, citations }: SearchResultBlock,
  path: string,
  { onIgnored }: BlockScope,
): TextPart[] {
  if (citations?.enabled) onIgnored(`${path}.citations`)
  return text(element('search_result', { title, source }, textOf(content.flatMap((block) => text(block.text)))))
}

function imageParts(
  { source, data, mimeType, transformations }: ImageBlock,
  path: string,
  scope: BlockScope,
): UserPart[] {
  if (transformations?.oversized_image === 'error') scope.onIgnored(`${path}.transformations`)
  if (data && mimeType) return [{ type: 'image', source: { type: 'base64', mediaType: mimeType, data } }]
  switch (source?.type) {
    case undefined:
      return unreadable(invalidField(`${path}.source`, unreadableSource), 'image', path, scope)
    case 'base64':
      return [{ type: 'image', source: { type: 'base64', mediaType: source.media_type, data: source.data } }]
    case 'url':
      return [{ type: 'image', source: { type: 'url', url: source.url } }]
    case 'file':
      return unreadable(storedFile(`${path}.source`), 'image', path, scope)
    default:
      return source satisfies never
  }
}

function documentParts(
  { source, title, context, citations }: DocumentBlock,
  path: string,
  scope: BlockScope,
): UserPart[] {
  if (citations?.enabled) scope.onIgnored(`${path}.citations`)
  const document = { type: 'document' as const, title: title ?? undefined }
  // Files are read separately, so that the text about them comes first.
  const about = context ? text(element('document_context', { title }, context)) : []
  const asText = (inner: string) => text(element('document', { title, context }, inner))
  switch (source?.type) {
    case undefined:
      return unreadable(invalidField(`${path}.source`, unreadableSource), 'document', path, scope)
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
        block.type === 'image' ? imageParts(block, `${path}.source.content.${n}`, scope) : [],
      )
      return [...asText(textOf(words)), ...images]
    }
    case 'file':
      return unreadable(storedFile(`${path}.source`), 'document', path, scope)
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
