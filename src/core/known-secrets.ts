import { type Redact, removed } from './redact.ts'
import { resolveEscapes } from './resolve-escapes.ts'
import { unwrappedBase64 } from './wrapped-base64.ts'

/**
 * Removes known secrets from texts: a secret as a whole, its part after the prefix or the last dot, and every part of
 * at least 12 characters and half its length. Secrets are found in any letter case, in hex, in base64 (also inside a
 * longer encoded text, as in `Basic base64(user:key)`, or over several lines), and under the escapes of URLs, JSON and
 * HTML. Secrets of fewer than 12 characters are found only as a whole and in their own letter case, because they may equal
 * an ordinary word.
 *
 * Costs: about 1 µs for a line of the log without escapes, however many secrets there are.
 */
export function createRedactor(secrets: readonly string[]): Redact {
  const find = createSecretFinder(secrets)
  return (text) => {
    const ranges = find(text)
    return withoutRanges(ranges, text)
  }
}

/**
 * Finds what `createRedactor` removes: the places in any order, which may overlap. A search that takes more than `mostSteps`
 * steps, of about 1 ns each, is given up, and then all of the text is one place.
 */
export function createSecretFinder(
  secrets: readonly string[],
  mostSteps = Number.POSITIVE_INFINITY,
): (text: string) => TextRange[] {
  const spellings = secrets.flatMap(secretParts).flatMap(spellingsOf)
  if (spellings.length === 0) return () => []
  const isIndexable = ({ least }: Spelling) => least >= gramLength + stride - 1
  const grams = indexGrams(spellings.filter(isIndexable))
  const literals = indexLiterals(spellings.filter((spelling) => !isIndexable(spelling)))
  return (text) => {
    const search: Search = { ranges: [], stepsLeft: mostSteps }
    for (const view of viewsOf(text)) {
      findRuns(view, grams, search)
      if (literals.size > 0) findLiterals(view, literals, search)
      if (search.stepsLeft < 0) return [[0, text.length]]
    }
    return search.ranges
  }
}

/** A search in one text. */
interface Search {
  ranges: TextRange[]
  /** Below 0 the search is given up. */
  stepsLeft: number
}

/** Shorter secrets would also match ordinary text. */
const shortestSecret = 4
const shortestPart = 8
/** A part of a secret counts as the secret from this length. */
const shortestRun = 12

/**
 * The secret itself, and its part after the prefix of `sk-…` or after the dot of `<id>.<secret>`: that part is enough
 * to use it.
 */
function secretParts(secret: string): string[] {
  if (secret.length < shortestSecret) return []
  const parts = [secret.replace(/^[a-z0-9]{2,4}[-_]/, ''), secret.split('.').at(-1) ?? '']
  return [secret, ...parts.filter((part) => part.length >= shortestPart)]
}

/** One way to write a secret. */
interface Spelling {
  text: string
  /** Length of the shortest part of `text` that is removed. */
  least: number
}

function spellingsOf(secret: string): Spelling[] {
  const bytes = Buffer.from(secret)
  const whole = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), bytes.toString('latin1')]
  if (secret.length < shortestPart)
    return [...whole, withoutPadding(bytes)].map((text) => ({ text, least: text.length }))
  // A secret shorter than the shortest run is removed as a whole only.
  const least = Math.min(bytes.length, Math.max(shortestRun, Math.ceil(bytes.length / 2)))
  const leastEncoded = Math.floor((least * 8 - 4) / 6)
  return [
    ...whole.map((text) => ({ text, least: Math.min(text.length, least) })),
    { text: bytes.toString('hex'), least: 2 * least },
    { text: withoutPadding(bytes), least: leastEncoded },
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)).map((text) => ({ text, least: leastEncoded })),
  ]
}

function withoutPadding(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

/**
 * The characters of base64, and of its variant for URLs, that depend on `bytes` alone, if `bytes` begins `offset` bytes
 * after the start of a group of three.
 */
export function base64At(bytes: Buffer, offset: number): string[] {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  const own = text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  return [own, own.replaceAll('+', '-').replaceAll('/', '_')]
}

/** Characters per look-up, and the distance between two look-ups. */
const gramLength = 8
const stride = 5

/** A gram of a spelling, and where in the spelling it begins. */
interface GramPosition extends Spelling {
  offset: number
}

interface Grams {
  byGram: ReadonlyMap<string, GramPosition[]>
  /** By hash: 1 if a gram with that hash may exist. */
  mayContain: Uint8Array
}

/**
 * Indexes some grams of each spelling. Texts are looked up at every fifth character only. Five grams in a row are
 * indexed, and again after every `period` characters, so that any run of `least` characters has an indexed gram at a
 * position that is looked up.
 */
function indexGrams(spellings: readonly Spelling[]): Grams {
  const byGram = new Map<string, GramPosition[]>()
  const mayContain = new Uint8Array(hashes)
  const seen = new Set<string>()
  for (const spelling of spellings) {
    const text = lowerCase(spelling.text)
    if (seen.has(text)) continue
    seen.add(text)
    const period = spelling.least - gramLength - stride + 2
    for (let offset = 0; offset + gramLength <= text.length; offset++) {
      if (offset % period >= stride) continue
      const gram = text.slice(offset, offset + gramLength)
      const positions = byGram.get(gram)
      const position = { text, least: spelling.least, offset }
      if (positions) positions.push(position)
      else byGram.set(gram, [position])
      mayContain[hashAt(text, offset)] = 1
    }
  }
  return { byGram, mayContain }
}

const hashes = 32_768

/**
 * Hash of the gram at `at`, in any letter case: most grams of a text are in no secret, and this shows it without a copy
 * of the text.
 */
function hashAt(text: string, at: number): number {
  const first = text.charCodeAt(at) | caseBit
  const second = text.charCodeAt(at + 2) | caseBit
  const third = text.charCodeAt(at + 5) | caseBit
  const last = text.charCodeAt(at + 7) | caseBit
  return (Math.imul(first, 29_791) + second * 961 + third * 31 + last) & (hashes - 1)
}

/** The bit that differs between small and capital letters. */
const caseBit = 0x20

/**
 * The spellings that are too short for the index of grams, by their first two characters and the longest first: they match as
 * a whole and in their own letter case.
 */
function indexLiterals(spellings: readonly Spelling[]): ReadonlyMap<number, string[]> {
  const texts = [...new Set(spellings.map(({ text }) => text))].toSorted((left, right) => right.length - left.length)
  return Map.groupBy(texts, (text) => pairAt(text, 0))
}

function pairAt(text: string, at: number): number {
  return text.charCodeAt(at) * 0x1_0000 + text.charCodeAt(at + 1)
}

/** A text with its escapes resolved. */
interface UnescapedText {
  text: string
  /**
   * Position of each character in the original text, then the end of the last one. Without it, positions are the same.
   */
  origin?: ArrayLike<number>
}

/** A part of a text; `end` is exclusive. */
export type TextRange = [start: number, end: number]

/** How many layers of escapes are resolved, as in JSON that is quoted in JSON. */
const maxLevels = 4

/** The text, and the text after each layer of escapes is resolved; in each, the base64 is without line breaks. */
export function viewsOf(text: string): UnescapedText[] {
  const views: UnescapedText[] = []
  let view: UnescapedText | undefined = { text }
  for (let level = 0; view !== undefined && level < maxLevels; level++) {
    views.push(view)
    const unwrapped = unwrappedBase64(view.text)
    if (unwrapped) views.push({ text: unwrapped.text, origin: within(view.origin, unwrapped.origin) })
    view = unescaped(view)
  }
  return views
}

/** Positions in the original text of positions in a view of it. */
function within(origin: UnescapedText['origin'], positions: Uint32Array): Uint32Array {
  return origin ? positions.map((at) => origin[at] ?? at) : positions
}

function findRuns({ text, origin }: UnescapedText, { byGram, mayContain }: Grams, search: Search): void {
  let lower: string | undefined
  for (let at = 0; at + gramLength <= text.length && search.stepsLeft >= 0; at += stride) {
    if (mayContain[hashAt(text, at)] === 0) continue
    lower ??= lowerCase(text)
    for (const { text: spelling, least, offset } of byGram.get(lower.slice(at, at + gramLength)) ?? []) {
      let start = 0
      while (start < Math.min(at, offset) && lower[at - start - 1] === spelling[offset - start - 1]) start++
      let end = gramLength
      while (offset + end < spelling.length && lower[at + end] === spelling[offset + end]) end++
      if (start + end >= least) search.ranges.push(rangeIn(origin, at - start, at + end))
      search.stepsLeft -= start + end
    }
  }
}

function findLiterals({ text, origin }: UnescapedText, literals: ReadonlyMap<number, string[]>, search: Search): void {
  for (let at = 0; at < text.length && search.stepsLeft >= 0; at++) {
    const candidates = literals.get(pairAt(text, at))
    if (candidates === undefined) continue
    search.stepsLeft -= candidates.length
    const found = candidates.find((literal) => text.startsWith(literal, at))
    if (found === undefined) continue
    search.ranges.push(rangeIn(origin, at, at + found.length))
    at += found.length - 1
  }
}

/** The range of the original text that a range of a view comes from. */
export function rangeIn(origin: UnescapedText['origin'], start: number, end: number): TextRange {
  return [origin?.[start] ?? start, origin?.[end] ?? end]
}

/** The text with its outermost layer of escapes resolved; `undefined` if it has none. */
function unescaped(view: UnescapedText): UnescapedText | undefined {
  const resolved = resolveEscapes(view.text)
  return resolved && { text: resolved.text, origin: within(view.origin, resolved.origin) }
}

export function withoutRanges(ranges: readonly TextRange[], text: string): string {
  if (ranges.length === 0) return text
  let clean = ''
  let after = 0
  const ordered = ranges.toSorted(([left], [right]) => left - right)
  for (const [index, [start, end]] of ordered.entries()) {
    if (index === 0 || start > after) clean += text.slice(after, start) + removed
    after = Math.max(after, end)
  }
  return clean + text.slice(after)
}

/** Lower-cases ASCII letters only: keys have no other letters, and some others change their length in lower case. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
