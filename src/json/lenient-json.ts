import { parseJson } from '../core/json.ts'
import { tooDeep } from '../core/nesting-depth.ts'

/**
 * All JSON values in a text, one after another, because models join objects: `{…}{…}`. Returns `undefined` if the text
 * cannot be read. Almost-JSON is repaired if it can be read in only one way: raw line breaks, trailing commas,
 * unescaped quotes, typographic quotes, Python literals, surplus closing brackets. A value without its end is not read,
 * because a cut value must not pass for a whole one.
 */
export function readJson(text: string): unknown[] | undefined {
  const value = parseJson(text)
  if (value === undefined) return looseReader(text).values()
  return isShallow(value) ? [value] : undefined
}

/** The keyword arguments of a call written as code, with its brackets: `(path="a", depth=2)`. */
export function readKeywords(text: string): Record<string, unknown> | undefined {
  return looseReader(text).keywords()
}

/** Deeper nesting is rejected: no real argument needs it, and the stack is limited. */
export const maxDepth = 200

const closingQuote: Record<string, string> = { '"': '"', "'": "'", '“': '”', '”': '”' }

const escapes: Record<string, string> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  "'": "'",
  '/': '/',
  '\\': '\\',
}

const literals: Record<string, unknown> = {
  true: true,
  false: false,
  null: null,
  True: true,
  False: false,
  None: null,
}

/** What must follow a closing quote. Any other quote is part of the string. */
const afterQuote = {
  key: /\s*:/y,
  member: /\s*(?:\}|$|,\s*(?:\}|["'“”][^"'“”]{0,100}["'“”]\s*:))/y,
  item: /\s*(?:\]|$|,\s*(?:["'“”{[\]\d-]|true|false|null))/y,
  keyword: /\s*(?:\)|,\s*(?:\)|\w+\s*=))/y,
  alone: /\s*$/y,
}
type ValuePosition = keyof typeof afterQuote

const space = /\s*/y
const identifier = /\w+/y
const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const surplus = /[\s}\]]*$/y

/**
 * Whether a value is within `maxDepth`. A deeper one must not be converted, compared or validated, which is all
 * recursive.
 */
export function isShallow(value: unknown): boolean {
  return tooDeep(value, maxDepth) === undefined
}

/** A recursive descent parser. It returns `undefined` for "cannot be read", which is not a JSON value. */
function looseReader(text: string) {
  let at = 0
  return { values, keywords }

  function values(): unknown[] | undefined {
    const found: unknown[] = []
    while (found.length === 0 || !matches(surplus, text, at)) {
      const read = value('alone', 0)
      if (read === undefined) return undefined
      found.push(read)
      take(',')
    }
    return found
  }

  function keywords(): Record<string, unknown> | undefined {
    if (!take('(')) return undefined
    const members = list(')', () => {
      const key = match(identifier)
      return key !== '' && take('=') ? pair(key, value('keyword', 0)) : undefined
    })
    return members && match(space) !== undefined && at === text.length ? Object.fromEntries(members) : undefined
  }

  function value(position: ValuePosition, depth: number): unknown {
    if (depth > maxDepth) return undefined
    if (take('{')) return object(depth + 1)
    if (take('['))
      return list(']', () => {
        const item = value('item', depth + 1)
        return item === undefined ? undefined : { item }
      })?.map(({ item }) => item)
    const quote = closingQuote[text.charAt(at)]
    if (quote !== undefined) return string(quote, position)
    const word = match(identifier)
    if (Object.hasOwn(literals, word)) return literals[word]
    at -= word.length
    const digits = match(number)
    return digits === '' ? undefined : Number(digits)
  }

  function object(depth: number): Record<string, unknown> | undefined {
    const members = list('}', () => {
      const quote = closingQuote[text.charAt(at)]
      const key = quote === undefined ? undefined : string(quote, 'key')
      return key !== undefined && take(':') ? pair(key, value('member', depth)) : undefined
    })
    return members && Object.fromEntries(members)
  }

  function list<T>(close: string, read: () => T | undefined): T[] | undefined {
    const found: T[] = []
    while (!take(close)) {
      const item = read()
      if (item === undefined) return undefined
      found.push(item)
      if (!take(',') && !ahead(close)) return undefined
    }
    return found
  }

  function string(quote: string, position: ValuePosition): string | undefined {
    let read = ''
    let inner = 0
    for (at++; at < text.length; at++) {
      const char = text.charAt(at)
      if (char === '\\') read += escaped()
      else if (char !== quote) read += char
      else if (matches(afterQuote[position], text, at + 1)) {
        at++
        // With an odd number of inner quotes, this may be the end of a string whose rest was lost: it is not guessed.
        return inner % 2 === 0 ? read : undefined
      } else {
        inner++
        read += char
      }
    }
    return undefined
  }

  /** Reads an escape and leaves `at` on its last character. A backslash that escapes nothing (`\d`) is kept. */
  function escaped(): string {
    at++
    const char = text.charAt(at)
    const known = escapes[char]
    if (known !== undefined) return known
    const hex = char === 'u' ? text.slice(at + 1, at + 5) : ''
    if (!/^[\da-fA-F]{4}$/.test(hex)) return `\\${char}`
    at += 4
    return String.fromCharCode(Number.parseInt(hex, 16))
  }

  function ahead(token: string): boolean {
    match(space)
    return text.startsWith(token, at)
  }

  function take(token: string): boolean {
    if (!ahead(token)) return false
    at += token.length
    match(space)
    return true
  }

  function match(pattern: RegExp): string {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0] ?? ''
    at += found.length
    return found
  }
}

function matches(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(text)
}

function pair(key: string, value: unknown): [string, unknown] | undefined {
  return value === undefined ? undefined : [key, value]
}
