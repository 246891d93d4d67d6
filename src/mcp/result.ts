import type { CallToolResult } from '@modelcontextprotocol/client'
import { type McpResult, mcpResultText } from '../core/mcp.ts'
import type { Redact } from '../core/redact.ts'
import type { UserPart } from '../core/request.ts'

/** The result of a call: its text for the client, and its images for the model. */
export interface ReadResult {
  result: McpResult
  images: UserPart[]
}

type Content = CallToolResult['content'][number]

export function readResult({ content, structuredContent, isError }: CallToolResult): ReadResult {
  const words = content.map(textOf).filter((text) => text !== '')
  // The protocol requires that the text repeats the structured result. Some servers send only the structured one.
  const text =
    words.length > 0 || structuredContent === undefined ? words.join('\n') : JSON.stringify(structuredContent)
  const result: McpResult = isError ? { error: { kind: 'tool', code: 0, message: text || noReason } } : { output: text }
  return { result, images: content.flatMap(imageOf) }
}

const noReason = 'the tool failed, and gives no reason.'

function textOf(block: Content): string {
  switch (block.type) {
    case 'text':
      return block.text
    case 'image':
    case 'audio':
      return `[${block.mimeType}]`
    case 'resource_link':
      return `[${block.name}](${block.uri})`
    case 'resource':
      return 'text' in block.resource ? block.resource.text : `[${block.resource.uri}]`
    default:
      return block satisfies never
  }
}

function imageOf(block: Content): UserPart[] {
  if (block.type !== 'image') return []
  return [{ type: 'image', source: { type: 'base64', mediaType: block.mimeType, data: block.data } }]
}

/** Longer than any secret. */
const margin = 8 * 1024

/**
 * The result with at most `longest` characters of text, and without secrets. Only the beginning of the text is searched
 * for secrets, because a search of megabytes takes seconds. The search goes a little beyond the cut, because it would
 * not find a secret that is cut in two.
 */
export function shortened(result: McpResult, longest: number, redact: Redact): McpResult {
  const text = 'output' in result ? result.output : result.error.message
  const safe = redact(text.slice(0, longest + margin))
  if (text.length <= longest) return withText(result, safe)
  // The last `margin` characters of the searched text may hold a part of a secret, so they are not used. `safe` may be
  // shorter than the searched text, so they are counted from its end.
  const whole = text.length <= longest + margin ? safe.length : Math.max(0, safe.length - margin)
  const beginning = safe.slice(0, Math.min(longest, whole)).toWellFormed()
  return withText(result, `${beginning}\n${noteOfCut(text.length, longest)}`)
}

function withText(result: McpResult, text: string): McpResult {
  return 'output' in result ? { output: text } : { error: { ...result.error, message: text } }
}

function noteOfCut(length: number, longest: number): string {
  return `[Cut here: ${length} characters, of which MCP_MAX_RESULT passes on ${longest}.]`
}

/** The parts for the model: the text, then the images. */
export function partsOf(result: McpResult, images: readonly UserPart[]): UserPart[] {
  return [{ type: 'text', text: mcpResultText(result) }, ...images]
}

/** The result of a call that is not made. */
export function refused(limit: string): ReadResult {
  const message = `This call was not made: the limit of ${limit} is reached. Answer with what is known.`
  return { result: { error: { kind: 'protocol', code: -32000, message } }, images: [] }
}
