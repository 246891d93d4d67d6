import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { ascii, closingQuote, portionLength } from './body-shape.ts'

const { quote, comma, colon, backslash, openBracket, closeBracket, openBrace, closeBrace } = ascii
const { space, lineBreak, carriageReturn, tab, letterU } = ascii

/**
 * `JSON.parse` of UTF-8 in portions, between which other requests can run: a body of 250,000 values takes 160 ms in one go.
 *
 * Members of a long object or list are parsed in groups, and members that are long themselves by themselves, so that the
 * engine's own parser reads everything but the commas, colons and brackets between the portions. `longValues` are those
 * of `BodyShape`. Errors: SyntaxError.
 */
export async function parseInPortions(
  json: Buffer,
  longValues: ReadonlyMap<number, number>,
  yieldIfLong: YieldIfLong,
): Promise<unknown> {
  const start = afterBlanks(json, 0)
  const end = longValues.get(start)
  if (end === undefined) return JSON.parse(json.toString())
  if (afterBlanks(json, end + 1) < json.length) throw malformed()
  return json[start] === quote ? longString(start, end) : container(start, end)

  async function container(start: number, end: number): Promise<unknown> {
    return json[start] === openBrace ? object(start, end) : list(start, end)
  }

  async function list(start: number, end: number): Promise<unknown[]> {
    if (json[end] !== closeBracket) throw malformed()
    const items: unknown[] = []
    for await (const { text, long } of portions(start, end)) {
      if (long) {
        if (/[^ \t\r\n]/.test(text)) throw malformed()
        items.push(long.value)
      } else for (const item of JSON.parse(`[${text}]`)) items.push(item)
    }
    return items
  }

  async function object(start: number, end: number): Promise<object> {
    if (json[end] !== closeBrace) throw malformed()
    const members = {}
    for await (const { text, long } of portions(start, end)) {
      const group: object = JSON.parse(long ? `{${text}[]}` : `{${text}}`)
      const keys = Object.keys(group)
      if (long && keys.length !== 1) throw malformed()
      for (const key of keys) {
        const value = long ? long.value : Reflect.get(group, key)
        // Assigning `__proto__` would set the prototype instead of adding a member.
        if (key === '__proto__') Object.defineProperty(members, key, { ...plain, value })
        else Reflect.set(members, key, value)
      }
    }
    return members
  }

  /**
   * The members between two brackets, in order. Short members come in groups, as text without a comma at its end. A long
   * member comes by itself: `text` is what stands before its value (`"key":`, in a list nothing), `long` is the value.
   */
  async function* portions(start: number, end: number): AsyncGenerator<{ text: string; long?: { value: unknown } }> {
    // Where the group and the member begin.
    let from = start + 1
    let member = from
    let hasColon = json[start] === openBracket
    let isFirst = true
    let lastPause = from
    for (let at = from; at < end; at++) {
      if (at - lastPause > blanksAtOnce) {
        lastPause = at
        const pause = yieldIfLong()
        if (pause) await pause
      }
      const code = json[at]
      if (code === comma) {
        if (at - from >= portionLength) {
          yield { text: whole(from, at) }
          from = at + 1
          isFirst = false
          const pause = yieldIfLong()
          if (pause) await pause
        }
        member = at + 1
        hasColon = json[start] === openBracket
      } else if (code === colon) hasColon = true
      else if (code === quote || code === openBracket || code === openBrace) {
        const last = longValues.get(at) ?? (code === quote ? closingQuote(json, at) : closingBracket(at))
        if (last < 0 || last >= end) throw malformed()
        if (last - at <= portionLength || !hasColon) {
          at = last
          continue
        }
        if (member > from) yield { text: whole(from, member - 1) }
        const value = await (code === quote ? longString(at, last) : container(at, last))
        yield { text: json.toString('utf8', member, at), long: { value } }
        const pause = yieldIfLong()
        if (pause) await pause
        at = afterBlanks(json, last + 1)
        if (at >= end) return
        if (json[at] !== comma) throw malformed()
        from = at + 1
        member = from
        hasColon = json[start] === openBracket
        isFirst = false
      }
    }
    if (isFirst) yield { text: json.toString('utf8', from, end) }
    else yield { text: whole(from, end) }
  }

  async function longString(start: number, end: number): Promise<string> {
    const parts: string[] = []
    for (let from = start + 1; from < end; ) {
      const to = from + stringPortionLength < end ? partEnd(from, from + stringPortionLength) : end
      parts.push(JSON.parse(`"${json.toString('utf8', from, to)}"`))
      from = to
      const pause = yieldIfLong()
      if (pause) await pause
    }
    // The longest step of all, because the memory for the whole string is taken at once: 30 MB take 4 to 25 ms.
    if (parts.length > 1) await yieldIfLong('long step next')
    return parts.join('')
  }

  /** `at`, or before it the beginning of the character or escape that `at` is inside of. A part begins at `from`. */
  function partEnd(from: number, at: number): number {
    let to = at
    while (to > at - 3 && ((json[to] ?? 0) & 0xc0) === 0x80) to--
    let backslashAt = to - 1
    while (backslashAt > to - 6 && json[backslashAt] !== backslash) backslashAt--
    if (json[backslashAt] !== backslash) return to
    let first = backslashAt
    while (first > from && json[first - 1] === backslash) first--
    const isEscape = (backslashAt - first) % 2 === 0
    const length = json[backslashAt + 1] === letterU ? 6 : 2
    return isEscape && backslashAt + length > to ? backslashAt : to
  }

  /** The text of at least one member. */
  function whole(from: number, to: number): string {
    if (afterBlanks(json, from) >= to) throw malformed()
    return json.toString('utf8', from, to)
  }

  function closingBracket(start: number): number {
    let level = 0
    for (let at = start; at < json.length; at++) {
      const code = json[at]
      if (code === quote) {
        at = longValues.get(at) ?? closingQuote(json, at)
        if (at < 0) return -1
      } else if (code === openBracket || code === openBrace) level++
      else if ((code === closeBracket || code === closeBrace) && --level === 0) return at
    }
    return -1
  }
}

/** Bytes between values that are read in about a millisecond. */
const blanksAtOnce = 262_144

/** Bytes of a string whose escapes are read in about a millisecond. */
const stringPortionLength = 262_144

const plain = { enumerable: true, configurable: true, writable: true }

/** The place of the first byte from `from` that is no white space, or the length. */
export function afterBlanks(json: Buffer, from: number): number {
  let at = from
  while (isBlank(json[at])) at++
  return at
}

function isBlank(code: number | undefined): boolean {
  return code === space || code === lineBreak || code === carriageReturn || code === tab
}

function malformed(): SyntaxError {
  return new SyntaxError('JSON Parse error: Unexpected token')
}
