import { isRecord } from '../core/json.ts'
import { repairArguments } from '../json/repair.ts'
import { isPlaceholder } from './argument-stream.ts'
import { type JsonPrefix, jsonPrefix } from './json-prefix.ts'

/** The arguments of one call, assembled from the pieces in its deltas. */
export interface ArgumentPieces {
  /** Adds a piece, and returns the text to append now. */
  push(piece: unknown): string
  /** The text that is left to append. */
  end(): string
  /** Whether a piece repeats all text so far, and may continue it. */
  repeats(piece: unknown): boolean
  /** The arguments came as an object, which a later, larger object may still replace. */
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

/**
 * Most upstreams send fragments of the arguments. Some repeat all arguments so far with each delta, as text or as an
 * object ("snapshots").
 *
 * A piece that begins with all text so far can be either: after `{"a":`, the piece `{"a":1}` may be followed by `}`.
 * Such pieces are held back until only one reading can be JSON. Once a piece does not begin with all text so far, all
 * pieces are fragments. Among fragments this is usually true of the second piece already.
 */
export function argumentPieces(): ArgumentPieces {
  let reading: 'open' | 'fragments' | 'snapshots' = 'open'
  // The last piece, as long as pieces may be snapshots.
  let snapshot = ''
  let ambiguous: AmbiguousPieces | undefined
  let object: Record<string, unknown> | undefined

  return {
    push(piece) {
      if (isRecord(piece)) return pushObject(piece)
      const text = textOf(piece)
      if (text === '') return ''
      return releaseObject() + pushText(text)
    },
    end() {
      return releaseObject() + (ambiguous ? decide(ambiguous, readingAtEnd(ambiguous)) : '')
    },
    repeats(piece) {
      if (isRecord(piece)) return object !== undefined && grewTo(object, piece)
      return snapshot !== '' && textOf(piece).startsWith(snapshot)
    },
    get holdsObject() {
      return object !== undefined && Object.keys(object).length > 0
    },
  }

  function pushObject(piece: Record<string, unknown>): string {
    if (object === undefined || grewTo(object, piece)) {
      object = piece
      return ''
    }
    return releaseObject() + pushText(JSON.stringify(piece))
  }

  function releaseObject(): string {
    const text = object === undefined ? '' : JSON.stringify(object)
    object = undefined
    return text === '' ? '' : pushText(text)
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
