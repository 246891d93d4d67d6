import { isRecord, parseJson } from '../core/json.ts'
import { repairArguments } from '../json/repair.ts'
import { isPlaceholder } from './argument-stream.ts'
import { doubledPieces } from './doubled-pieces.ts'
import { type JsonPrefix, jsonPrefix } from './json-prefix.ts'

/** The arguments of one call, assembled from the pieces in its deltas. */
export interface ArgumentPieces {
  /** Adds a piece, and returns the text to append now. */
  push(piece: unknown): string
  /** Another call has begun: returns the object that was held for a larger one. */
  settle(): string
  /** The text that is left to append. */
  end(): string
  /** Whether a piece repeats all text so far, and may continue it. */
  repeats(piece: unknown): boolean
  /** The arguments came as a whole object, which a later, larger object may still replace. */
  readonly holdsObject: boolean
}

/** Pieces that can be read in two ways. They are held back until one of the readings proves wrong. */
interface AmbiguousPieces {
  /** The text before these pieces. */
  before: string
  /** Lengths of the pieces. Each piece is the beginning of the last one, so only that one is kept. */
  lengths: number[]
  /** The reading as fragments: all pieces appended to each other. */
  appended: JsonPrefix
  /** The reading as snapshots: the last piece alone. */
  last: JsonPrefix
}

/** A piece that is held because it looks like a whole object. */
interface HeldObject {
  text: string
  /** `undefined` until it has been read. */
  value: Record<string, unknown> | undefined
}

/** Reading a longer text takes milliseconds, so it is done only if another piece follows, which is seldom. */
const longLength = 65_536

/**
 * Most upstreams send fragments of the arguments. Some repeat all arguments so far with each delta, as text or as an
 * object ("snapshots").
 *
 * A piece that begins with all text so far can be either: after `{"a":`, the piece `{"a":1}` may be followed by `}`.
 * Such pieces are held back until only one reading can be JSON. Once a piece does not begin with all text so far, all
 * pieces are fragments. Among fragments this is usually true of the second piece already.
 * A first piece that is a whole object is held, because the next piece may be the same object with more in it.
 */
export function argumentPieces(): ArgumentPieces {
  let reading: 'open' | 'fragments' | 'snapshots' = 'open'
  // The last piece, as long as pieces may be snapshots.
  let snapshot = ''
  let ambiguous: AmbiguousPieces | undefined
  let held: HeldObject | undefined
  // The text of what was held and turned out to be no object, to append before anything else.
  let late = ''
  const doubled = doubledPieces()

  return {
    push(piece) {
      if (isRecord(piece)) return pushAll(doubled.end()) + pushObject(piece, JSON.stringify(piece))
      const text = textOf(piece)
      return text === '' ? '' : pushAll(doubled.push(text))
    },
    settle: releaseObject,
    end() {
      const last = pushAll(doubled.end())
      return last + releaseObject() + (ambiguous ? decide(ambiguous, readingAtEnd(ambiguous)) : '')
    },
    repeats(piece) {
      const object = heldObject()
      const whole = isRecord(piece) ? piece : object && wholeObject(textOf(piece))
      if (whole) return object !== undefined && grewTo(object, whole)
      return snapshot !== '' && textOf(piece).startsWith(snapshot)
    },
    get holdsObject() {
      return Object.keys(heldObject() ?? {}).length > 0
    },
  }

  function pushAll(texts: readonly string[]): string {
    return texts.map(pushPiece).join('')
  }

  function pushPiece(text: string): string {
    if (!looksWhole(text)) return releaseObject() + pushText(text)
    if (held === undefined && isFirst() && text.length > longLength) {
      held = { text, value: undefined }
      return takeLate()
    }
    const whole = heldObject() !== undefined || isFirst() ? wholeObject(text) : undefined
    return whole ? pushObject(whole, text) : releaseObject() + pushText(text)
  }

  /** Nothing has come before that is a part of the arguments. */
  function isFirst(): boolean {
    return reading === 'open' && snapshot === ''
  }

  function pushObject(piece: Record<string, unknown>, text: string): string {
    const object = heldObject()
    if (object !== undefined && grewTo(piece, object)) return ''
    if (object === undefined || grewTo(object, piece)) {
      held = { text, value: piece }
      return takeLate()
    }
    return releaseObject() + pushText(text)
  }

  /** The object that is held. What is held and is no object becomes text. */
  function heldObject(): Record<string, unknown> | undefined {
    if (held === undefined || held.value) return held?.value
    held.value = wholeObject(held.text)
    if (held.value === undefined) late += releaseObject()
    return held?.value
  }

  function releaseObject(): string {
    const text = held?.text
    held = undefined
    return takeLate() + (text === undefined ? '' : pushText(text))
  }

  function takeLate(): string {
    const text = late
    late = ''
    return text
  }

  function pushText(text: string): string {
    if (reading === 'fragments') return text
    if (snapshot === '') {
      if (!isPlaceholder(text)) snapshot = text
      return text
    }
    if (text.startsWith(snapshot)) return reading === 'snapshots' ? grow(text) : hold(text)
    if (reading === 'snapshots') {
      snapshot += text
      return text
    }
    const released = ambiguous ? decide(ambiguous, 'fragments') : ''
    reading = 'fragments'
    snapshot = ''
    return released + text
  }

  function grow(text: string): string {
    const added = text.slice(snapshot.length)
    snapshot = text
    return added
  }

  function hold(text: string): string {
    ambiguous ??= ambiguousAfter(snapshot)
    ambiguous.lengths.push(text.length)
    ambiguous.appended.push(text)
    ambiguous.last.push(grow(text))
    const { appended, last } = ambiguous
    if (appended.isPossible === last.isPossible) return ''
    return decide(ambiguous, last.isPossible ? 'snapshots' : 'fragments')
  }

  function decide({ before, lengths }: AmbiguousPieces, as: 'fragments' | 'snapshots'): string {
    const text = as === 'snapshots' ? snapshot.slice(before.length) : joined(lengths)
    ambiguous = undefined
    reading = as
    if (as === 'fragments') snapshot = ''
    return text
  }

  function readingAtEnd({ appended, last }: AmbiguousPieces): 'fragments' | 'snapshots' {
    if (appended.isWhole) return 'fragments'
    if (last.isWhole) return 'snapshots'
    // Cut, or not quite JSON in either reading.
    return !appended.isPossible && repairArguments(snapshot, {}).ok ? 'snapshots' : 'fragments'
  }

  function joined(lengths: readonly number[]): string {
    return lengths.map((length) => snapshot.slice(0, length)).join('')
  }
}

function ambiguousAfter(before: string): AmbiguousPieces {
  const ambiguous = { before, lengths: [], appended: jsonPrefix(), last: jsonPrefix() }
  ambiguous.appended.push(before)
  ambiguous.last.push(before)
  return ambiguous
}

function looksWhole(text: string): boolean {
  return /^\s*\{/.test(text) && text.trimEnd().endsWith('}') && !isPlaceholder(text)
}

/** An object that has members. */
function wholeObject(text: string): Record<string, unknown> | undefined {
  const value = looksWhole(text) ? parseJson(text) : undefined
  return isRecord(value) ? value : undefined
}

function textOf(piece: unknown): string {
  if (piece === undefined || piece === null) return ''
  return typeof piece === 'string' ? piece : JSON.stringify(piece)
}

/** Whether a value contains an earlier one: strings and lists may be longer, and members may be added. */
function grewTo(earlier: unknown, later: unknown): boolean {
  if (typeof earlier === 'string') return typeof later === 'string' && later.startsWith(earlier)
  if (Array.isArray(earlier))
    return Array.isArray(later) && earlier.every((item, at) => at < later.length && grewTo(item, later[at]))
  if (!isRecord(earlier)) return earlier === later
  return isRecord(later) && Object.entries(earlier).every(([key, item]) => grewTo(item, later[key]))
}
