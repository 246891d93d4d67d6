/** The bytes between two places of a buffer. A view of them would cost a network read as much as all that is read in it. */
export interface Piece {
  bytes: Buffer
  start: number
  end: number
}

export function pieceOf(bytes: Uint8Array): Piece {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { bytes: buffer, start: 0, end: buffer.length }
}

export function bytesOf({ bytes, start, end }: Piece): Buffer {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
}

export function restOf({ bytes, end }: Piece, start: number): Piece {
  return { bytes, start, end }
}
