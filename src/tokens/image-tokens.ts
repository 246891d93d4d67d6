import type { ImagePart } from '../core/request.ts'

/** The tokens of an image of about 1000 × 800 pixels. Used if the size of an image cannot be read. */
export const typicalImageTokens = 1_000
/** Side in pixels of the square that one token stands for. */
const square = 28
/** The model scales images so that their number of pixels is in this range. */
const minPixels = (112 * 112) / 2
const maxPixels = (28 * 28 * 15_000) / 2
/** Tokens for the marks before and behind the image. */
const marks = 2
/** The tokens of the largest image. */
export const mostImageTokens = maxPixels / square ** 2 + marks
/** The number of base64 characters to decode. Files of cameras have a preview in front of the size. */
const headLength = 128 * 1024

/**
 * The tokens that an image of this size costs with a GLM vision model. The same number is used for text models, so that
 * one rule holds for all.
 *
 * Units: tokens. Source: the image processor of GLM-4.1V in the transformers library, whose limits are for two frames.
 */
export function imageTokens(source: ImagePart['source']): number {
  if (source.type === 'url') return typicalImageTokens
  const size = imageSize(Buffer.from(source.data.slice(0, headLength), 'base64'))
  if (!size) return typicalImageTokens
  const pixels = size.width * size.height
  const scale = Math.sqrt(Math.min(Math.max(pixels, minPixels), maxPixels) / pixels)
  const squares = (side: number) => Math.max(1, Math.round((side * scale) / square))
  return squares(size.width) * squares(size.height) + marks
}

interface Size {
  width: number
  height: number
}

function imageSize(bytes: Buffer): Size | undefined {
  const read = readers.find(({ is }) => is(bytes))?.size
  // A truncated header is no error here: the upstream decides about the image.
  const size = bytes.length < 30 ? undefined : read?.(bytes)
  return size && size.width > 0 && size.height > 0 ? size : undefined
}

const text = (bytes: Buffer, start: number, end: number) => bytes.toString('latin1', start, end)

const readers: readonly { is: (bytes: Buffer) => boolean; size: (bytes: Buffer) => Size | undefined }[] = [
  {
    is: (bytes) => text(bytes, 1, 4) === 'PNG',
    size: (bytes) => ({ width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }),
  },
  {
    is: (bytes) => text(bytes, 0, 4) === 'GIF8',
    size: (bytes) => ({ width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) }),
  },
  { is: (bytes) => text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 12) === 'WEBP', size: webpSize },
  { is: (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8, size: jpegSize },
]

/** Reads the three kinds of WebP: extended, lossless, lossy. Source: https://developers.google.com/speed/webp/docs/riff_container */
function webpSize(bytes: Buffer): Size | undefined {
  switch (text(bytes, 12, 16)) {
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 }
    }
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff }
    default:
      return undefined
  }
}

/** Goes through the segments up to the frame header, whose marker is one of C0 to CF, except C4, C8 and CC. */
function jpegSize(bytes: Buffer): Size | undefined {
  for (let at = 2; at + 9 <= bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
    const marker = bytes[at + 1] ?? 0
    if (bytes[at] !== 0xff) return undefined
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) }
  }
  return undefined
}
