import { isShallow, readJson } from '../../prompted-tools/json.ts'

/** One JSON value found in an answer, in the model's own spelling where that is JSON already. */
export interface Found {
  text: string
  value: unknown
}

/** Answers hold one value, or a few words and one value; a text full of brackets is none of ours. */
const mostStarts = 50

/**
 * What an answer may mean as JSON, best first: the answer itself, what its code fences hold, and the objects and
 * arrays among its words. What is nearly JSON is mended where it can be read in one way only. Equal values count once.
 */
export function readAnswer(answer: string): Found[] {
  const text = answer.replace(/^\uFEFF/, '').trim()
  const whole = found(text)
  if (whole !== undefined) return [whole]
  const fenced = [...text.matchAll(/```[\w-]*[^\S\n]*\n([\s\S]*?)\n?[^\S\n]*```/g)].map(([, inside = '']) =>
    inside.trim(),
  )
  const passages = fenced.length > 0 ? [...fenced, ...bracketed(text)] : bracketed(text)
  const values = passages.map(found).filter((value) => value !== undefined)
  const deep = values.find(({ value }) => !isShallow(value))
  return deep ? [deep] : [...new Map(values.map((value) => [JSON.stringify(value.value), value])).values()]
}

function found(text: string): Found | undefined {
  try {
    return { text, value: JSON.parse(text) }
  } catch {
    // A number or a string alone may be anything; only what has brackets is mended.
    const values = /^[{[]/.test(text) ? readJson(text) : undefined
    return values?.length === 1 ? { text: JSON.stringify(values[0]), value: values[0] } : undefined
  }
}

/** The passages from an opening bracket to the one that closes it, outermost ones only. */
function bracketed(text: string): string[] {
  const passages: string[] = []
  let at = text.search(/[{[]/)
  for (let starts = 0; at >= 0 && starts < mostStarts; starts++) {
    const end = closingOf(text, at)
    const passage = end === undefined ? undefined : text.slice(at, end)
    if (passage !== undefined && found(passage) !== undefined) passages.push(passage)
    const from = passage === undefined || passages.at(-1) !== passage ? at + 1 : at + passage.length
    const next = text.slice(from).search(/[{[]/)
    at = next < 0 ? -1 : from + next
  }
  return passages
}

/** Behind the bracket that closes the one at `start`; brackets in strings do not count. */
function closingOf(text: string, start: number): number | undefined {
  let depth = 0
  let inString = false
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) return at + 1
  }
  return undefined
}
