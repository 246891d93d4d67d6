import { characterEnd } from '../core/character-end.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'

/** So many bytes are written to fresh memory in less than a millisecond. */
const portionLength = 262_144

/**
 * Joins pieces of `length` bytes together into one buffer. Other requests can run in between. Copying is fast; the time
 * goes to the system, which provides fresh memory as it is written, up to a millisecond for a megabyte.
 */
export async function joinInPortions(
  pieces: readonly Uint8Array[],
  length: number,
  yieldIfLong: YieldIfLong,
): Promise<Buffer<ArrayBuffer>> {
  const joined = Buffer.allocUnsafe(length)
  let written = 0
  for (const piece of pieces)
    for (let from = 0; from < piece.length; from += portionLength) {
      const part = piece.subarray(from, from + portionLength)
      joined.set(part, written)
      written += part.length
      const pause = yieldIfLong()
      if (pause) await pause
    }
  return joined
}

/** A text as UTF-8. */
export async function utf8InPortions(text: string, yieldIfLong: YieldIfLong): Promise<Buffer<ArrayBuffer>> {
  let length = 0
  for (const portion of portions(text)) {
    length += Buffer.byteLength(portion)
    const pause = yieldIfLong()
    if (pause) await pause
  }
  const bytes = Buffer.allocUnsafe(length)
  let written = 0
  for (const portion of portions(text)) {
    written += bytes.write(portion, written)
    const pause = yieldIfLong()
    if (pause) await pause
  }
  return bytes
}

function* portions(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const to = characterEnd(text, from + portionLength)
    yield text.slice(from, to)
    from = to
  }
}
