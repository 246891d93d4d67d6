import { semaphore } from '../async/semaphore.ts'
import { GatewayError } from '../core/errors.ts'
import type { AttachmentLimits } from './limits.ts'

type ImageLimits = Pick<AttachmentLimits, 'maxImageBytes' | 'maxImageSide'>

/** An image whose data is part of the request. */
export interface EmbeddedImage {
  type: 'image'
  source: { type: 'base64'; mediaType: string; data: string }
}

/** A decoded image takes four bytes a pixel, and scaling takes as much again: 600 MB for this size (Bun 1.4.5). */
const maxPixels = 64_000_000
/**
 * Limits how many images are decoded at the same time, and so the memory: a request of 5 MB may hold twenty such
 * images, and each CPU core could decode one of them.
 */
const inTurn = semaphore(2)

/** The longest side of a scanned page in pixels. Small print stays legible, and twenty pages fit into a request. */
const pageSide = 2_000

type Mark = readonly [at: number, bytes: string]

/** The bytes at the start of a file of each type, as Latin-1. */
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

/** The types that Z.AI accepts. The gateway can decode them on every system. */
const acceptedTypes = ['image/png', 'image/jpeg']

/** The media type of an image by its first bytes; `undefined` for unknown ones. */
export function imageTypeOf(data: Uint8Array): string | undefined {
  const start = Buffer.from(data.subarray(0, 32)).toString('latin1')
  return signatures.find(([, ...marks]) => marks.every(([at, bytes]) => start.startsWith(bytes, at)))?.[0]
}

/**
 * Converts an image into a form that the vendor accepts: JPEG or PNG with the right media type, scaled down if it is
 * too large.
 *
 * A type that cannot be decoded here (TIFF and HEIC on Linux, SVG) passes unchanged, and the upstream decides. A file
 * that is truncated behind its header also passes, because only decoding every image in every turn would show it.
 * Errors: `invalid-request` for a broken image; `too-large` if scaling does not help; `cancelled`.
 */
export async function fitImage(
  source: { mediaType: string; data: string },
  limits: ImageLimits,
  signal: AbortSignal,
): Promise<EmbeddedImage> {
  const data = Buffer.from(source.data, 'base64')
  const mediaType = imageTypeOf(data) ?? source.mediaType
  const unchanged = imagePart(mediaType, source.data)
  if (acceptedTypes.includes(mediaType) && (await isSmall(data, limits))) return unchanged
  try {
    return await inTurn(() => converted(data, mediaType, limits), signal)
  } catch (thrown) {
    if (!isUndecodable(thrown)) throw thrown
    // If the format of a PNG or JPEG is unknown, its media type is wrong.
    if (acceptedTypes.includes(mediaType)) throw damaged(mediaType, thrown)
    if (data.length > limits.maxImageBytes) throw tooLarge(limits)
    return unchanged
  }
}

/** Converts a scanned page into a legible JPEG. `turn` is its clockwise rotation in degrees, a multiple of 90. */
export async function pageImage(data: Uint8Array, turn: number, limits: ImageLimits): Promise<EmbeddedImage> {
  const page = pipeline(data).rotate(turn).resize(pageSide, pageSide, { fit: 'inside', withoutEnlargement: true })
  return converted(await page.jpeg({ quality: 85 }).bytes(), 'image/jpeg', limits)
}

async function isSmall(data: Uint8Array, { maxImageBytes, maxImageSide }: ImageLimits): Promise<boolean> {
  if (data.length > maxImageBytes) return false
  // An image with a damaged header does not count as small. Decoding it then reports the error.
  const size = await pipeline(data)
    .metadata()
    .catch(() => undefined)
  return size !== undefined && Math.max(size.width, size.height) <= maxImageSide
}

async function converted(data: Uint8Array, mediaType: string, limits: ImageLimits): Promise<EmbeddedImage> {
  const { maxImageBytes, maxImageSide } = limits
  if (mediaType === 'image/jpeg' && (await isSmall(data, limits))) return imagePart(mediaType, data.toBase64())
  // PNG comes first, because drawings and screenshots stay exact. Photographs are smaller as JPEG.
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
    if (isUndecodable(thrown)) throw thrown
    if (codeOf(thrown) === 'ERR_IMAGE_TOO_MANY_PIXELS') throw tooLarge(limits)
    throw damaged(mediaType, thrown)
  }
  throw tooLarge(limits)
}

function damaged(mediaType: string, cause: unknown): GatewayError {
  const message = `The image (${mediaType}) is damaged and cannot be decoded.`
  return new GatewayError('invalid-request', message, { param: 'messages', code: 'invalid_image', cause })
}

function pipeline(data: Uint8Array): Bun.Image {
  return new Bun.Image(data, { maxPixels })
}

function isUndecodable(thrown: unknown): boolean {
  return ['ERR_IMAGE_FORMAT_UNSUPPORTED', 'ERR_IMAGE_UNKNOWN_FORMAT'].includes(codeOf(thrown))
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
}

function tooLarge({ maxImageBytes, maxImageSide }: ImageLimits): GatewayError {
  const mebibytes = (maxImageBytes / 1024 / 1024).toFixed(1).replace('.0', '')
  return new GatewayError(
    'too-large',
    `An image in the messages is too large: at most ${mebibytes} MiB, ${maxImageSide} pixels a side and ${maxPixels / 1e6} million pixels.`,
    { param: 'messages', code: 'image_too_large' },
  )
}

function imagePart(mediaType: string, data: string): EmbeddedImage {
  return { type: 'image', source: { type: 'base64', mediaType, data } }
}
