import { dataOf } from '../../core/data-url.ts'
import { type GatewayError, invalidField } from '../../core/errors.ts'
import { element, isData, tagOf, withoutData } from '../openai/markup.ts'
import { isHttpUrl } from '../openai/media-source.ts'
import type { Block, OtherBlock } from './block-schema.ts'
import { member } from './text.ts'

/** Members that hold the text of a block in various APIs. The first that is present is used. */
const contentMembers = ['text', 'content', 'output', 'input', 'refusal', 'result', 'summary', 'arguments']
/** Members that hold or name binary data. */
const fileMembers = ['source', 'data', 'file_id', 'file', 'url', 'input_audio', 'audio', 'video_url']
/** Members that mean nothing to a model. */
const silentMembers = new Set(['type', 'id', 'cache_control', 'caller', 'signature', 'encrypted_content'])

/**
 * The text for a block of an unknown type: its text, a note that it holds a file, or all its members, which may contain
 * words under an unknown name.
 */
export function contentOf(block: OtherBlock): { words: string } | { file: true } | { members: string } {
  const words = wordsOf(block)
  const tag = tagOf(block.type)
  if (words !== undefined && isData(words)) return { file: true }
  if (words !== undefined) return { words: element(tag, attributesOf(block), words) }
  if (fileMembers.some((name) => !isEmpty(Reflect.get(block, name)))) return { file: true }
  const members = Object.entries(block).filter(([name, value]) => !silentMembers.has(name) && !isEmpty(value))
  return { members: element(tag, {}, JSON.stringify(Object.fromEntries(members), withoutData)) }
}

function wordsOf(block: OtherBlock): string | undefined {
  const value = contentMembers.map((name): unknown => Reflect.get(block, name)).find((found) => !isEmpty(found))
  if (value === undefined || typeof value === 'string') return value
  if (block.type === 'web_search_tool_result') return pagesOf(value)
  const texts = Array.isArray(value) ? value.map((part) => member(part, 'text')) : [undefined]
  return texts.includes(undefined) ? JSON.stringify(value, withoutData) : texts.join('\n')
}

/** The results of a search. Its other members are encrypted. */
function pagesOf(content: unknown): string {
  if (!Array.isArray(content)) return `error: ${member(content, 'error_code') ?? 'unknown'}`
  return content.map((page) => `- ${member(page, 'title') ?? member(page, 'url')}: ${member(page, 'url')}`).join('\n')
}

function attributesOf(block: OtherBlock): Record<string, string | undefined> {
  return { name: member(block, 'name'), server: member(block, 'server_name') }
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

/**
 * Converts a part in the form of OpenAI's APIs to a block; any other block is returned as it is. Error: for files by
 * id, and for images that are neither http(s) nor base64 data URLs.
 */
export function asOwnBlock(block: OtherBlock, path: string): Block | GatewayError {
  switch (block.type) {
    case 'input_text':
    case 'output_text':
    case 'summary_text':
      return { type: 'text', text: member(block, 'text') }
    case 'refusal':
      return { type: 'text', text: member(block, 'refusal') }
    case 'image_url':
    case 'input_image': {
      const image: unknown = Reflect.get(block, 'image_url')
      const url = typeof image === 'string' ? image : member(image, 'url')
      if (url !== undefined) {
        const source = sourceOf(url)
        return source ? { type: 'image', source } : invalidField(`${path}.image_url`, noAddress)
      }
      return member(block, 'file_id') === undefined ? block : storedFile(`${path}.file_id`)
    }
    case 'file':
    case 'file_url':
    case 'input_file': {
      const file: unknown = block.type === 'file' ? Reflect.get(block, 'file') : block
      const data =
        member(file, 'file_data') ?? member(file, 'file_url') ?? member(Reflect.get(block, 'file_url'), 'url')
      const title = member(file, 'filename')
      if (data !== undefined) {
        const source = sourceOf(data)
        return source ? { type: 'document', title, source } : invalidField(`${path}.file_data`, noAddress)
      }
      return member(file, 'file_id') === undefined ? block : storedFile(`${path}.file_id`)
    }
    default:
      return block
  }
}

const noAddress = 'expected an http(s) URL or a base64 data URL.'

function sourceOf(url: string) {
  const data = dataOf(url)
  if (data) return { type: 'base64' as const, media_type: data.mediaType, data: data.data }
  return isHttpUrl(url) ? { type: 'url' as const, url } : undefined
}

export function storedFile(param: string): GatewayError {
  return invalidField(param, 'files by id are not stored here; send the content as base64, text or a URL.')
}
