import { isShallow, readJson } from '../../json/lenient-json.ts'

/** One JSON value found in an answer, in the model's own spelling where that is JSON already. */
export interface JsonCandidate {
  text: string
  value: unknown
}

/**
 * What an answer may mean as JSON, best first: the answer itself, what its code fences hold, and the objects and
 * arrays among its words. What is nearly JSON is mended where it can be read in one way only. Equal values count once.
 *
 * Takes a time in proportion to the length of the answer, whatever it holds.
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
  try {
    return { text, value: JSON.parse(text) }
  } catch {
    // A number or a string alone may be anything; only what has brackets is mended.
    const values = /^[{[]/.test(text) ? readJson(text) : undefined
    return values?.length === 1 ? { text: JSON.stringify(values[0]), value: values[0] } : undefined
  }
}

/** What stands in code fences, from the line that opens one to the next three backticks. */
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

/** The passages from an opening bracket to the one that closes it, outermost ones only. */
function bracketed(text: string): string[] {
  const ends = closings(text)
  const passages: string[] = []
  let at = nextBracket(text, 0)
  // Brackets in brackets that are no JSON would be read anew at each level.
  let left = mostReads * text.length + freeReads
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

/** How often a character of the answer is read in the search of a value, on average; of a short one, more often. */
const mostReads = 10
const freeReads = 300_000

function nextBracket(text: string, from: number): number {
  const bracket = /[{[]/g
  bracket.lastIndex = from
  return bracket.exec(text)?.index ?? -1
}

/** Of passes over the text: each finds the ends of all brackets that are not in strings. */
const mostPasses = 10

/**
 * Where brackets are closed; brackets in strings do not count. What is a string depends on where one begins to read, as
 * words may hold a single quote: a bracket that was in a string before gets a pass of its own.
 */
function closings(text: string): { of(start: number): number | undefined } {
  // By the place of a bracket: behind the one that closes it; 0 for one that nobody has come by.
  const ends = new Int32Array(text.length)
  let passes = 0
  return {
    of(start) {
      if (ends[start] === 0 && passes++ < mostPasses) pass(start)
      const end = ends[start] ?? 0
      return end > 0 ? end : undefined
    },
  }

  function pass(start: number): void {
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
