import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { closingQuote, portionLength } from './body-shape.ts'

/**
 * `JSON.parse` in portions, between which other requests can run: a body of 250,000 values takes 160 ms in one go.
 *
 * Members of a long object or list are parsed in groups, and members that are long themselves by themselves, so that the
 * engine's own parser reads everything but the commas, colons and brackets between the portions. `longContainers` are
 * those of `BodyShape`. Where `json` is the bytes of a text, one a character, `decode` makes text of a part of them.
 * Errors: SyntaxError.
 */
export async function parseInPortions(
  json: string,
  longContainers: ReadonlyMap<number, number>,
  yieldIfLong: YieldIfLong,
  decode: (part: string) => string = (part) => part,
): Promise<unknown> {
  const start = json.search(/[^ \t\r\n]/)
  const end = longContainers.get(start)
  if (end === undefined) return parse(json)
  if (!isBlank(json.slice(end + 1))) throw malformed()
  return container(start, end)

  function parse<Value>(part: string): Value {
    return JSON.parse(decode(part))
  }

  async function container(start: number, end: number): Promise<unknown> {
    return json[start] === '{' ? object(start, end) : list(start, end)
  }

  async function list(start: number, end: number): Promise<unknown[]> {
    if (json[end] !== ']') throw malformed()
    const items: unknown[] = []
    for await (const { text, long } of portions(start, end)) {
      if (long) {
        if (!isBlank(text)) throw malformed()
        items.push(long.value)
      } else for (const item of parse<unknown[]>(`[${text}]`)) items.push(item)
    }
    return items
  }

  async function object(start: number, end: number): Promise<object> {
    if (json[end] !== '}') throw malformed()
    const members = {}
    for await (const { text, long } of portions(start, end)) {
      const group = parse<object>(long ? `{${text}[]}` : `{${text}}`)
      const keys = Object.keys(group)
      if (long && keys.length !== 1) throw malformed()
      for (const key of keys) {
        const value = long ? long.value : Reflect.get(group, key)
        // Assigned, `__proto__` would be another thing than a member.
        if (key === '__proto__') Object.defineProperty(members, key, { ...plain, value })
        else Reflect.set(members, key, value)
      }
    }
    return members
  }

  /**
   * The members between two brackets: groups of whole ones without the last comma, and the text in front of each long one
   * with its value.
   */
  async function* portions(start: number, end: number): AsyncGenerator<{ text: string; long?: { value: unknown } }> {
    // Where the group and the member begin.
    let from = start + 1
    let member = from
    let hasColon = json[start] === '['
    let isFirst = true
    for (let at = from; at < end; at++) {
      const char = json[at]
      if (char === ',') {
        if (at - from >= portionLength) {
          yield { text: whole(from, at) }
          from = at + 1
          isFirst = false
          const pause = yieldIfLong()
          if (pause) await pause
        }
        member = at + 1
        hasColon = json[start] === '['
      } else if (char === ':') hasColon = true
      else if (char === '"' || char === '[' || char === '{') {
        const last = char === '"' ? closingQuote(json, at) : closingBracket(at)
        if (last < 0 || last >= end) throw malformed()
        if (last - at <= portionLength || !hasColon) {
          at = last
          continue
        }
        if (member > from) yield { text: whole(from, member - 1) }
        const value = await (char === '"' ? longString(at, last) : container(at, last))
        yield { text: json.slice(member, at), long: { value } }
        const next = json.slice(last + 1, end).search(/[^ \t\r\n]/)
        const pause = yieldIfLong()
        if (pause) await pause
        if (next < 0) return
        at = last + 1 + next
        if (json[at] !== ',') throw malformed()
        from = at + 1
        member = from
        hasColon = json[start] === '['
        isFirst = false
      }
    }
    if (isFirst) yield { text: json.slice(from, end) }
    else yield { text: whole(from, end) }
  }

  async function longString(start: number, end: number): Promise<string> {
    const parts: string[] = []
    for (let from = start + 1; from < end; ) {
      const to = from + stringPortionLength < end ? outsideEscape(characterStart(from + stringPortionLength)) : end
      parts.push(parse(`"${json.slice(from, to)}"`))
      from = to
      const pause = yieldIfLong()
      if (pause) await pause
    }
    return parts.join('')
  }

  /** `at`, or the first byte of the character that `at` is inside of. */
  function characterStart(at: number): number {
    let start = at
    while (start > at - 3 && (json.charCodeAt(start) & 0xc0) === 0x80) start--
    return start
  }

  /** `at`, or the beginning of the escape that `at` is inside of. */
  function outsideEscape(at: number): number {
    const backslash = json.lastIndexOf('\\', at - 1)
    if (backslash < at - 5) return at
    let first = backslash
    while (json[first - 1] === '\\') first--
    const isEscape = (backslash - first) % 2 === 0
    const length = json[backslash + 1] === 'u' ? 6 : 2
    return isEscape && backslash + length > at ? backslash : at
  }

  /** The text of at least one member. */
  function whole(from: number, to: number): string {
    const text = json.slice(from, to)
    if (isBlank(text)) throw malformed()
    return text
  }

  function closingBracket(start: number): number {
    const known = longContainers.get(start)
    if (known !== undefined) return known
    let level = 0
    for (let at = start; at < json.length; at++) {
      const char = json[at]
      if (char === '"') {
        at = closingQuote(json, at)
        if (at < 0) return -1
      } else if (char === '[' || char === '{') level++
      else if ((char === ']' || char === '}') && --level === 0) return at
    }
    return -1
  }
}

/** Without escapes, a string is little more than copied. */
const stringPortionLength = 1_048_576

const plain = { enumerable: true, configurable: true, writable: true }

function isBlank(text: string): boolean {
  return !/[^ \t\r\n]/.test(text)
}

function malformed(): SyntaxError {
  return new SyntaxError('JSON Parse error: Unexpected token')
}
