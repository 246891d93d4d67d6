import { GatewayError } from '../core/errors.ts'

/** Values in a body, objects and lists included: twice those of 10,000 turns full of calls. */
export const usualMostValues = 250_000

/** Members of one object. The engine reads objects of 100,000 keys twenty times slower than lists. */
const mostMembers = 20_000

/** Levels of objects and lists that are told apart. */
const mostLevels = 256

/** Bytes of white space, or of one number, in a row. Nobody sends so many, and they are read in one go. */
const mostBetween = 1_000_000

/** Containers and strings shorter than this are read in one piece. */
export const portionLength = 65_536

/** The shortest body that is refused, with 20,000 members in one object, is about this long. */
export const shortLength = 100_000

/** What a scan of a JSON text finds out before it is parsed. */
export interface BodyShape {
  values: number
  isDeep: boolean
  /** Where objects, lists and strings longer than a portion end, by where they begin. */
  longValues: ReadonlyMap<number, number>
  /** Offsets of the opening quotes of the top-level member names. */
  memberNames: readonly number[]
  /** The longest top-level list. */
  longestList: ListShape | undefined
}

/** A list that is a member of the body: that of the messages. */
export interface ListShape {
  /** The number of top-level member names before the list's own. */
  membersBefore: number
  start: number
  end: number
  commas: readonly number[]
  /** Values up to each comma. */
  valuesBefore: readonly number[]
}

/** Where to start if the text up to a comma of a list is already known. */
export interface KnownPrefix {
  memberNames: readonly number[]
  list: ListShape
  /** The index of that comma in the list. */
  comma: number
}

export interface ShapeReader {
  /** Reads about so many bytes. Returns whether some are left. Errors: `invalid-request`. */
  read(length: number): boolean
  shape(): BodyShape
}

/**
 * Finds out what a body, as UTF-8, holds before it is parsed, and refuses one with more values, or more members in one
 * object, than anybody means: each takes about a microsecond until the body is decoded. Text takes next to nothing, but
 * for that of quotes. 250,000 values take about 15 ms to find, so other requests should run between the steps.
 *
 * With `known`, only the rest is searched: `longValues` and `isDeep` are those of the rest.
 */
export function shapeReader(json: Buffer, mostValues: number, known?: KnownPrefix): ShapeReader {
  const longValues = new Map<number, number>()
  const starts = new Uint32Array(mostLevels)
  // Also counted for lists, although only objects need it.
  const members = new Uint32Array(mostLevels)
  const memberNames: number[] = []
  let longestList: ListShape | undefined
  /** The list among the body's own members that is being read. */
  let list: OpenList | undefined
  let isNameNext = true
  let readTo = 0
  /** Where the string begins that `readTo` is inside of, or -1. */
  let openString = -1
  /** Behind the last string, bracket or comma. */
  let lastEnd = 0
  let values = 0
  let level = 0
  let deepest = 0
  if (known) startBehind(known)
  return {
    read(length) {
      const end = Math.min(json.length, readTo + length)
      // Searching a string takes half the time of searching bytes.
      readTo = scan(json.toString('latin1', readTo, end), readTo) ? end : json.length
      return readTo < json.length
    },
    shape: () => ({ values, isDeep: deepest > mostLevels, longValues, memberNames, longestList }),
  }

  function startBehind({ memberNames: names, list: knownList, comma }: KnownPrefix): void {
    const { membersBefore, start, commas, valuesBefore } = knownList
    memberNames.push(...names.slice(0, membersBefore + 1))
    list = { membersBefore, start, commas: commas.slice(0, comma + 1), valuesBefore: valuesBefore.slice(0, comma + 1) }
    isNameNext = false
    readTo = (commas[comma] ?? 0) + 1
    lastEnd = readTo
    values = valuesBefore[comma] ?? 0
    level = 2
    deepest = 2
    starts[0] = json.indexOf('{')
    starts[1] = start
    members[0] = membersBefore
    members[1] = comma + 1
  }

  /** Reads a part of the body that begins at `offset`. Returns whether it can be JSON; if not, the parser says where. */
  function scan(part: string, offset: number): boolean {
    for (let at = 0; at < part.length; at++) {
      const code = part.charCodeAt(at)
      if (openString >= 0 || code === quote) {
        if (openString < 0) {
          openString = offset + at
          at++
          if (level === 1 && isNameNext) {
            memberNames.push(openString)
            isNameNext = false
          }
        }
        at = stringEnd(part, at, offset)
        if (at < 0) return true
        if (offset + at - openString > portionLength) longValues.set(openString, offset + at)
        openString = -1
        lastEnd = offset + at + 1
        continue
      }
      const kind = kinds[code]
      if (kind === undefined || kind === 0) continue
      lastEnd = offset + at + 1
      if (kind === closes) {
        if (level === 0) return false
        level--
        const start = starts[level]
        if (start !== undefined && offset + at - start > portionLength) longValues.set(start, offset + at)
        if (level === 1 && list) {
          longestList = longer(longestList, { ...list, end: offset + at })
          list = undefined
        }
        continue
      }
      if (++values > mostValues) throw tooMany('values', `more than ${mostValues} JSON values`)
      if (kind === opens) {
        starts[level] = offset + at
        members[level] = 0
        if (level === 1 && code === openBracket)
          list = { membersBefore: memberNames.length - 1, start: offset + at, commas: [], valuesBefore: [] }
        level++
        if (level > deepest) deepest = level
      } else if (level > 0) {
        if (level === 1) isNameNext = true
        else if (level === 2 && list) {
          list.commas.push(offset + at)
          list.valuesBefore.push(values)
        }
        const count = (members[level - 1] ?? 0) + 1
        members[level - 1] = count
        if (count >= mostMembers && json[starts[level - 1] ?? 0] === ascii.openBrace)
          throw tooMany('members', `an object of more than ${mostMembers} members`)
      }
    }
    if (offset + part.length - lastEnd > mostBetween)
      throw tooMany('blanks', 'a megabyte of white space or of one number')
    return true
  }

  /** The place in `part` of the quote that closes the open string, or -1. */
  function stringEnd(part: string, from: number, offset: number): number {
    let at = part.indexOf('"', from)
    while (at >= 0 && isEscaped(json, offset + at, openString + 1)) at = part.indexOf('"', at + 1)
    return at
  }
}

interface OpenList extends Omit<ListShape, 'end'> {
  commas: number[]
  valuesBefore: number[]
}

function longer(one: ListShape | undefined, other: ListShape): ListShape {
  return one && one.end - one.start >= other.end - other.start ? one : other
}

function tooMany(what: string, held: string): GatewayError {
  return new GatewayError('invalid-request', `The request body holds ${held}.`, { code: `too_many_${what}` })
}

/** The characters that JSON is made of. */
export const ascii = {
  ...{ quote: 0x22, backslash: 0x5c, comma: 0x2c, colon: 0x3a, letterU: 0x75 },
  ...{ openBracket: 0x5b, closeBracket: 0x5d, openBrace: 0x7b, closeBrace: 0x7d },
  ...{ space: 0x20, tab: 0x09, lineBreak: 0x0a, carriageReturn: 0x0d },
}
const { quote, backslash, openBracket } = ascii

const opens = 1
const closes = 2
const separates = 3
/** Each value but the first has a comma or a bracket right before it, or begins with a bracket. */
const kinds = new Uint8Array(128)
for (const char of '[{') kinds[char.charCodeAt(0)] = opens
for (const char of ']}') kinds[char.charCodeAt(0)] = closes
kinds[','.charCodeAt(0)] = separates

/** The place of the quote that closes the string opened at `start`, or -1. */
export function closingQuote(json: Buffer, start: number): number {
  let at = nextQuote(json, start + 1)
  while (at >= 0 && isEscaped(json, at, start + 1)) at = nextQuote(json, at + 1)
  return at
}

/** That of `Buffer` takes four times as long to find a quote nearby (Bun 1.4.5). */
const { indexOf } = Uint8Array.prototype

function nextQuote(json: Buffer, from: number): number {
  return indexOf.call(json, quote, from)
}

/** Whether an odd number of backslashes is before `position`, of those from `from`. */
function isEscaped(json: Buffer, position: number, from: number): boolean {
  let before = position
  while (before > from && json[before - 1] === backslash) before--
  return (position - before) % 2 === 1
}
