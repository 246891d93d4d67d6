import { isUtf8 } from 'node:buffer'
import type { Delta, ProseKind } from '../core/events.ts'
import { unquoted } from '../core/sse.ts'
import type { Piece } from './piece.ts'

/**
 * Events that differ from one that was read before in nothing but one JSON string, as most of a reply do.
 * Around it stand the same bytes, here as characters: one for each.
 */
export interface Likeness {
  /** Up to the string. */
  before: string
  /** From the string of one such event to that of the next. */
  between: string
  /** From the string to the end of the event. */
  after: string
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
  const head = byBytes(`data: ${before}`)
  const tail = byBytes(`${after}\n\n`)
  return { before: head, between: tail + head, after: tail, hear, kind }
}

function byBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function byCharacters(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** What stands in events that are alike. */
export interface Alike {
  /**
   * Their strings without quotes, but for empty ones: as `JSON.stringify` would write them, in UTF-8, a character for
   * each byte. So nothing is decoded that will leave as it came.
   */
  texts: string[]
  /** None of their bytes is part of a longer character. */
  isAscii: boolean
  /** Where the rest begins. */
  end: number
}

/**
 * Reads whole events of one likeness from the beginning of a piece, which is the beginning of an event, without
 * decoding or parsing what is around their text, up to one whose text `except` is found in.
 */
export function readAlike(
  { bytes, start, end: limit }: Piece,
  { before, between, after }: Likeness,
  except?: RegExp,
): Alike {
  const texts: string[] = []
  const written = bytes.toString('latin1', start, limit)
  let isAscii = true
  let read = 0
  let at = written.startsWith(before) ? before.length : written.length
  while (at < written.length) {
    const { end, kind } = stringAt(written, at)
    const isLast = !written.startsWith(between, end)
    if (isLast && !written.startsWith(after, end)) break
    const piece = kind === 'other' ? rewritten(written.slice(at, end)) : written.slice(at, end)
    if (piece === undefined || except?.test(piece)) break
    if (piece !== '') texts.push(piece)
    isAscii &&= kind === 'ascii'
    read = end + after.length
    at = isLast ? written.length : end + between.length
  }
  const isBroken = !isAscii && !isUtf8(bytes.subarray(start, start + read))
  return { texts: isBroken ? texts.map(mended) : texts, isAscii, end: start + read }
}

/** With the sign for what is none in place of bytes that are no character. */
function mended(text: string): string {
  return byBytes(byCharacters(text))
}

/** What such a string says. */
export function unescaped(written: string): string {
  const text = beyondAscii.test(written) ? byCharacters(written) : written
  return text.includes('\\') ? String(JSON.parse(`"${text}"`)) : text
}

const beyondAscii = /[\x80-\xff]/

/** Whether bytes that came last are the beginning of an event of this likeness and no whole event of any kind. */
export function mayBecome(bytes: Buffer, { before }: Likeness): boolean {
  if (bytes.length === 0) return true
  const beginning = bytes.toString('latin1', 0, before.length)
  return before.startsWith(beginning) && !bytes.includes(lineFeed) && !bytes.includes(carriageReturn)
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Where a JSON string that begins here has its closing quote, if anywhere, and whether it is all ASCII. `other` is what
 * `JSON.stringify` would write in another way.
 */
function stringAt(written: string, start: number): { end: number; kind: 'ascii' | 'utf8' | 'other' } {
  let any = 0
  let isPlain = true
  let end = start
  for (; end < written.length; end++) {
    const char = written.charCodeAt(end)
    if (char === quote || char < space) break
    any |= char
    if (char === backslash && !shortEscapes.has(written.charCodeAt(++end))) isPlain = false
  }
  return { end, kind: isPlain ? (any < 0x80 ? 'ascii' : 'utf8') : 'other' }
}

/** As `JSON.stringify` writes what the string says; `undefined` where it is no JSON string. */
function rewritten(written: string): string | undefined {
  try {
    const text: unknown = JSON.parse(`"${byCharacters(written)}"`)
    return typeof text === 'string' ? byBytes(unquoted(text)) : undefined
  } catch {
    return undefined
  }
}

const space = 0x20
const quote = 0x22
const backslash = 0x5c
/** What `JSON.stringify` writes behind a backslash, apart from `u`. */
const shortEscapes = new Set([...'"\\bfnrt'].map((char) => char.charCodeAt(0)))
