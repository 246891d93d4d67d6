import { dataOf } from '../core/data-url.ts'
import { GatewayError } from '../core/errors.ts'
import { lruCache } from '../core/lru-cache.ts'
import {
  type ChatRequest,
  type DocumentPart,
  type ImagePart,
  lastUserTurn,
  type Message,
  type TextPart,
  type UserPart,
  type VideoPart,
} from '../core/request.ts'
import type { Model, Upstream } from '../core/upstream.ts'
import { fitImage, imageTypeOf } from './convert-image.ts'
import { readDocument } from './document.ts'
import type { AttachmentLimits } from './limits.ts'
import type { ReadPdf } from './pdf-reader.ts'

/** Converts attached files into a form that the model accepts. Rejects as described at `createAttachments`. */
export type PrepareAttachments = (
  request: ChatRequest,
  reader: AttachmentReader,
  options: PrepareOptions,
) => Promise<ChatRequest>

/** The model that gets the files. */
export interface AttachmentReader {
  model: Model
  upstream: Pick<Upstream, 'rejectsUnseenImages'>
}

export interface PrepareOptions {
  /** The request is only counted: nothing is fetched, and files given by URL stay unchanged. */
  counting: boolean
  signal: AbortSignal
  annotate: (note: string) => void
}

export interface AttachmentOptions {
  /** Rejects with GatewayError. */
  fetchFile: (url: string, signal: AbortSignal, maxBytes: number) => Promise<{ data: Uint8Array; mediaType: string }>
  readPdf: ReadPdf
  limits: AttachmentLimits
  /** A model that accepts images and video, which errors suggest if the model of the request does not. */
  visionExample: string
}

type Attachment = ImagePart | VideoPart | DocumentPart

/** The replacement of one attachment. `ignored` is set if the model gets less than was sent. */
interface PreparedPart {
  parts: UserPart[]
  ignored?: 'images' | 'videos' | 'documents'
}

/** The facts that decide how an attachment is handled. */
interface AttachmentContext extends AttachmentReader {
  /**
   * The attachment is in the user's latest turn, so a failure is an error. In older turns a failure becomes a note to
   * the model.
   */
  fresh: boolean
  options: PrepareOptions
}

/**
 * Converts documents into text, and images into JPEG or PNG of a size that the model accepts, for every upstream.
 *
 * A file may be unusable: a broken or protected PDF, a damaged image, or a file that is too large or cannot be fetched.
 * - In the user's latest turn that is an error, because the user can correct it: `invalid-request` (code
 *   `invalid_image` or `invalid_document`) or `too-large`.
 * - In older turns, in tool results and beside them, the file is replaced by a sentence in brackets and listed in
 *   `ignored`, because nobody could correct it and the session has to continue.
 * - A file of an unsupported type is replaced like that in every turn. So is an image for a model without vision, unless
 *   it is in the latest turn and the upstream refuses such requests itself.
 *
 * Images given by URL stay unchanged, because some upstreams fetch them. Videos, and documents given by URL, stay
 * unchanged for a model that accepts them. For any other model a video is replaced by a sentence.
 * A request without attachments is returned as it is. Rejects with `cancelled` when the signal fires.
 */
export function createAttachments({
  fetchFile,
  readPdf,
  limits,
  visionExample,
}: AttachmentOptions): PrepareAttachments {
  // Clients send the whole conversation with every turn, so the same files arrive repeatedly.
  const recent = lruCache<string, UserPart[]>({ maxSize: limits.rememberedCharacters })

  return async (request, reader, options) => {
    if (!request.messages.some(hasAttachment)) return request
    const freshFrom = lastUserTurn(request.messages)
    const ignored = new Set<string>()
    const messages = await Promise.all(
      request.messages.map(async (message, index) => {
        if (!hasAttachment(message)) return message
        const context = { ...reader, fresh: index >= freshFrom, options }
        const prepared = await Promise.all(message.parts.map((part) => prepare(part, context)))
        for (const part of prepared) if (part.ignored) ignored.add(part.ignored)
        return { ...message, parts: prepared.flatMap(({ parts }) => parts) }
      }),
    )
    return { ...request, messages, ignored: [...request.ignored, ...ignored] }
  }

  async function prepare(part: UserPart, context: AttachmentContext): Promise<PreparedPart> {
    if (part.type === 'text') return { parts: [part] }
    if (part.type === 'video') return video(part, context)
    try {
      return part.type === 'image' ? await image(part, context) : await document(part, context)
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || !isCausedByFile(thrown)) throw thrown
      if (context.fresh) throw withTitle(part, thrown)
      context.options.annotate(`attachment left out: ${thrown.code}`)
      return {
        parts: [remark(`${nameOf(part)} was attached here, but the model cannot have it. ${thrown.message}`)],
        ignored: `${part.type}s`,
      }
    }
  }

  async function image(part: ImagePart, { model, upstream, fresh, options }: AttachmentContext): Promise<PreparedPart> {
    if (!model.vision) {
      if (fresh && upstream.rejectsUnseenImages) return { parts: [part] }
      options.annotate('image omitted')
      return { parts: [remark(omission(model, 'image', fresh))], ignored: 'images' }
    }
    const { source } = embedded(part)
    if (source.type === 'url') return { parts: [part] }
    const key = [source.mediaType, keyOf(source.data)].join('\n')
    const known = recent.get(key)
    if (known) return { parts: known }
    const resized = await fitImage(source, limits, options.signal)
    // An unchanged image is cheap to check again, so it is not kept.
    if (resized.source.data !== source.data) recent.set(key, [resized], lengthOf([resized]))
    return { parts: [resized] }
  }

  function video(part: VideoPart, { model, fresh, options }: AttachmentContext): PreparedPart {
    if (model.video) return { parts: [part] }
    options.annotate('video omitted')
    return { parts: [remark(omission(model, 'video', fresh))], ignored: 'videos' }
  }

  async function document(part: DocumentPart, context: AttachmentContext): Promise<PreparedPart> {
    const { model, options } = context
    const { source } = embedded(part)
    if (source.type === 'url' && (options.counting || model.files)) return { parts: [part] }
    const { data, mediaType } =
      source.type === 'url'
        ? await fetchFile(source.url, options.signal, limits.maxDocumentBytes)
        : { data: Buffer.from(source.data, 'base64'), mediaType: source.mediaType }
    const imageType = imageTypeOf(data)
    if (imageType !== undefined) {
      const resizedImage = { type: 'base64', mediaType: imageType, data: data.toBase64() } as const
      return image({ type: 'image', source: resizedImage }, context)
    }
    const key = [part.title, mediaType, model.vision, keyOf(data)].join('\n')
    const known = recent.get(key)
    if (known) return { parts: known }
    const file = { data, mediaType: mediaType.toLowerCase(), title: part.title }
    const parts = await readDocument(file, { vision: model.vision, limits, readPdf, ...options })
    if (parts === undefined)
      return {
        parts: [
          remark(
            `${nameOf(part)} (${mediaType || 'of unknown type'}) was attached here, but only PDF, text and images can be read.`,
          ),
        ],
        ignored: 'documents',
      }
    recent.set(key, parts, lengthOf(parts))
    return { parts }
  }

  /** The text for the model in place of an image or video. In the latest turn it also tells the model to inform the user. */
  function omission({ id }: Model, what: 'image' | 'video', fresh: boolean): string {
    return fresh
      ? `${what === 'image' ? 'An' : 'A'} ${what} was here. ${id} cannot see ${what}s: the answer has to say so; a vision model such as ${visionExample} can.`
      : `${what} omitted: ${id} cannot see ${what}s; choose a vision model such as ${visionExample}`
  }
}

function hasAttachment(message: Message): message is Extract<Message, { role: 'user' | 'tool' }> {
  return (message.role === 'user' || message.role === 'tool') && message.parts.some(({ type }) => type !== 'text')
}

/** Decodes a data URL into a source with data; any other part is returned as it is. */
function embedded<Part extends Attachment>(part: Part): Part {
  const source = part.source.type === 'url' ? dataOf(part.source.url) : undefined
  return source ? { ...part, source } : part
}

/** Whether the file is the cause of an error. It is not if the client has disconnected or the gateway is overloaded. */
function isCausedByFile({ kind }: GatewayError): boolean {
  return kind !== 'cancelled' && kind !== 'overloaded'
}

/** The same error with the title of the file in its message. */
function withTitle(part: Attachment, error: GatewayError): GatewayError {
  if (part.type !== 'document' || part.title === undefined) return error
  const { kind, code } = error
  return new GatewayError(kind, `${nameOf(part)}: ${error.message}`, { code, param: 'messages', cause: error })
}

function nameOf(part: Attachment): string {
  if (part.type === 'image') return 'An image'
  if (part.type === 'video') return 'A video'
  return part.title === undefined ? 'A file' : `The file "${part.title}"`
}

function remark(sentence: string): TextPart {
  return { type: 'text', text: `[${sentence}]` }
}

function keyOf(data: string | Uint8Array): string {
  return Bun.CryptoHasher.hash('sha256', data, 'base64')
}

function lengthOf(parts: readonly UserPart[]): number {
  return parts.reduce((sum, part) => {
    if (part.type === 'text') return sum + part.text.length
    return part.source.type === 'base64' ? sum + part.source.data.length : sum
  }, 0)
}
