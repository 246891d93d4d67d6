import { GatewayError } from '../core/errors.ts'

/** Values in a body, objects and lists included: twice those of 10,000 turns full of calls. */
export const usualMostValues = 250_000

/** Members of one object. The engine reads objects of 100,000 keys twenty times slower than lists. */
const mostMembers = 20_000

/** Levels of objects and lists that are told apart. */
const mostLevels = 256

/** Containers shorter than this are read in one piece. */
export const portionLength = 65_536

/** The shortest body that is refused, with 20,000 members in one object, is about this long. */
export const shortLength = 100_000

/** What can be said of a JSON text without reading it. */
export interface BodyShape {
  values: number
  isDeep: boolean
  /** Where objects and lists longer than a portion end, by where they begin. */
  longContainers: ReadonlyMap<number, number>
}

export interface ShapeReader {
  /** Reads at least so many characters. Returns whether some are left. Errors: `invalid-request`. */
  read(length: number): boolean
  shape(): BodyShape
}

/**
 * Finds out what a body holds before it is parsed, and refuses one with more values, or more members in one object, than
 * anybody means: each takes about a microsecond until the body is decoded. Text takes next to nothing. 250,000 values take
 * about 15 ms to find, so other requests should run between the steps.
 */
export function shapeReader(json: string, mostValues: number): ShapeReader {
  const longContainers = new Map<number, number>()
  const starts = new Uint32Array(mostLevels)
  // Of lists, too, where nobody asks for it.
  const members = new Uint32Array(mostLevels)
  let readTo = 0
  let values = 0
  let level = 0
  let deepest = 0
  return {
    read(length) {
      readTo = scan(readTo, Math.min(json.length, readTo + length))
      return readTo < json.length
    },
    shape: () => ({ values, isDeep: deepest > mostLevels, longContainers }),
  }

  /** Returns where it has stopped: behind a text that goes beyond the end. */
  function scan(from: number, end: number): number {
    let at = from
    for (; at < end; at++) {
      const code = json.charCodeAt(at)
      if (code === quote) {
        at = closingQuote(json, at)
        if (at < 0) return json.length // no JSON; the parser says where
        continue
      }
      const kind = kinds[code]
      if (kind === undefined || kind === 0) continue
      if (kind === closes) {
        if (level === 0) return json.length
        level--
        const start = starts[level]
        if (start !== undefined && at - start > portionLength) longContainers.set(start, at)
        continue
      }
      if (++values > mostValues) throw tooMany('values', `more than ${mostValues} JSON values`)
      if (kind === opens) {
        starts[level] = at
        members[level] = 0
        level++
        if (level > deepest) deepest = level
      } else if (level > 0) {
        const count = (members[level - 1] ?? 0) + 1
        members[level - 1] = count
        if (count >= mostMembers && json.charCodeAt(starts[level - 1] ?? 0) === brace)
          throw tooMany('members', `an object of more than ${mostMembers} members`)
      }
    }
    return at
  }
}

function tooMany(what: string, held: string): GatewayError {
  return new GatewayError('invalid-request', `The request body holds ${held}.`, { code: `too_many_${what}` })
}

const quote = 0x22
const brace = 0x7b
const backslash = 0x5c

const opens = 1
const closes = 2
const separates = 3
/** Each value but the first has a comma or a bracket right before it, or begins with a bracket. */
const kinds = new Uint8Array(128)
for (const char of '[{') kinds[char.charCodeAt(0)] = opens
for (const char of ']}') kinds[char.charCodeAt(0)] = closes
kinds[','.charCodeAt(0)] = separates

/** The place of the quote that closes the string opened at `start`, or -1. */
export function closingQuote(json: string, start: number): number {
  let at = json.indexOf('"', start + 1)
  while (at >= 0 && isEscaped(json, at)) at = json.indexOf('"', at + 1)
  return at
}

function isEscaped(json: string, position: number): boolean {
  let before = position
  while (json.charCodeAt(before - 1) === backslash) before--
  return (position - before) % 2 === 1
}
