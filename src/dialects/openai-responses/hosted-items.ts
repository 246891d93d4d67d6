import { mcpToolName } from '../../core/mcp.ts'
import type { UserPart } from '../../core/request.ts'
import { partsOf, textPart } from '../openai/content.ts'
import { type Fields, fieldsOf, jsonText, listOf, textOr } from '../openai/json-fields.ts'
import { asMarkup } from '../openai/markup.ts'
import { addResult, type ConversationState, isByAssistant, leaveOut } from './conversation-state.ts'

/** A call without an id cannot be told from others. */
export function decodeMcpCall(item: Fields, path: string, state: ConversationState): void {
  const id = textOr(item.id)
  const name = textOr(item.name)
  if (id === '' || name === '') {
    decodeUnknown(item, path, state)
    return
  }
  addMcpCall(id, item, state)
  const isError = isGiven(item.error)
  const words = isError ? mcpErrorWords(item.error) : jsonText(item.output) || 'It has no result.'
  addResult(state, { callId: id, parts: textPart(words), name, isError })
}

export function decodeApprovalRequest(item: Fields, _path: string, state: ConversationState): void {
  const outcome = state.approvals.outcomeOf(item)
  if (outcome === 'made') return
  const id = textOr(item.id)
  addMcpCall(id, item, state)
  if ('call' in outcome) state.approved.push(outcome.call)
  else addResult(state, { callId: id, parts: textPart(outcome.words), name: '' })
}

function addMcpCall(id: string, item: Fields, { builder }: ConversationState): void {
  builder.call(id, mcpToolName(textOr(item.server_label), textOr(item.name)), jsonText(item.arguments) || '{}')
}

export function decodeApprovalResponse(item: Fields, path: string, state: ConversationState): void {
  if (!state.approvals.answers(item)) decodeUnknown(item, path, state)
}

/** Calls and results of tools that run elsewhere, and unknown items. */
export function decodeUnknown(item: Fields, path: string, state: ConversationState): void {
  const { builder } = state
  const { result, output, ...others } = item
  const images = item.type === 'image_generation_call' ? generatedImage(item) : shown(output, `${path}.output`, state)
  builder.setAside(images)
  const markup = asMarkup(images.length === 0 ? item : others)
  if (markup === '' && images.length === 0) leaveOut(item, path, state)
  else if (isByAssistant(item)) builder.assistant(...textPart(markup))
  else if (markup !== '') builder.user(textPart(markup))
}

/** The image that a hosted tool has made. */
function generatedImage({ result, output_format }: Fields): UserPart[] {
  const data = textOr(result)
  const mediaType = `image/${textOr(output_format, 'png')}`
  return data === '' ? [] : [{ type: 'image', source: { type: 'base64', mediaType, data } }]
}

function shown(output: unknown, path: string, { ignored }: ConversationState): UserPart[] {
  const { type } = fieldsOf(output)
  return type === 'computer_screenshot' ? partsOf(output, path, { ignored, rejects: false }) : []
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** The words of an error in any of its forms. */
function mcpErrorWords(error: unknown): string {
  const { message, content } = fieldsOf(error)
  const words = listOf(content).map((part) => textOr(fieldsOf(part).text))
  return textOr(message) || words.join('\n') || jsonText(error)
}
