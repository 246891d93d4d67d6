import type { Delta, ProseKind } from '../core/events.ts'
import { unquoted } from '../core/sse.ts'
import type { Piece } from './piece.ts'

/** Events that differ from one that was read before in nothing but one JSON string, as most of a reply do. */
export interface Likeness {
  /** The bytes of such an event up to its string, and from there to its end. */
  before: Buffer
  after: Buffer
  hear(text: string, out: Delta[]): void
  /** What such a string becomes, where each now becomes one delta as it is. */
  kind(): ProseKind | undefined
}

export interface LikenessOptions extends Pick<Likeness, 'hear' | 'kind'> {
  /** The string in a payload, by parsing it; `undefined` for a payload that says anything else beside. */
  read(payload: string): string | undefined
}

const probe = 'zai2api'

/**
 * What is around the one string of `payload`.
 *
 * Where it stands is not guessed: with another string in that place the payload has to read as that string. So has one
 * with any JSON string there, and all else in it is the same, byte by byte. `undefined` where the place is not certain.
 */
export function likenessOf(payload: string, { read, hear, kind }: LikenessOptions): Likeness | undefined {
  const text = read(payload)
  if (text === undefined) return undefined
  const written = JSON.stringify(text)
  const at = payload.indexOf(written)
  if (at < 0 || payload.includes(written, at + 1)) return undefined
  const before = payload.slice(0, at + 1)
  const after = payload.slice(at + written.length - 1)
  if (read(before + probe + after) !== probe) return undefined
  return { before: Buffer.from(`data: ${before}`), after: Buffer.from(`${after}\n\n`), hear, kind }
}

/**
 * Reads whole events of one likeness from the beginning of a piece, which is the beginning of an event, without
 * decoding or parsing what is around their text. Appends their strings, without quotes and as `JSON.stringify` would
 * write them, but for empty ones, up to one that `except` is found in; returns where the rest begins.
 */
export function readAlike(
  { bytes, start: from, end: limit }: Piece,
  { before, after }: Likeness,
  out: string[],
  except?: RegExp,
): number {
  let at = from
  for (;;) {
    const start = at + before.length
    if (start + after.length > limit || bytes.compare(before, 0, before.length, at, start) !== 0) return at
    const end = bytes.indexOf(after, start)
    if (end < 0 || end + after.length > limit) return at
    const piece = plain(bytes.toString('utf8', start, end))
    if (piece === undefined || except?.test(piece)) return at
    if (piece !== '') out.push(piece)
    at = end + after.length
  }
}

/** What such a string says. */
export function unescaped(written: string): string {
  return written.includes('\\') ? String(JSON.parse(`"${written}"`)) : written
}

/** Whether bytes that came last are the beginning of an event of this likeness and no whole event of any kind. */
export function mayBecome(bytes: Buffer, { before }: Likeness): boolean {
  if (bytes.length === 0) return true
  const known = Math.min(bytes.length, before.length)
  return bytes.compare(before, 0, known, 0, known) === 0 && !bytes.includes(lineFeed) && !bytes.includes(carriageReturn)
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** As `JSON.stringify` writes what the string says: there are other ways. `undefined` where it is no JSON string. */
function plain(written: string): string | undefined {
  if (isPlain(written)) return written
  try {
    const text: unknown = JSON.parse(`"${written}"`)
    return typeof text === 'string' ? unquoted(text) : undefined
  } catch {
    return undefined
  }
}

function isPlain(written: string): boolean {
  for (let at = 0; at < written.length; at++) {
    const char = written.charCodeAt(at)
    if (char < space || char === quote) return false
    if (char === backslash && !shortEscapes.has(written.charCodeAt(++at))) return false
  }
  return true
}

const space = 0x20
const quote = 0x22
const backslash = 0x5c
/** What `JSON.stringify` writes behind a backslash, apart from `u`. */
const shortEscapes = new Set([...'"\\bfnrt'].map((char) => char.charCodeAt(0)))
