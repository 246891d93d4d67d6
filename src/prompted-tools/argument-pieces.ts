import { isRecord } from '../core/json.ts'
import { repairArguments } from '../json/repair.ts'
import { isPlaceholder } from './argument-stream.ts'
import { type JsonPrefix, jsonPrefix } from './json-prefix.ts'

/** The arguments of one call, put together from what each delta says of them. */
export interface ArgumentPieces {
  /** What is to be appended now. */
  push(piece: unknown): string
  /** What is left to append. */
  end(): string
  /** Whether a piece says all that came so far, and maybe more. */
  repeats(piece: unknown): boolean
  /** Arguments came as an object, in whose place another one that says more may still come. */
  readonly holdsObject: boolean
}

/** Pieces that may be read in two ways, which wait until one of them proves wrong. */
interface Doubt {
  /** What came before them. */
  before: string
  /** Their lengths. Each of them is the beginning of the last one, so that no other has to be kept. */
  lengths: number[]
  /** All of them, one behind the other. */
  appended: JsonPrefix
  /** The last of them alone. */
  last: JsonPrefix
}

/**
 * Most upstreams send fragments; some repeat all so far with each delta, as text or as an object.
 *
 * A piece that begins with all so far is either: `{"a":` and `{"a":1}` may go on with `}`. What both readings say alike
 * is appended at once. A piece that can only be a fragment, as almost every second one is, makes all of them fragments.
 */
export function argumentPieces(): ArgumentPieces {
  let reading: 'open' | 'fragments' | 'snapshots' = 'open'
  // As long as pieces may be snapshots: the last one.
  let snapshot = ''
  let doubt: Doubt | undefined
  let object: Record<string, unknown> | undefined

  return {
    push(piece) {
      if (isRecord(piece)) return pushObject(piece)
      const text = textOf(piece)
      if (text === '') return ''
      return releaseObject() + pushText(text)
    },
    end() {
      return releaseObject() + (doubt ? decide(doubt, readingAtEnd(doubt)) : '')
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
    const waited = doubt ? decide(doubt, 'fragments') : ''
    reading = 'fragments'
    snapshot = ''
    return waited + text
  }

  function grow(text: string): string {
    const added = text.slice(snapshot.length)
    snapshot = text
    return added
  }

  function hold(text: string): string {
    doubt ??= begunWith(snapshot)
    doubt.lengths.push(text.length)
    doubt.appended.push(text)
    doubt.last.push(grow(text))
    const { appended, last } = doubt
    if (appended.isPossible === last.isPossible) return ''
    return decide(doubt, last.isPossible ? 'snapshots' : 'fragments')
  }

  function decide({ before, lengths }: Doubt, as: 'fragments' | 'snapshots'): string {
    const text = as === 'snapshots' ? snapshot.slice(before.length) : joined(lengths)
    doubt = undefined
    reading = as
    if (as === 'fragments') snapshot = ''
    return text
  }

  function readingAtEnd({ appended, last }: Doubt): 'fragments' | 'snapshots' {
    if (appended.isWhole) return 'fragments'
    if (last.isWhole) return 'snapshots'
    // Cut, or not quite JSON in either reading.
    return !appended.isPossible && repairArguments(snapshot, {}).ok ? 'snapshots' : 'fragments'
  }

  function joined(lengths: readonly number[]): string {
    return lengths.map((length) => snapshot.slice(0, length)).join('')
  }
}

function begunWith(before: string): Doubt {
  const doubt = { before, lengths: [], appended: jsonPrefix(), last: jsonPrefix() }
  doubt.appended.push(before)
  doubt.last.push(before)
  return doubt
}

function textOf(piece: unknown): string {
  if (piece === undefined || piece === null) return ''
  return typeof piece === 'string' ? piece : JSON.stringify(piece)
}

/** Whether a value says all that an earlier one did: texts and lists go on, members are added. */
function grewTo(earlier: unknown, later: unknown): boolean {
  if (typeof earlier === 'string') return typeof later === 'string' && later.startsWith(earlier)
  if (Array.isArray(earlier))
    return Array.isArray(later) && earlier.every((item, at) => at < later.length && grewTo(item, later[at]))
  if (!isRecord(earlier)) return earlier === later
  return isRecord(later) && Object.entries(earlier).every(([key, item]) => grewTo(item, later[key]))
}
