import { parseJson } from '../../core/json.ts'
import { isShallow, readJson } from '../../json/lenient-json.ts'

/** One JSON value found in an answer. `text` is the model's own text if that is valid JSON. */
export interface JsonCandidate {
  text: string
  value: unknown
}

/**
 * The JSON values that an answer may mean, the most likely one first: the whole answer, the contents of its code fences,
 * and the objects and arrays in its text. Invalid JSON is repaired if it can be read in one way only. Equal values are
 * listed once.
 *
 * Takes time in proportion to the length of the answer, whatever it contains.
 */
export function jsonCandidates(answer: string): JsonCandidate[] {
  const text = answer.replace(/^\uFEFF/, '').trim()
  const whole = candidateIn(text)
  if (whole !== undefined) return [whole]
  const passages = [...fenced(text), ...bracketed(text)]
  const values = passages.map(candidateIn).filter((value) => value !== undefined)
  const deep = values.find(({ value }) => !isShallow(value))
  return deep ? [deep] : [...new Map(values.map((value) => [JSON.stringify(value.value), value])).values()]
}

function candidateIn(text: string): JsonCandidate | undefined {
  const value = parseJson(text)
  if (value !== undefined) return { text, value }
  // Only objects and arrays are repaired. Other text could be read as a number or a string by accident.
  const values = /^[{[]/.test(text) ? readJson(text) : undefined
  return values?.length === 1 ? { text: JSON.stringify(values[0]), value: values[0] } : undefined
}

/** The contents of code fences, each from the line behind the opening to the next three backticks. */
function fenced(text: string): string[] {
  const opening = /```[\w-]*[^\S\n]*\n/y
  const inside: string[] = []
  let at = text.indexOf('```')
  while (at >= 0) {
    opening.lastIndex = at
    const start = opening.test(text) ? opening.lastIndex : -1
    const end = start < 0 ? -1 : text.indexOf('```', start)
    if (end >= 0) inside.push(text.slice(start, end).trim())
    else if (start >= 0) break
    at = text.indexOf('```', end < 0 ? at + 1 : end + 3)
  }
  return inside
}

/**
 * The passages of the text that are JSON, each from an opening bracket to its closing one. A passage inside another one
 * is left out.
 */
function bracketed(text: string): string[] {
  const ends = closings(text)
  const passages: string[] = []
  let at = nextBracket(text, 0)
  // The number of characters that may still be read: nested brackets that are not JSON are read again at each level.
  let left = readsPerCharacter * text.length + additionalReads
  while (at >= 0) {
    const end = ends.of(at)
    let from = at + 1
    if (end !== undefined && end - at <= left) {
      left -= end - at
      const passage = text.slice(at, end)
      if (candidateIn(passage) !== undefined) {
        passages.push(passage)
        from = end
      }
    }
    at = nextBracket(text, from)
  }
  return passages
}

/** The limit of characters to read: this many for each character of the text, and these in addition. */
const readsPerCharacter = 10
const additionalReads = 300_000

function nextBracket(text: string, from: number): number {
  const bracket = /[{[]/g
  bracket.lastIndex = from
  return bracket.exec(text)?.index ?? -1
}

/** Passes over the text. Each finds the ends of all brackets outside of strings. */
const maxScans = 10

/**
 * Finds the end of each bracket. Brackets in strings do not count, and what is a string depends on where reading begins,
 * because the text may contain a single quotation mark. A bracket that an earlier scan found in a string therefore gets
 * another scan that begins at it, up to 10 scans in all.
 */
function closings(text: string): { of(start: number): number | undefined } {
  // By the index of a bracket: the index behind its closing one, −1 if it is not closed, 0 if no scan has reached it.
  const ends = new Int32Array(text.length)
  let scans = 0
  return {
    of(start) {
      if (ends[start] === 0 && scans++ < maxScans) scan(start)
      const end = ends[start] ?? 0
      return end > 0 ? end : undefined
    },
  }

  function scan(start: number): void {
    const open: number[] = []
    let inString = false
    for (let at = start; at < text.length; at++) {
      const char = text.charCodeAt(at)
      if (inString) {
        if (char === backslash) at++
        else if (char === quote) inString = false
      } else if (char === quote) inString = open.length > 0
      else if (char === openBrace || char === openBracket) {
        open.push(at)
        if (ends[at] === 0) ends[at] = -1
      } else if (char === closeBrace || char === closeBracket) {
        const opened = open.pop()
        if (opened !== undefined && ends[opened] === -1) ends[opened] = at + 1
      }
    }
  }
}

const quote = 0x22
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
