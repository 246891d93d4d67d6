import { crc32, deflateSync } from 'node:zlib'

/** Pixels in rows from top to bottom. Each row is padded to whole bytes. */
export interface Pixels {
  width: number
  height: number
  /** A pixel takes one bit (1 is white), three bytes or four bytes. */
  format: 'bits' | 'rgb' | 'rgba'
  data: Uint8Array
}

const formats = {
  bits: { depth: 1, colorType: 0, rowBytes: (width: number) => Math.ceil(width / 8) },
  rgb: { depth: 8, colorType: 2, rowBytes: (width: number) => width * 3 },
  rgba: { depth: 8, colorType: 6, rowBytes: (width: number) => width * 4 },
} satisfies Record<Pixels['format'], object>

/**
 * Encodes a PNG without compression, which is fast. It is meant for a decoder in the same process.
 * Errors: RangeError if there are fewer pixels than width and height require.
 * Source: the PNG specification, third edition.
 */
export function encodePng({ width, height, format, data }: Pixels): Uint8Array<ArrayBuffer> {
  const { depth, colorType, rowBytes } = formats[format]
  const length = rowBytes(width)
  if (data.length < length * height) throw new RangeError('the image holds fewer pixels than its size says')
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colorType], 8)
  // Each row begins with a zero, the filter type "none".
  const rows = Buffer.alloc((length + 1) * height)
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * length, (y + 1) * length), y * (length + 1) + 1)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 0 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(content.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
