import { dataOf } from '../core/data-url.ts'
import { GatewayError } from '../core/errors.ts'
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
import { readDocument } from './document.ts'
import { fitImage, imageTypeOf } from './image.ts'
import type { AttachmentLimits } from './limits.ts'
import { lruCache } from './lru-cache.ts'
import type { ReadPdf } from './pdf-reader.ts'

/** Brings files into a form the model can take; rejects as `createAttachments` says. */
export type PrepareAttachments = (
  request: ChatRequest,
  reader: AttachmentReader,
  options: PrepareOptions,
) => Promise<ChatRequest>

/** Who gets to see the files. */
export interface AttachmentReader {
  model: Model
  upstream: Pick<Upstream, 'rejectsUnseenImages'>
}

export interface PrepareOptions {
  /** The request is only counted: nothing is fetched, and what is given by URL stays as it is. */
  counting: boolean
  signal: AbortSignal
  annotate: (note: string) => void
}

export interface AttachmentOptions {
  /** Rejects with GatewayError. */
  fetchFile: (url: string, signal: AbortSignal, maxBytes: number) => Promise<{ data: Uint8Array; mediaType: string }>
  readPdf: ReadPdf
  limits: AttachmentLimits
}

type Attachment = ImagePart | VideoPart | DocumentPart

/** What stands where the attachment stood. `ignored` is its kind's name in `unsupported`, when the model gets less. */
interface PreparedPart {
  parts: UserPart[]
  ignored?: 'images' | 'videos' | 'documents'
}

/** Everything that decides about one attachment. */
interface AttachmentContext extends AttachmentReader {
  /** Said by the user just now: a failure is an error, not a remark. */
  fresh: boolean
  options: PrepareOptions
}

/**
 * Documents become text, images become JPEG or PNG of a size the model takes, whatever the upstream.
 *
 * One rule decides what cannot be done (a broken or protected PDF, a damaged image, a file that is too large or cannot
 * be fetched). In the turn the user has just written it is an error, for the user must know: `invalid-request` (code
 * `invalid_image`, `invalid_document`) or `too-large`. In tool results, beside them, and in older turns a sentence in
 * brackets takes its place, for nobody could mend it there and the session has to go on; the name goes to
 * `unsupported`. Files of other types are such a sentence everywhere, and so is an image for a model without eyes,
 * unless it was just sent and the upstream means to refuse it.
 *
 * Images given by URL stay as they are: some upstreams fetch them by themselves. So do videos, and documents given
 * by URL, for a model that takes them; for any other a sentence takes the place of a video.
 * A request without attachments comes back as it is. Rejects with `cancelled` when the signal fires.
 */
export function createAttachments({ fetchFile, readPdf, limits }: AttachmentOptions): PrepareAttachments {
  // Clients send the whole conversation with every turn, so the same files come again and again.
  const recent = lruCache<UserPart[]>(limits.rememberedCharacters)

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
      if (!(thrown instanceof GatewayError) || !isOfFile(thrown)) throw thrown
      if (context.fresh) throw naming(part, thrown)
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
      return { parts: [remark(unseen(model, 'picture', fresh))], ignored: 'images' }
    }
    const { source } = embedded(part)
    if (source.type === 'url') return { parts: [part] }
    const key = [source.mediaType, keyOf(source.data)].join('\n')
    const known = recent.get(key)
    if (known) return { parts: known }
    const resized = await fitImage(source, limits, options.signal)
    // What stays as it is costs little to look at again.
    if (resized.source.data !== source.data) recent.put(key, [resized], lengthOf([resized]))
    return { parts: [resized] }
  }

  function video(part: VideoPart, { model, fresh, options }: AttachmentContext): PreparedPart {
    if (model.video) return { parts: [part] }
    options.annotate('video omitted')
    return { parts: [remark(unseen(model, 'video', fresh))], ignored: 'videos' }
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
            `${nameOf(part)} (${mediaType || 'of unknown type'}) was attached here, but only PDF, text and pictures can be read.`,
          ),
        ],
        ignored: 'documents',
      }
    recent.put(key, parts, lengthOf(parts))
    return { parts }
  }
}

function hasAttachment(message: Message): message is Extract<Message, { role: 'user' | 'tool' }> {
  return (message.role === 'user' || message.role === 'tool') && message.parts.some(({ type }) => type !== 'text')
}

/** A data URL as what it is. */
function embedded<Part extends Attachment>(part: Part): Part {
  const source = part.source.type === 'url' ? dataOf(part.source.url) : undefined
  return source ? { ...part, source } : part
}

/** Said to the model. Only what it is asked about now is worth a word to the user. */
function unseen({ id }: Model, what: 'picture' | 'video', fresh: boolean): string {
  const name = what === 'picture' ? 'image' : what
  return fresh
    ? `A ${what} was here. ${id} cannot see ${what}s: the answer has to say so; a vision model such as GLM-4.6V can.`
    : `${name} omitted: ${id} cannot see ${name}s; choose a vision model such as GLM-4.6V`
}

/** Whether another file would have fared better: not where the client has left, nor where there was no room here. */
function isOfFile({ kind }: GatewayError): boolean {
  return kind !== 'cancelled' && kind !== 'overloaded'
}

/** The same error, which says also which of the files it means. */
function naming(part: Attachment, error: GatewayError): GatewayError {
  if (part.type !== 'document' || part.title === undefined) return error
  const { kind, code } = error
  return new GatewayError(kind, `${nameOf(part)}: ${error.message}`, { code, param: 'messages', cause: error })
}

function nameOf(part: Attachment): string {
  if (part.type === 'image') return 'A picture'
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
