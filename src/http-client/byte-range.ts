/**
 * A range of bytes in a buffer. Creating a `subarray` for it would cost as much as reading all events of a network
 * read.
 */
export interface ByteRange {
  bytes: Buffer
  start: number
  end: number
}

export function rangeOf(bytes: Uint8Array): ByteRange {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { bytes: buffer, start: 0, end: buffer.length }
}

export function bytesOf({ bytes, start, end }: ByteRange): Buffer {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
}

export function restOf({ bytes, end }: ByteRange, start: number): ByteRange {
  return { bytes, start, end }
}
