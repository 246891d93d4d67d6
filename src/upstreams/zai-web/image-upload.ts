import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../../core/clock.ts'
import { visionExample } from '../../core/default-models.ts'
import { GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import { type LruCache, lruCache } from '../../core/lru-cache.ts'
import type { ImagePart } from '../../core/request.ts'
import type { WebAccount } from './accounts/account-api.ts'
import type { WebClient } from './client.ts'
import { bodyError } from './errors.ts'

/** `fetchRemoteFile` of http-client/remote-file.ts, with its address check and limits. */
export type FetchImage = (url: string, signal: AbortSignal) => Promise<{ data: Uint8Array; mediaType: string }>

/** An image that was uploaded to the site. */
export interface WebFile {
  id: string
  /** Its entry in a request's `files`, which names the message that it belongs to. */
  entry(userMessageId: string): object
}

export interface UploadOptions {
  client: WebClient
  account: WebAccount
  version: string
  fetchImage: FetchImage
  newUuid: () => string
  signal: AbortSignal
  maxImageBytes: number
  uploads: Uploads
}

/** Remembers uploaded files by the account that uploaded them. */
export interface Uploads {
  get(account: WebAccount, key: string): UploadedFile | undefined
  put(account: WebAccount, key: string, file: UploadedFile): void
  /** Forgets the files of the account, in case the site no longer accepts references to them: they are uploaded again. */
  forget(account: WebAccount): void
}

/** The site's retention time is unknown; most conversations have shorter pauses than this. */
const keepForMs = 60 * 60_000
/** Files per account. One request refers to all images of its conversation. */
const maxFiles = 200

/** Clients send the whole conversation with every turn, so the same images come again and again. */
export function createUploads(clock: Clock): Uploads {
  const byAccount = new WeakMap<WebAccount, LruCache<string, { file: UploadedFile; goodUntil: number }>>()
  return {
    get(account, key) {
      const entry = byAccount.get(account)?.get(key)
      return entry !== undefined && clock.monotonic() < entry.goodUntil ? entry.file : undefined
    },
    put(account, key, file) {
      const files = byAccount.get(account) ?? lruCache({ maxEntries: maxFiles })
      byAccount.set(account, files)
      files.set(key, { file, goodUntil: clock.monotonic() + keepForMs })
    },
    forget: (account) => void byAccount.delete(account),
  }
}

/**
 * Uploads images one after the other. An image that was uploaded before is not uploaded again.
 *
 * Errors: `invalid-request` if an image cannot be read; otherwise the site's error.
 * Source: `POST /api/v1/files/`, one part named `file`; accounts only.
 */
export async function uploadImages(images: ImagePart[], options: UploadOptions): Promise<Map<ImagePart, WebFile>> {
  const files = new Map<ImagePart, WebFile>()
  for (const image of images) if (!files.has(image)) files.set(image, await upload(image, files.size + 1, options))
  return files
}

/** Why a request with images cannot be sent to this model or as this account; `undefined` if it can. */
export function imageRefusal(model: { id: string; vision: boolean }, hasAccounts: boolean): GatewayError | undefined {
  if (!model.vision)
    return refusal(
      `${model.id} cannot see images: ask a vision model such as ${visionExample}, or leave the image out.`,
    )
  if (!hasAccounts)
    return refusal('Guests of chat.z.ai cannot send images: set ZAI_TOKEN to the token of your own account.')
  return undefined
}

async function upload(image: ImagePart, index: number, options: UploadOptions): Promise<WebFile> {
  const { account, newUuid, uploads } = options
  const imageData = await dataOf(image, options)
  const key = `${imageData.mediaType} ${Bun.CryptoHasher.hash('sha256', imageData.data, 'base64')}`
  const known = uploads.get(account, key)
  const file = known ?? (await send(imageData, index, options))
  if (known === undefined) uploads.put(account, key, file)
  const itemId = newUuid()
  return { id: file.id, entry: (userMessageId) => entryOf(file, imageData.data.length, itemId, userMessageId) }
}

async function send({ data, mediaType }: ImageData, index: number, options: UploadOptions): Promise<UploadedFile> {
  const { client, account, version, signal } = options
  const form = new FormData()
  form.append('file', new File([data], `image-${index}.${extensionOf(mediaType)}`, { type: mediaType }))
  const answer = await client.fetchWhole('/api/v1/files/', {
    method: 'POST',
    token: account.token,
    version,
    body: form,
    signal,
  })
  const file = answer.ok ? parseJson(answer.text) : undefined
  if (!Value.Check(UploadedFile, file)) throw bodyError(answer.status, answer.contentType, answer.text)
  return file
}

function entryOf(file: UploadedFile, size: number, itemId: string, userMessageId: string): object {
  return {
    type: 'image',
    file,
    id: file.id,
    url: `/api/v1/files/${file.id}`,
    name: file.filename,
    status: 'uploaded',
    size: file.meta?.size ?? size,
    error: '',
    itemId,
    media: 'image',
    ref_user_msg_id: userMessageId,
  }
}

async function dataOf({ source }: ImagePart, { fetchImage, signal, maxImageBytes }: UploadOptions): Promise<ImageData> {
  if (source.type === 'base64') return decode(source.mediaType, source.data, maxImageBytes)
  if (!source.url.startsWith('data:')) {
    const { data, mediaType } = await fetchImage(source.url, signal)
    return { data: new Uint8Array(data), mediaType }
  }
  const [, mediaType, data] = /^data:([^;,]+)(?:;[^;,]+)*;base64,(.*)$/s.exec(source.url) ?? []
  if (mediaType === undefined || data === undefined)
    throw refusal('An image given as a data URL must look like data:image/png;base64,…', 'invalid_image')
  return decode(mediaType, data, maxImageBytes)
}

interface ImageData {
  data: Uint8Array<ArrayBuffer>
  mediaType: string
}

function decode(mediaType: string, base64: string, maxBytes: number): ImageData {
  if (!mediaType.startsWith('image/'))
    throw refusal(
      `An image cannot be of the type ${mediaType}; send image/png, image/jpeg or image/webp.`,
      'invalid_image',
    )
  const data = new Uint8Array(Buffer.from(base64, 'base64'))
  if (data.length === 0) throw refusal('An image in the request holds no base64 data.', 'invalid_image')
  if (data.length > maxBytes)
    throw refusal(`An image in the request is larger than ${maxBytes} bytes (MAX_IMAGE_BYTES).`, 'invalid_image')
  return { data, mediaType }
}

/** `image/svg+xml` → `svg`. */
function extensionOf(mediaType: string): string {
  return /^image\/(\w+)/.exec(mediaType)?.[1] ?? 'img'
}

function refusal(message: string, code = 'image_not_supported'): GatewayError {
  return new GatewayError('invalid-request', message, { param: 'messages', code })
}

const UploadedFile = Type.Object(
  {
    id: Type.String({ minLength: 1 }),
    filename: Type.String(),
    meta: Type.Optional(Type.Object({ size: Type.Optional(Type.Number()) }, { additionalProperties: true })),
  },
  { additionalProperties: true },
)
type UploadedFile = Static<typeof UploadedFile>
