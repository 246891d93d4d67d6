import { semaphore } from '../async/semaphore.ts'
import { GatewayError } from '../core/errors.ts'
import type { AttachmentLimits } from './limits.ts'

type ImageLimits = Pick<AttachmentLimits, 'maxImageBytes' | 'maxImageSide'>

/** An image that stands in the request itself. */
export interface EmbeddedImage {
  type: 'image'
  source: { type: 'base64'; mediaType: string; data: string }
}

/** Decoded, one of these takes four bytes a pixel, and scaled once more as much: 600 MB (Bun 1.4.5). */
const maxPixels = 64_000_000
/** A request of 5 MB may hold twenty of them, and there are as many threads as cores. */
const inTurn = semaphore(2)

/** Pixels of a scanned page: small print stays legible, and twenty pages fit into a request. */
const pageSide = 2_000

type Mark = readonly [at: number, bytes: string]

/** What stands at the start of a file of each type, as Latin-1. */
const signatures: readonly (readonly [mediaType: string, ...marks: Mark[]])[] = [
  ['image/png', [0, '\x89PNG\r\n\x1a\n']],
  ['image/jpeg', [0, '\xff\xd8\xff']],
  ['image/gif', [0, 'GIF8']],
  ['image/webp', [0, 'RIFF'], [8, 'WEBP']],
  ['image/bmp', [0, 'BM'], [6, '\0\0\0\0']],
  ['image/tiff', [0, 'II*\0']],
  ['image/tiff', [0, 'MM\0*']],
  ['image/heic', [4, 'ftyphei']],
  ['image/heic', [4, 'ftypmif1']],
  ['image/avif', [4, 'ftypavi']],
]

/** What Z.AI takes, and what is decoded here on every system. */
const taken = ['image/png', 'image/jpeg']

/** The type of an image by its first bytes, whatever its sender calls it. */
export function imageTypeOf(data: Uint8Array): string | undefined {
  const start = Buffer.from(data.subarray(0, 32)).toString('latin1')
  return signatures.find(([, ...marks]) => marks.every(([at, bytes]) => start.startsWith(bytes, at)))?.[0]
}

/**
 * An image as the vendor takes it: JPEG or PNG under its true name, scaled down where it is too large.
 *
 * What no decoder here knows (TIFF and HEIC on Linux, SVG) passes as it is, for the upstream to judge, and so does what
 * breaks off behind its header: looking would mean to decode every image of every turn.
 * Errors: `invalid-request` for a broken image; `too-large` when scaling cannot help; `cancelled`.
 */
export async function fitImage(
  source: { mediaType: string; data: string },
  limits: ImageLimits,
  signal: AbortSignal,
): Promise<EmbeddedImage> {
  const data = Buffer.from(source.data, 'base64')
  const mediaType = imageTypeOf(data) ?? source.mediaType
  const asIs = imagePart(mediaType, source.data)
  if (taken.includes(mediaType) && (await isSmall(data, limits))) return asIs
  try {
    return await inTurn(() => converted(data, mediaType, limits), signal)
  } catch (thrown) {
    if (!isUnknownHere(thrown)) throw thrown
    // No PNG and no JPEG, whatever it says.
    if (taken.includes(mediaType)) throw damaged(mediaType, thrown)
    if (data.length > limits.maxImageBytes) throw tooLarge(limits)
    return asIs
  }
}

/** A page as a JPEG no larger than reading needs, turned clockwise by a multiple of 90 degrees. */
export async function pageImage(data: Uint8Array, turn: number, limits: ImageLimits): Promise<EmbeddedImage> {
  const page = pipeline(data).rotate(turn).resize(pageSide, pageSide, { fit: 'inside', withoutEnlargement: true })
  return converted(await page.jpeg({ quality: 85 }).bytes(), 'image/jpeg', limits)
}

async function isSmall(data: Uint8Array, { maxImageBytes, maxImageSide }: ImageLimits): Promise<boolean> {
  if (data.length > maxImageBytes) return false
  // Whoever decodes it next will say what is wrong with a damaged header.
  const size = await pipeline(data)
    .metadata()
    .catch(() => undefined)
  return size !== undefined && Math.max(size.width, size.height) <= maxImageSide
}

async function converted(data: Uint8Array, mediaType: string, limits: ImageLimits): Promise<EmbeddedImage> {
  const { maxImageBytes, maxImageSide } = limits
  if (mediaType === 'image/jpeg' && (await isSmall(data, limits))) return imagePart(mediaType, data.toBase64())
  // Photographs shrink as JPEG; drawings and screenshots are exact as PNG, so that comes first.
  const attempts: readonly (readonly ['image/png' | 'image/jpeg', side: number])[] = [
    ...(mediaType === 'image/jpeg' ? [] : [['image/png', maxImageSide] as const]),
    ['image/jpeg', maxImageSide],
    ['image/jpeg', maxImageSide / 2],
    ['image/jpeg', maxImageSide / 4],
  ]
  try {
    for (const [as, side] of attempts) {
      const scaled = pipeline(data).resize(side, side, { fit: 'inside', withoutEnlargement: true })
      const bytes = await (as === 'image/png' ? scaled.png() : scaled.jpeg({ quality: 85 })).bytes()
      if (bytes.length <= maxImageBytes) return imagePart(as, bytes.toBase64())
    }
  } catch (thrown) {
    if (isUnknownHere(thrown)) throw thrown
    if (codeOf(thrown) === 'ERR_IMAGE_TOO_MANY_PIXELS') throw tooLarge(limits)
    throw damaged(mediaType, thrown)
  }
  throw tooLarge(limits)
}

function damaged(mediaType: string, cause: unknown): GatewayError {
  const message = `The picture (${mediaType}) is damaged and cannot be decoded.`
  return new GatewayError('invalid-request', message, { param: 'messages', code: 'invalid_image', cause })
}

function pipeline(data: Uint8Array): Bun.Image {
  return new Bun.Image(data, { maxPixels })
}

function isUnknownHere(thrown: unknown): boolean {
  return ['ERR_IMAGE_FORMAT_UNSUPPORTED', 'ERR_IMAGE_UNKNOWN_FORMAT'].includes(codeOf(thrown))
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
}

function tooLarge({ maxImageBytes, maxImageSide }: ImageLimits): GatewayError {
  const mebibytes = (maxImageBytes / 1024 / 1024).toFixed(1).replace('.0', '')
  return new GatewayError(
    'too-large',
    `A picture in the messages is too large: at most ${mebibytes} MiB, ${maxImageSide} pixels a side and ${maxPixels / 1e6} million pixels.`,
    { param: 'messages', code: 'image_too_large' },
  )
}

function imagePart(mediaType: string, data: string): EmbeddedImage {
  return { type: 'image', source: { type: 'base64', mediaType, data } }
}
