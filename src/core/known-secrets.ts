import { type Redact, removed } from './redact.ts'

/**
 * Takes known secrets out of texts: a secret itself, what stands behind its prefix or its last dot, and every part of at
 * least 12 characters and half its length. It is found in any letter case, in hex, in base64 (also where it is only a part
 * of what was encoded, as in `Basic base64(user:key)`), and behind the escapes of URLs, JSON and HTML. Secrets of fewer
 * than 12 characters are found as a whole and in their own case, since they may be like a word.
 *
 * Costs: about 1 µs for a line of the log without escapes, however many secrets there are.
 */
export function createRedactor(secrets: readonly string[]): Redact {
  const spellings = secrets.flatMap(partsOf).flatMap(spellingsOf)
  if (spellings.length === 0) return (text) => text
  const isIndexed = ({ least }: Spelling) => least >= gramLength + stride - 1
  const grams = indexOf(spellings.filter(isIndexed))
  const literals = patternOf(spellings.filter((spelling) => !isIndexed(spelling)))
  return (text) => {
    const ranges: Range[] = []
    let view: View | undefined = { text }
    for (let level = 0; view !== undefined && level < mostLevels; level++) {
      findRuns(view, grams, ranges)
      if (literals) findLiterals(view, literals, ranges)
      view = unescaped(view)
    }
    return ranges.length === 0 ? text : without(ranges, text)
  }
}

/** Shorter ones would also be found where nobody means them. */
const shortestSecret = 4
const shortestPart = 8
/** Of a part that counts as the secret. */
const shortestRun = 12

/** Of `sk-…` and `<id>.<secret>`, what makes them secret is as good as the whole. */
function partsOf(secret: string): string[] {
  if (secret.length < shortestSecret) return []
  const parts = [secret.replace(/^[a-z0-9]{2,4}[-_]/, ''), secret.split('.').at(-1) ?? '']
  return [secret, ...parts.filter((part) => part.length >= shortestPart)]
}

/** One way to write a secret. */
interface Spelling {
  text: string
  /** Characters of it that stand for the secret. */
  least: number
}

function spellingsOf(secret: string): Spelling[] {
  const bytes = Buffer.from(secret)
  const whole = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), bytes.toString('latin1')]
  if (secret.length < shortestPart)
    return [...whole, withoutPadding(bytes)].map((text) => ({ text, least: text.length }))
  // What is shorter than the shortest run stands for the secret as a whole only.
  const least = Math.min(bytes.length, Math.max(shortestRun, Math.ceil(bytes.length / 2)))
  const leastEncoded = Math.floor((least * 8 - 4) / 6)
  return [
    ...whole.map((text) => ({ text, least: Math.min(text.length, least) })),
    { text: bytes.toString('hex'), least: 2 * least },
    { text: withoutPadding(bytes), least: leastEncoded },
    ...[0, 1, 2].flatMap((offset) => inBase64(bytes, offset)).map((text) => ({ text, least: leastEncoded })),
  ]
}

function withoutPadding(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

/**
 * The characters of base64, and of its variant for URLs, that depend on nothing but `bytes`, where these stand `offset`
 * bytes behind the beginning of a group of three.
 */
function inBase64(bytes: Buffer, offset: number): string[] {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  const own = text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  return [own, own.replaceAll('+', '-').replaceAll('/', '_')]
}

/** Characters that are looked up at once, and how far the next look-up is from the one before. */
const gramLength = 8
const stride = 5

/** Where in a spelling a gram begins. */
interface GramPosition extends Spelling {
  offset: number
}

interface Grams {
  places: ReadonlyMap<string, GramPosition[]>
  /** By hash: whether there may be one. */
  mayHold: Uint8Array
}

/**
 * Texts are looked up at every fifth character only. So that one of these meets an indexed gram wherever the shortest run
 * that counts may lie, five grams in a row are indexed, and again as far behind them as that run allows.
 */
function indexOf(spellings: readonly Spelling[]): Grams {
  const places = new Map<string, GramPosition[]>()
  const mayHold = new Uint8Array(hashes)
  const seen = new Set<string>()
  for (const spelling of spellings) {
    const text = lowerCase(spelling.text)
    if (seen.has(text)) continue
    seen.add(text)
    const period = spelling.least - gramLength - stride + 2
    for (let offset = 0; offset + gramLength <= text.length; offset++) {
      if (offset % period >= stride) continue
      const gram = text.slice(offset, offset + gramLength)
      places.set(gram, [...(places.get(gram) ?? []), { text, least: spelling.least, offset }])
      mayHold[hashAt(text, offset)] = 1
    }
  }
  return { places, mayHold }
}

const hashes = 32_768

/** Of the gram that begins there, in any case: most grams of a text are in no secret, and this tells without a copy. */
function hashAt(text: string, at: number): number {
  const [first, second] = [text.charCodeAt(at) | caseBit, text.charCodeAt(at + 2) | caseBit]
  const [third, last] = [text.charCodeAt(at + 5) | caseBit, text.charCodeAt(at + 7) | caseBit]
  return (Math.imul(first, 29_791) + second * 961 + third * 31 + last) & (hashes - 1)
}

/** What tells small letters from capitals. */
const caseBit = 0x20

/** For the short ones: as they are, and only as a whole. */
function patternOf(spellings: readonly Spelling[]): RegExp | undefined {
  if (spellings.length === 0) return undefined
  const texts = [...new Set(spellings.map(({ text }) => text))].toSorted((left, right) => right.length - left.length)
  return new RegExp(texts.map((text) => RegExp.escape(text)).join('|'), 'g')
}

/** A text with its escapes resolved. */
interface View {
  text: string
  /** Where in the original each character stands, and where the last one ends; without this, at its own place. */
  origin?: readonly number[]
}

/** From its first character to the one behind its last. */
type Range = [start: number, end: number]

/** Escapes within escapes, as in JSON that is quoted in JSON. */
const mostLevels = 4

function findRuns({ text, origin }: View, { places, mayHold }: Grams, ranges: Range[]): void {
  let lower: string | undefined
  for (let at = 0; at + gramLength <= text.length; at += stride) {
    if (mayHold[hashAt(text, at)] === 0) continue
    lower ??= lowerCase(text)
    for (const { text: spelling, least, offset } of places.get(lower.slice(at, at + gramLength)) ?? []) {
      let start = 0
      while (start < Math.min(at, offset) && lower[at - start - 1] === spelling[offset - start - 1]) start++
      let end = gramLength
      while (offset + end < spelling.length && lower[at + end] === spelling[offset + end]) end++
      if (start + end >= least) ranges.push(rangeIn(origin, at - start, at + end))
    }
  }
}

function findLiterals({ text, origin }: View, pattern: RegExp, ranges: Range[]): void {
  for (const { 0: found, index } of text.matchAll(pattern)) ranges.push(rangeIn(origin, index, index + found.length))
}

function rangeIn(origin: View['origin'], start: number, end: number): Range {
  return [origin?.[start] ?? start, origin?.[end] ?? end]
}

const escapes = /%([0-9a-f]{2})|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|&#x([0-9a-f]{1,4});|&#(\d{1,5});|\\(["'\\/])/gi

/** The same text with its outermost escapes resolved; `undefined` where it has none. */
function unescaped(view: View): View | undefined {
  if (!/[%\\&]/.test(view.text)) return undefined
  let text = ''
  const origin: number[] = []
  let after = 0
  const copy = (to: number) => {
    for (let at = after; at < to; at++) origin.push(view.origin?.[at] ?? at)
    text += view.text.slice(after, to)
  }
  for (const { 0: whole, index, ...groups } of view.text.matchAll(escapes)) {
    copy(index)
    origin.push(view.origin?.[index] ?? index)
    const hex = groups[1] ?? groups[2] ?? groups[3] ?? groups[4]
    text += groups[6] ?? String.fromCharCode(hex === undefined ? Number(groups[5]) : Number.parseInt(hex, 16))
    after = index + whole.length
  }
  if (after === 0) return undefined
  copy(view.text.length)
  origin.push(view.origin?.at(-1) ?? view.text.length)
  return { text, origin }
}

function without(ranges: Range[], text: string): string {
  let clean = ''
  let after = 0
  const ordered = ranges.toSorted(([left], [right]) => left - right)
  for (const [index, [start, end]] of ordered.entries()) {
    if (index === 0 || start > after) clean += text.slice(after, start) + removed
    after = Math.max(after, end)
  }
  return clean + text.slice(after)
}

/** Of ASCII letters alone: no other letter is in a key, and some change their length. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
