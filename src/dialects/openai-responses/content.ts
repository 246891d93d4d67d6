import { GatewayError } from '../../core/errors.ts'
import type { TextPart, UserPart } from '../../core/request.ts'
import { bytesOf, dataOf } from '../openai/data-url.ts'
import { type Fields, fieldsOf, isFields, listOf, textOr } from '../openai/fields.ts'
import { tagged } from './tagged.ts'

/** How content is read. */
export interface Reading {
  /** Takes the path of each part that has to be left out, with its type. */
  unheard: string[]
  /** The user has just sent it, and can send something else: files that cannot be read are refused, not left out. */
  refuses: boolean
}

/**
 * The parts of any content: a text, a list of parts in the shapes of this API, of Chat Completions or of Messages, or
 * whatever else a server or a tool has put there. What is no part becomes text.
 */
export function partsOf(content: unknown, path: string, reading: Reading): UserPart[] {
  if (Array.isArray(content)) return content.flatMap((part, index) => partOf(part, `${path}.${index}`, reading))
  return partOf(content, path, reading)
}

function partOf(part: unknown, path: string, reading: Reading): UserPart[] {
  if (!isFields(part)) return part === undefined || part === null ? [] : text(String(part))
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'summary_text':
    case 'reasoning_text':
    case 'text':
      return text(textOr(part.text))
    case 'refusal':
      return text(textOr(part.refusal))
    case 'input_image':
    case 'image_url':
    case 'image':
    case 'computer_screenshot':
      return imageParts(part, path, reading)
    case 'input_file':
    case 'file':
    case 'document':
      return fileParts(part, path, reading)
    case 'input_audio':
      // Left out in silence, the model would invent what was said.
      reading.unheard.push(`${path} (input_audio)`)
      return text('[Audio was attached here; it cannot be heard.]')
    default:
      return otherParts(part, path, reading)
  }
}

function otherParts(part: Fields, path: string, { unheard }: Reading): TextPart[] {
  const told = tagged(part)
  if (told === '') unheard.push(`${path} (${textOr(part.type, 'no type')})`)
  return text(told)
}

/** `image_url` is a URL or, in Chat Completions, an object with one; Messages have a `source`. */
function imageParts(part: Fields, path: string, reading: Reading): UserPart[] {
  const { image_url, file_id, source } = part
  const inner = fieldsOf(image_url)
  const url = textOr(image_url) || textOr(inner.url) || sourceUrl(fieldsOf(source))
  if (url === '' && (file_id || fieldsOf(source).file_id))
    return unreadable(storedFile(`${path}.file_id`), 'An image', path, part, reading)
  const data = dataOf(url)
  if (data) return [{ type: 'image', source: data }]
  if (isRemote(url)) return [{ type: 'image', source: { type: 'url', url } }]
  const param = isFields(image_url) ? `${path}.image_url.url` : `${path}.image_url`
  const error = invalid(param, 'expected an http(s) URL or a base64 data URL.')
  return unreadable(error, 'An image', path, part, reading)
}

function sourceUrl({ type, url, media_type, data }: Fields): string {
  return type === 'base64' ? `data:${textOr(media_type)};base64,${textOr(data)}` : textOr(url)
}

/** The members stand beside the type or, in Chat Completions, in `file`; Messages have a `source`. */
function fileParts(part: Fields, path: string, reading: Reading): UserPart[] {
  const isNested = isFields(part.file)
  const { file_data, file_url, file_id, filename, title } = isNested ? fieldsOf(part.file) : part
  const source = fieldsOf(part.source)
  const name = textOr(filename) || textOr(title) || undefined
  const at = isNested ? `${path}.file` : path
  const refused = (error: GatewayError) => unreadable(error, 'A file', path, part, reading)
  if (source.type === 'text') return text(document(textOr(source.data), name))
  if (Array.isArray(source.content)) return partsOf(source.content, `${path}.source.content`, reading)
  const url = textOr(file_url) || (source.type === 'url' ? textOr(source.url) : '')
  if (url !== '') {
    if (!isRemote(url)) return refused(invalid(`${at}.file_url`, 'expected an http(s) URL.'))
    return [{ type: 'document', title: name, source: { type: 'url', url } }]
  }
  const dataUrl = textOr(file_data) || (source.type === 'base64' ? sourceUrl(source) : '')
  if (dataUrl === '') return refused(storedFile(file_id ? `${at}.file_id` : `${at}.file_data`))
  const data = dataOf(dataUrl)
  if (!data) return refused(invalid(`${at}.file_data`, 'expected a base64 data URL.'))
  if (!data.mediaType.startsWith('text/')) return [{ type: 'document', title: name, source: data }]
  const bytes = bytesOf(data.data)
  if (!bytes) return refused(invalid(`${at}.file_data`, 'the base64 data is broken.'))
  return text(document(new TextDecoder().decode(bytes), name))
}

function document(content: string, title: string | undefined): string {
  return `<document${title ? ` title="${title.replaceAll('"', '&quot;')}"` : ''}>\n${content}\n</document>`
}

/** An error where somebody can send the right thing instead, a sentence where it came with an older turn or a tool. */
function unreadable(error: GatewayError, what: string, path: string, part: Fields, reading: Reading): TextPart[] {
  if (reading.refuses) throw error
  reading.unheard.push(`${path} (${textOr(part.type)})`)
  return text(`[${what} was attached here, but it could not be read.]`)
}

function isRemote(url: string): boolean {
  return /^https?:\/\//i.test(url)
}

export function text(value: string): TextPart[] {
  return value === '' ? [] : [{ type: 'text', text: value }]
}

/** What each command said and how it ended. */
export function shellOutput(output: unknown): string {
  return listOf(output)
    .map(fieldsOf)
    .flatMap(({ stdout, stderr, outcome }) => [textOr(stdout), textOr(stderr), ending(fieldsOf(outcome))])
    .filter((part) => part !== '')
    .join('\n')
}

function ending({ type, exit_code }: Fields): string {
  return type === 'timeout' ? '[timed out]' : `[exit code ${exit_code ?? 'unknown'}]`
}

function storedFile(param: string): GatewayError {
  return invalid(param, 'files by id are not stored here; send the content.')
}

export function invalid(param: string, reason: string): GatewayError {
  return new GatewayError('invalid-request', `${param}: ${reason}`, { param })
}
