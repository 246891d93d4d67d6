import type { Delta } from '../core/events.ts'

/** Events that differ from one that was read before in nothing but one JSON string, as most of a reply do. */
export interface Likeness {
  /** The bytes of such an event up to its string, and from there to its end. */
  before: Buffer
  after: Buffer
  hear(text: string, out: Delta[]): void
}

export interface LikenessOptions {
  /** The string in a payload, by parsing it; `undefined` for a payload that says anything else beside. */
  read(payload: string): string | undefined
  hear(text: string, out: Delta[]): void
}

const probe = 'zai2api'

/**
 * What is around the one string of `payload`.
 *
 * Where it stands is not guessed: with another string in that place the payload has to read as that string. So has one
 * with any JSON string there, and all else in it is the same, byte by byte. `undefined` where the place is not certain.
 */
export function likenessOf(payload: string, { read, hear }: LikenessOptions): Likeness | undefined {
  const text = read(payload)
  if (text === undefined) return undefined
  const written = JSON.stringify(text)
  const at = payload.indexOf(written)
  if (at < 0 || payload.includes(written, at + 1)) return undefined
  const before = payload.slice(0, at + 1)
  const after = payload.slice(at + written.length - 1)
  if (read(before + probe + after) !== probe) return undefined
  return { before: Buffer.from(`data: ${before}`), after: Buffer.from(`${after}\n\n`), hear }
}

/**
 * Reads whole events of one likeness from the beginning of `bytes`, which is the beginning of an event, without
 * decoding or parsing what is around their text. Returns where the rest begins.
 */
export function readAlike(bytes: Buffer, { before, after, hear }: Likeness, out: Delta[]): number {
  let at = 0
  for (;;) {
    const start = at + before.length
    if (start + after.length > bytes.length || bytes.compare(before, 0, before.length, at, start) !== 0) return at
    const end = bytes.indexOf(after, start)
    if (end < 0) return at
    const text = unescaped(bytes.toString('utf8', start, end))
    if (text === undefined) return at
    hear(text, out)
    at = end + after.length
  }
}

/** Not one string, but one that ends and something behind it, is what JSON does not let pass. */
function unescaped(written: string): string | undefined {
  if (!written.includes('"') && !written.includes('\\')) return written
  try {
    const text: unknown = JSON.parse(`"${written}"`)
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
