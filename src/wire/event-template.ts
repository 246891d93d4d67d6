import { isUtf8 } from 'node:buffer'
import type { Delta, TextKind } from '../core/events.ts'
import { jsonEscape } from '../core/sse.ts'
import type { ByteRange } from '../http-client/byte-range.ts'

/** Events that differ from one that was read before in nothing but one JSON string, as most of a reply do. */
export interface EventTemplate {
  /** The bytes of such an event up to its string, and from there to its end. */
  before: Buffer
  after: Buffer
  /** The bytes between the strings of two such events; as text, a character for each. */
  between: Buffer
  betweenText: string
  emit(text: string, out: Delta[]): void
  /** What such a string becomes, where each now becomes one delta as it is. */
  kind(): TextKind | undefined
}

export interface EventTemplateOptions extends Pick<EventTemplate, 'emit' | 'kind'> {
  /** The string in a payload, by parsing it; `undefined` for a payload that says anything else beside. */
  read(payload: string): string | undefined
}

const probeText = 'zai2api'

/**
 * What is around the one string of `payload`.
 *
 * Where it stands is not guessed: with another string in that place the payload has to read as that string. So has one
 * with any JSON string there, and all else in it is the same, byte by byte. `undefined` where the place is not certain.
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

/** With the sign for what is none in place of bytes that are no character. */
function byCharacters(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** What stands in events that are alike. */
export interface TemplateMatches {
  /** Their strings without quotes, but for empty ones: as `JSON.stringify` would write them. */
  texts: string[]
  /** Each character of these texts stands for a byte of UTF-8: of many, nothing is decoded that leaves as it came. */
  areBytes: boolean
  /** Where the rest begins. */
  end: number
}

/**
 * Reads whole events of one likeness from the beginning of a piece, which is the beginning of an event, without
 * decoding or parsing what is around their text, up to one whose text `except` is found in.
 */
export function matchTemplate(range: ByteRange, template: EventTemplate, except?: RegExp): TemplateMatches {
  const { bytes, start, end } = range
  if (!matchesAt(bytes, start, end, template.before)) return { texts: [], areBytes: false, end: start }
  return matchOne(range, template, except) ?? matchSeveral(range, template, except)
}

/** Most pieces are one event, and there are thousands a second of them. */
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
    const range = kind === 'other' ? rewritten(written.slice(at, end)) : written.slice(at, end)
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

/** Where the strings of many events are put together, time after time: new bytes would cost more than all else here. */
const scratch = Buffer.alloc(65_536)

/**
 * Reads events as `matchTemplate` does, for those who want all they say as one text. Stops in front of a string with an
 * escape by number, too, which takes a parser.
 */
export function concatenateMatches(range: ByteRange, template: EventTemplate): { text: string; end: number } {
  const { bytes, start, end: limit } = range
  const { before, between, after } = template
  let end = start
  let size = 0
  let goesOn = matchesAt(bytes, start, limit, before)
  while (goesOn) {
    const string = copyString(bytes, end + before.length, limit, size)
    if (string === undefined) break
    goesOn = matchesAt(bytes, string.end, limit, between)
    if (!goesOn && !matchesAt(bytes, string.end, limit, after)) break
    size = string.size
    end = string.end + after.length
  }
  return { text: scratch.toString('utf8', 0, size), end }
}

/** Puts what a JSON string says on the desk, behind `size` bytes that lie there. */
function copyString(
  bytes: Buffer,
  start: number,
  limit: number,
  size: number,
): { end: number; size: number } | undefined {
  // Halves of a character in two strings are none, but would be one here.
  if (isContinuation(bytes[start] ?? 0)) return undefined
  for (let at = start; at < limit && size < scratch.length; at++) {
    const byte = bytes[at] ?? 0
    if (byte === quote) return { end: at, size }
    const meant = byte === backslash ? (meanings[bytes[++at] ?? 0] ?? 0) : byte
    if (byte < space || meant === 0) return undefined
    scratch[size++] = meant
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

/** Each of them in its characters. */
export function matchedTexts({ texts, areBytes }: TemplateMatches): readonly string[] {
  return areBytes ? texts.map(byCharacters) : texts
}

/** All of them in one, in its characters. */
export function matchedText({ texts, areBytes }: TemplateMatches): string {
  const all = texts.length === 1 ? (texts[0] ?? '') : texts.join('')
  return areBytes ? byCharacters(all) : all
}

/** What such a string says. */
export function unescaped(written: string): string {
  return written.includes('\\') ? String(JSON.parse(`"${written}"`)) : written
}

/** Whether bytes that came last are the beginning of an event of this likeness and no whole event of any kind. */
export function isPartialMatch(bytes: Buffer, { before }: EventTemplate): boolean {
  if (bytes.length === 0) return true
  const known = Math.min(bytes.length, before.length)
  return bytes.compare(before, 0, known, 0, known) === 0 && !bytes.includes(lineFeed) && !bytes.includes(carriageReturn)
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
    return typeof text === 'string' ? byBytes(jsonEscape(text)) : undefined
  } catch {
    return undefined
  }
}

const space = 0x20
const quote = 0x22
const backslash = 0x5c
/** What a character behind a backslash stands for, by its code; 0 where it takes more than one. */
const meanings = new Uint8Array(256)
for (const [char, meant] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) => Buffer.from(pair)))
  meanings[char ?? 0] = meant ?? 0
/** What `JSON.stringify` writes behind a backslash, apart from `u`. */
const shortEscapes = new Set([...'"\\bfnrt'].map((char) => char.charCodeAt(0)))
