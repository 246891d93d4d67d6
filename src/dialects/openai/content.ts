import { dataOf } from '../../core/data-url.ts'
import { type GatewayError, invalidField } from '../../core/errors.ts'
import type { TextPart, UserPart } from '../../core/request.ts'
import { type Fields, fieldsOf, isFields, jsonText, textOr } from './json-fields.ts'
import { asMarkup, element } from './markup.ts'
import { isHttpUrl, urlOfSource } from './media-source.ts'
import { videoPart } from './video.ts'

/** How content is read. */
export interface ContentOptions {
  /** Receives the path and type of each part that is left out. */
  ignored: string[]
  /**
   * The content is from the user's newest message, so files that cannot be read are an error; elsewhere they are left
   * out.
   */
  rejects: boolean
}

/**
 * The parts of any content: a text, a list of parts in the forms of Chat Completions, of Responses or of Messages, or
 * any other value that a server or a tool wrote. What is no part becomes text.
 *
 * Errors: `invalid-request`, for the newest message only: for files by id (nothing is stored here) and for images and
 * files that are neither http(s) nor base64 data URLs.
 */
export function partsOf(content: unknown, path: string, reading: ContentOptions): UserPart[] {
  if (Array.isArray(content)) return content.flatMap((part, index) => partOf(part, `${path}.${index}`, reading))
  return partOf(content, path, reading)
}

/** The result of a tool: parts, or any other value. */
export function outputParts(output: unknown, path: string, reading: ContentOptions): UserPart[] {
  const isContent = typeof output === 'string' || output === undefined || output === null
  const areParts = [output].flat().every((part) => typeof part === 'string' || textOr(fieldsOf(part).type) !== '')
  return isContent || areParts ? partsOf(output, path, reading) : textPart(JSON.stringify(output))
}

export function partOf(part: unknown, path: string, reading: ContentOptions): UserPart[] {
  if (Array.isArray(part)) return partsOf(part, path, reading)
  if (!isFields(part)) return textPart(jsonText(part))
  switch (part.type) {
    case 'text':
    case 'input_text':
    case 'output_text':
    case 'summary_text':
    case 'reasoning_text':
      return textPart(wordsOf(part.text))
    case 'refusal':
      return textPart(textOr(part.refusal))
    case 'image_url':
    case 'input_image':
    case 'image':
    case 'computer_screenshot':
      return imageParts(part, path, reading)
    case 'video_url':
    case 'input_video':
    case 'video':
      return videoParts(part, path, reading)
    case 'file':
    case 'input_file':
    case 'document':
    case 'file_url':
      return fileParts(part, path, reading)
    case 'input_audio':
      // Without a note about it, the model would invent what was said.
      reading.ignored.push(`${path} (input_audio)`)
      return textPart('[Audio was attached here; it cannot be heard.]')
    case 'redacted_thinking':
      // Encrypted by another server.
      reading.ignored.push(`${path} (redacted_thinking)`)
      return []
    case 'tool_reference':
      return textPart(`Tool ${textOr(part.tool_name, 'of no name')} is now available.`)
    default:
      return otherParts(part, path, reading)
  }
}

/** Some assistants keep a text in an object, with annotations beside it. */
function wordsOf(text: unknown): string {
  return jsonText(isFields(text) && typeof text.value === 'string' ? text.value : text)
}

function otherParts(part: Fields, path: string, reading: ContentOptions): UserPart[] {
  const type = textOr(part.type)
  if (type === '' && typeof part.text === 'string') return textPart(part.text)
  if (isFileReference(part)) return unreadable(storedFile(`${path}.file_id`, type), 'A file', path, part, reading)
  const described = asMarkup(part)
  if (described === '') reading.ignored.push(`${path} (${type || 'no type'})`)
  return textPart(described)
}

/** `container_upload`, `image_file` and similar parts only name a file at another server. */
function isFileReference(part: Fields): boolean {
  return [part, ...Object.values(part).filter(isFields)].some(({ file_id }) => textOr(file_id) !== '')
}

/** `image_url` is a URL or, in Chat Completions, an object with one. Messages have a `source`, others an `image`. */
function imageParts(part: Fields, path: string, reading: ContentOptions): UserPart[] {
  const { image_url, image, url: plain, source } = part
  const url = [image_url, fieldsOf(image_url).url, image, plain, urlOfSource(fieldsOf(source))].find(isText) ?? ''
  if (url === '' && isFileReference(part))
    return unreadable(storedFile(`${path}.file_id`, textOr(part.type)), 'An image', path, part, reading)
  const data = dataOf(url)
  if (data) return [{ type: 'image', source: data }]
  if (isHttpUrl(url)) return [{ type: 'image', source: { type: 'url', url } }]
  const param = isFields(image_url) ? `${path}.image_url.url` : `${path}.${isFields(source) ? 'source' : 'image_url'}`
  const error = invalidField(param, 'expected an http(s) URL or a base64 data URL.')
  return unreadable(error, 'An image', path, part, reading)
}

function videoParts(part: Fields, path: string, reading: ContentOptions): UserPart[] {
  const video = videoPart(part)
  if (video) return [video]
  const error = invalidField(`${path}.video_url`, 'expected an http(s) URL or a base64 data URL.')
  return unreadable(error, 'A video', path, part, reading)
}

/** The fields are beside the type or, in Chat Completions, in `file`. Messages have a `source`. */
function fileParts(part: Fields, path: string, reading: ContentOptions): UserPart[] {
  const isNested = isFields(part.file)
  const { file_data, file_url, file_id, filename, title } = isNested ? fieldsOf(part.file) : part
  const source = fieldsOf(part.source)
  const name = textOr(filename) || textOr(title) || undefined
  const at = isNested ? `${path}.file` : path
  const refused = (error: GatewayError) => unreadable(error, 'A file', path, part, reading)
  if (source.type === 'text') return textPart(element('document', { title: name }, textOr(source.data)))
  if (source.type === 'content') return partsOf(source.content, `${path}.source.content`, reading)
  // Some hosts accept a URL in place of the content.
  const remote = [file_url, fieldsOf(file_url).url, file_data].find((found) => isHttpUrl(textOr(found)))
  const url = textOr(remote) || textOr(file_url) || (source.type === 'url' ? textOr(source.url) : '')
  if (url !== '') {
    if (!isHttpUrl(url)) return refused(invalidField(`${at}.file_url`, 'expected an http(s) URL.'))
    return [{ type: 'document', title: name, source: { type: 'url', url } }]
  }
  const dataUrl = textOr(file_data) || (source.type === 'base64' ? urlOfSource(source) : '')
  if (dataUrl === '')
    return refused(storedFile(isText(file_id) ? `${at}.file_id` : `${at}.file_data`, textOr(part.type)))
  const data = dataOf(dataUrl)
  if (!data) return refused(invalidField(`${at}.file_data`, 'expected a base64 data URL.'))
  if (!data.mediaType.startsWith('text/')) return [{ type: 'document', title: name, source: data }]
  const bytes = bytesOf(data.data)
  if (!bytes) return refused(invalidField(`${at}.file_data`, 'the base64 data is broken.'))
  return textPart(element('document', { title: name }, new TextDecoder().decode(bytes)))
}

/** An error if the sender can correct it, otherwise a sentence for the model. */
function unreadable(
  error: GatewayError,
  what: string,
  path: string,
  part: Fields,
  reading: ContentOptions,
): TextPart[] {
  if (reading.rejects) throw error
  reading.ignored.push(`${path} (${textOr(part.type)})`)
  return textPart(`[${what} was attached here, but it could not be read.]`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

export function textPart(value: string): TextPart[] {
  return value === '' ? [] : [{ type: 'text', text: value }]
}

function storedFile(param: string, type: string): GatewayError {
  return invalidField(param, `files by id are not stored here (${type}); send the content.`)
}

/** Decodes base64; `undefined` for other text. */
function bytesOf(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(base64)
  } catch {
    return undefined
  }
}
