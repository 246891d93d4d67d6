import { isUtf8 } from 'node:buffer'
import type { Delta, TextKind } from '../core/events.ts'
import { jsonEscape } from '../core/sse.ts'
import type { ByteRange } from '../http-client/byte-range.ts'

/** The shape of an event that differs from an earlier one in a single JSON string only, like most events of a reply. */
export interface EventTemplate {
  /** The bytes of such an event before its string, and those after it. */
  before: Buffer
  after: Buffer
  /** The bytes between the strings of two such events; `betweenText` has one character for each byte. */
  between: Buffer
  betweenText: string
  emit(text: string, out: Delta[]): void
  /** The kind of delta that such a string becomes. Only if each string becomes exactly one delta with the same text. */
  kind(): TextKind | undefined
}

export interface EventTemplateOptions extends Pick<EventTemplate, 'emit' | 'kind'> {
  /** The string of a payload, found by parsing it; `undefined` if the payload holds anything else of interest. */
  read(payload: string): string | undefined
}

const probeText = 'zai2api'

/**
 * Finds the single string of `payload` and the bytes around it.
 *
 * The position is verified: with another string at that position, `read` has to return that string. Then any payload
 * with the same bytes around a JSON string can be read without parsing. Returns `undefined` if the position is not
 * certain.
 */
export function eventTemplateOf(
  payload: string,
  { read, emit, kind }: EventTemplateOptions,
): EventTemplate | undefined {
  const text = read(payload)
  if (text === undefined) return undefined
  const written = JSON.stringify(text)
  const at = payload.indexOf(written)
  if (at < 0 || payload.includes(written, at + 1)) return undefined
  const before = payload.slice(0, at + 1)
  const after = payload.slice(at + written.length - 1)
  if (read(before + probeText + after) !== probeText) return undefined
  const head = `data: ${before}`
  const tail = `${after}\n\n`
  const between = Buffer.from(tail + head)
  return {
    before: Buffer.from(head),
    after: Buffer.from(tail),
    between,
    betweenText: between.toString('latin1'),
    emit,
    kind,
  }
}

function byBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** Decodes bytes as UTF-8; invalid bytes become U+FFFD. */
function byCharacters(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** The texts of events that match a template. */
export interface TemplateMatches {
  /** Their strings without quotes, as `JSON.stringify` would write them. Empty strings are left out. */
  texts: string[]
  /** Each character of the texts is one byte of UTF-8: texts that are passed on unchanged need no decoding. */
  areBytes: boolean
  /** Where the rest of the range begins. */
  end: number
}

/**
 * Reads whole events that match a template from the beginning of a range, without decoding or parsing the bytes around
 * their text. The range must begin with an event. Stops before an event whose text matches `except`.
 */
export function matchTemplate(range: ByteRange, template: EventTemplate, except?: RegExp): TemplateMatches {
  const { bytes, start, end } = range
  if (!matchesAt(bytes, start, end, template.before)) return { texts: [], areBytes: false, end: start }
  return matchOne(range, template, except) ?? matchSeveral(range, template, except)
}

/** The fast path for a range of one event. Most ranges have one event, and there are thousands of them per second. */
function matchOne(
  { bytes, start, end: limit }: ByteRange,
  { before, after }: EventTemplate,
  except?: RegExp,
): TemplateMatches | undefined {
  const end = limit - after.length
  if (end <= start + before.length || !matchesAt(bytes, end, limit, after)) return undefined
  const text = bytes.toString('utf8', start + before.length, end)
  const string = stringAt(text, 0)
  if (string.end !== text.length || string.kind === 'other' || except?.test(text)) return undefined
  return { texts: [text], areBytes: false, end: limit }
}

function matchSeveral(
  { bytes, start, end: limit }: ByteRange,
  template: EventTemplate,
  except?: RegExp,
): TemplateMatches {
  const { before, betweenText: between, after } = template
  const texts: string[] = []
  const written = bytes.toString('latin1', start, limit)
  let isAscii = true
  let read = 0
  for (let at = before.length; at < written.length; ) {
    const { end, kind } = stringAt(written, at)
    const isLast = !written.startsWith(between, end)
    if (isLast && !matchesAt(bytes, start + end, limit, after)) break
    const range = kind === 'other' ? rewriteString(written.slice(at, end)) : written.slice(at, end)
    if (range === undefined || except?.test(range)) break
    if (range !== '') texts.push(range)
    isAscii &&= kind === 'ascii'
    read = end + after.length
    at = isLast ? written.length : end + between.length
  }
  const end = start + read
  if (isAscii) return { texts, areBytes: false, end }
  const areBytes = isUtf8(bytes.subarray(start, end))
  return { texts: areBytes ? texts : texts.map(byCharacters), areBytes, end }
}

/**
 * A buffer in which the strings of many events are joined. It is reused, because allocating it would cost more than the
 * rest.
 */
const scratch = Buffer.alloc(65_536)

/**
 * Reads events like `matchTemplate`, but returns their content as one text. It also stops before a string with a `\u`
 * escape, which needs a parser.
 */
export function concatenateMatches(range: ByteRange, template: EventTemplate): { text: string; end: number } {
  const { bytes, start, end: limit } = range
  const { before, between, after } = template
  let end = start
  let size = 0
  let hasNext = matchesAt(bytes, start, limit, before)
  while (hasNext) {
    const string = copyString(bytes, end + before.length, limit, size)
    if (string === undefined) break
    hasNext = matchesAt(bytes, string.end, limit, between)
    if (!hasNext && !matchesAt(bytes, string.end, limit, after)) break
    size = string.size
    end = string.end + after.length
  }
  return { text: scratch.toString('utf8', 0, size), end }
}

/** Appends the content of a JSON string to `scratch`, after the first `size` bytes. */
function copyString(
  bytes: Buffer,
  start: number,
  limit: number,
  size: number,
): { end: number; size: number } | undefined {
  // Two halves of a character in two strings are invalid, but would form a character when joined.
  if (isContinuation(bytes[start] ?? 0)) return undefined
  for (let at = start; at < limit && size < scratch.length; at++) {
    const byte = bytes[at] ?? 0
    if (byte === quote) return { end: at, size }
    const decoded = byte === backslash ? (escapedBytes[bytes[++at] ?? 0] ?? 0) : byte
    if (byte < space || decoded === 0) return undefined
    scratch[size++] = decoded
  }
  return undefined
}

function isContinuation(byte: number): boolean {
  return byte >= 0x80 && byte < 0xc0
}

function matchesAt(bytes: Buffer, start: number, limit: number, part: Buffer): boolean {
  const end = start + part.length
  return end <= limit && bytes.compare(part, 0, part.length, start, end) === 0
}

/** The matched texts, decoded to characters. */
export function matchedTexts({ texts, areBytes }: TemplateMatches): readonly string[] {
  return areBytes ? texts.map(byCharacters) : texts
}

/** All matched texts in one, decoded to characters. */
export function matchedText({ texts, areBytes }: TemplateMatches): string {
  const all = texts.length === 1 ? (texts[0] ?? '') : texts.join('')
  return areBytes ? byCharacters(all) : all
}

/** The content of a string as `JSON.stringify` writes it, without its quotes. */
export function unescaped(written: string): string {
  return written.includes('\\') ? String(JSON.parse(`"${written}"`)) : written
}

/**
 * Whether the bytes may be the beginning of an event that matches the template, and do not hold a whole event of any
 * kind.
 */
export function isPartialMatch(bytes: Buffer, { before }: EventTemplate): boolean {
  if (bytes.length === 0) return true
  const known = Math.min(bytes.length, before.length)
  return bytes.compare(before, 0, known, 0, known) === 0 && !bytes.includes(lineFeed) && !bytes.includes(carriageReturn)
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Position of the closing quote of a JSON string that begins at `start`, or of the first character that cannot be in
 * one, and the kind of its characters. `other`: `JSON.stringify` would write the string differently.
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

/** The string as `JSON.stringify` would write it; `undefined` if it is not a JSON string. */
function rewriteString(written: string): string | undefined {
  try {
    const text: unknown = JSON.parse(`"${byCharacters(written)}"`)
    return typeof text === 'string' ? byBytes(jsonEscape(text)) : undefined
  } catch {
    return undefined
  }
}

const space = 0x20
const quote = 0x22
const backslash = 0x5c
/** The byte that a character after a backslash stands for, by its code; 0 if it takes more than one character. */
const escapedBytes = new Uint8Array(256)
for (const [char, decoded] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) => Buffer.from(pair)))
  escapedBytes[char ?? 0] = decoded ?? 0
/** The characters that `JSON.stringify` writes after a backslash, except `u`. */
const shortEscapes = new Set([...'"\\bfnrt'].map((char) => char.charCodeAt(0)))
