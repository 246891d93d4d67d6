import { type GatewayError, invalidField } from '../../core/errors.ts'
import type { TextPart, UserPart } from '../../core/request.ts'
import { partOf, textPart } from '../openai/content.ts'
import { type Fields, fieldsOf, isFields, jsonText, textOr } from '../openai/json-fields.ts'
import { asMarkup } from '../openai/markup.ts'
import { isHttpUrl } from '../openai/media-source.ts'
import { inSnakeCase } from './spelling.ts'

/** How parts are read. */
export interface PartOptions {
  /** Receives the path and kind of each part that is left out. */
  onIgnored: (name: string) => void
  /** The parts are the user's newest ones: files that cannot be read are an error. Elsewhere a sentence replaces them. */
  rejects: boolean
}

/**
 * The parts of a content. Google's API also takes a single part, as its reference writes system instructions. What is no
 * object is a text.
 */
export function partsIn(parts: unknown): Fields[] {
  return (Array.isArray(parts) ? parts : [parts]).map((part) => (isFields(part) ? part : { text: jsonText(part) }))
}

/**
 * Reads a part that is neither a call, nor a result, nor reasoning. Parts with a `type` come from other APIs. A part of
 * an unknown kind becomes text if it has words.
 *
 * Errors: `invalid-request` for files that are stored at Google or have no content, if `rejects`.
 */
export function contentOf(part: Fields, path: string, reading: PartOptions): UserPart[] {
  if (part.videoMetadata) reading.onIgnored(`${path}.videoMetadata`)
  if (part.mediaResolution) reading.onIgnored(`${path}.mediaResolution`)
  if (isFields(part.inlineData)) return inlinePart(part.inlineData, `${path}.inlineData`, reading)
  if (isFields(part.fileData)) return filePart(part.fileData, `${path}.fileData`, reading)
  if (typeof part.type === 'string') return partOfOthers(part, path, reading)
  const text = jsonText(part.text)
  if (text !== '') return textPart(text)
  const [kind, value] = Object.entries(part).find(([name, member]) => !besides.has(name) && member) ?? []
  if (kind === undefined) return []
  const words = asMarkup({ ...(isFields(value) ? value : { [kind]: value }), type: kind })
  if (words === '') reading.onIgnored(`${path} (${kind})`)
  return textPart(words)
}

function partOfOthers(part: Fields, path: string, { onIgnored, rejects }: PartOptions): UserPart[] {
  const ignored: string[] = []
  const parts = partOf(inSnakeCase(part), path, { ignored, rejects })
  ignored.forEach(onIgnored)
  return parts
}

/** Members that say something about the part. */
const besides = new Set([
  'mediaProcessing',
  'mediaResolution',
  'partMetadata',
  'speechMetadata',
  'text',
  'thought',
  'thoughtSignature',
  'videoMetadata',
])

function inlinePart(blob: Fields, path: string, reading: PartOptions): UserPart[] {
  const mediaType = textOr(blob.mimeType)
  const data = textOr(blob.data)
  if (mediaType === '' || data === '')
    return unreadable(invalidField(path, 'expected mimeType and base64 data.'), path, reading)
  return mediaPart(mediaType, { type: 'base64', mediaType, data }, blob, path, reading)
}

function filePart(file: Fields, path: string, reading: PartOptions): UserPart[] {
  const url = textOr(file.fileUri)
  if (!isHttpUrl(url) || /^https:\/\/generativelanguage\.googleapis\.com\//i.test(url))
    return unreadable(
      invalidField(`${path}.fileUri`, 'files are not stored here; send the content as inlineData, or an http(s) URL.'),
      path,
      reading,
    )
  return mediaPart(textOr(file.mimeType), { type: 'url', url }, file, path, reading)
}

type Source = Extract<UserPart, { type: 'document' }>['source']

function mediaPart(mediaType: string, source: Source, file: Fields, path: string, reading: PartOptions): UserPart[] {
  const [kind] = mediaType.toLowerCase().split('/')
  if (kind === 'image' || kind === 'video') return [{ type: kind, source }]
  if (kind === 'audio') {
    // Without a note about it, the model would invent what was said.
    reading.onIgnored(`${path} (audio)`)
    return textPart('[Audio was attached here; it cannot be heard.]')
  }
  return [{ type: 'document', title: textOr(file.displayName) || undefined, source }]
}

function unreadable(error: GatewayError, path: string, { rejects, onIgnored }: PartOptions): TextPart[] {
  if (rejects) throw error
  onIgnored(path)
  return textPart('[A file was attached here, but it could not be read.]')
}

/**
 * The result of a function. If `output`, `result` or `error` is the only member of the response, its value is the result;
 * `error` says that the function failed. Otherwise the whole response is the result.
 */
export function resultOf(
  functionResponse: Fields,
  path: string,
  reading: PartOptions,
): { parts: UserPart[]; isError: boolean } {
  const { response, parts, scheduling, willContinue } = functionResponse
  // It is for functions that run on while the conversation continues.
  if (scheduling) reading.onIgnored(`${path}.scheduling`)
  if (willContinue) reading.onIgnored(`${path}.willContinue`)
  const members = fieldsOf(response)
  const names = Object.keys(members)
  const only = names.length === 1 ? names[0] : undefined
  const value = only === 'output' || only === 'result' || only === 'error' ? members[only] : (response ?? '')
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const files = partsIn(parts).flatMap((part, index) => contentOf(part, `${path}.parts.${index}`, reading))
  return { parts: [...textPart(text), ...files], isError: only === 'error' }
}
