import { type AttachmentOptions, type AttachmentReader, createAttachments } from '../../src/attachments/index.ts'
import { type AttachmentLimits, limitsWith } from '../../src/attachments/limits.ts'
import type { ChatRequest, Message, UserPart } from '../../src/core/request.ts'
import type { Model } from '../../src/core/upstream.ts'
import { pdfOf, readPdfHere } from '../support/pdf.ts'
import { plainRequest } from '../support/request.ts'

export const sees: Model = {
  id: 'GLM-4.6V',
  upstreamId: 'glm-4.6v',
  createdAtSeconds: 0,
  vision: true,
  reasoning: 'never',
  search: false,
}
const blind: Model = { ...sees, id: 'GLM-5', upstreamId: 'glm-5', vision: false }

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))
export const base64Of = (data: string | Uint8Array) => Buffer.from(data).toString('base64')
export const gif = bytesOf('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7')
export const imageOf = (width: number, height: number) => new Bun.Image(gif).resize(width, height)

export const text = (words: string): UserPart => ({ type: 'text', text: words })
export const image = (data: Uint8Array | string, mediaType = 'image/png'): UserPart => ({
  type: 'image',
  source: { type: 'base64', mediaType, data: base64Of(data) },
})
export const document = (data: Uint8Array | string, mediaType = 'application/pdf', title?: string): UserPart => ({
  type: 'document',
  ...(title === undefined ? {} : { title }),
  source: { type: 'base64', mediaType, data: base64Of(data) },
})
export const remote = (url: string): UserPart => ({ type: 'document', source: { type: 'url', url } })

export const said = (...parts: UserPart[]): Message => ({ role: 'user', parts })
export const answered: Message = { role: 'assistant', parts: [{ type: 'text', text: 'I see.' }] }
export const called: Message = {
  role: 'assistant',
  parts: [{ type: 'tool-call', id: 'call-1', name: 'read', arguments: '{}' }],
}
export const result = (...parts: UserPart[]): Message => ({ role: 'tool', callId: 'call-1', parts, isError: false })

export function requestOf(...messages: Message[]): ChatRequest {
  return plainRequest({
    model: 'any',
    messages,
  })
}

export interface World extends Partial<AttachmentOptions> {
  model?: Model
  upstream?: AttachmentReader['upstream']
  counting?: boolean
  limits?: AttachmentLimits
  signal?: AbortSignal
}

export const limits = limitsWith(1024 * 1024)

export function preparer(world: World = {}) {
  const { model = blind, upstream = {}, counting = false, signal = new AbortController().signal, ...more } = world
  const notes: string[] = []
  const prepare = createAttachments({
    fetchFile: async () => {
      throw new Error('nothing is fetched here')
    },
    readPdf: readPdfHere,
    limits,
    visionExample: 'GLM-4.6V',
    ...more,
  })
  const annotate = (words: string) => void notes.push(words)
  return {
    notes,
    prepare: (request: ChatRequest) => prepare(request, { model, upstream }, { counting, signal, annotate }),
  }
}

/** The prepared form of one message at the end of a conversation. */
export async function preparedParts(world: World, ...messages: Message[]): Promise<readonly UserPart[]> {
  const { messages: prepared } = await preparer(world).prepare(requestOf(...messages))
  const last = prepared.at(-1)
  return last?.role === 'user' || last?.role === 'tool' ? last.parts : []
}

export const letter = pdfOf([{ lines: ['Dear reader,', 'all is well.'] }])
export const twoPages = pdfOf([{ lines: ['The first page'] }, { lines: ['The second page'] }])

export function dataOf(part: UserPart | undefined): Uint8Array<ArrayBuffer> {
  if (part?.type !== 'image' || part.source.type !== 'base64') throw new Error('not an image in the request')
  return bytesOf(part.source.data)
}

export function metadataOf(part: UserPart | undefined) {
  return new Bun.Image(dataOf(part)).metadata()
}

export async function sizeOf(part: UserPart | undefined) {
  const { width, height } = await metadataOf(part)
  return { width, height }
}
