import type { ArgumentPieces } from '../../prompted-tools/argument-pieces.ts'
import { type ArgumentStream, isPlaceholder } from '../../prompted-tools/argument-stream.ts'
import type { CallPiece } from './schema.ts'

/** A call of a reply that is being assembled. */
export interface PendingCall {
  key: string
  /** Every index and id under which pieces of it arrived. */
  indexes: Set<number>
  ids: Set<string>
  name: string
  pieces: ArgumentPieces
  /** Length of the longest piece so far, in case each repeats the one before. */
  longest: number
  /** Pieces of arguments that arrived before the name was complete. The name is needed to find their schema. */
  unread: string
  reader: ArgumentStream | undefined
  /** Repaired arguments: all of them, and the part that is not sent yet. */
  text: string
  unsent: string
  /** The arguments of a finished call in one spelling. */
  canonical: string | undefined
  /** It may repeat an earlier call, so nothing of it is sent before the end. */
  suspect: boolean
  state: 'waiting' | 'flowing' | 'dropped'
}

/** A piece with validated fields. */
export interface Fragment {
  index: number | undefined
  id: string | undefined
  name: string
  arguments: unknown
  text: string
}

export function fragmentOf({ index, id, function: called }: CallPiece): Fragment {
  const number = typeof index === 'string' && index !== '' ? Number(index) : index
  return {
    index: typeof number === 'number' && Number.isFinite(number) ? number : undefined,
    id: typeof id === 'number' ? String(id) : typeof id === 'string' && id !== '' ? id : undefined,
    name: called?.name ?? '',
    arguments: called?.arguments,
    text: textOf(called?.arguments),
  }
}

function textOf(written: unknown): string {
  if (written === undefined || written === null) return ''
  return typeof written === 'string' ? written : JSON.stringify(written)
}

/** The text starts an object, directly or inside a string, or it has nothing that would show otherwise. */
export function startsObject(text: string): boolean {
  return text.trim() === '' || /^\s*(?:[{[]|null|"\s*\\?["{])/.test(text)
}

export function hasBegun({ pieces, unread, reader }: PendingCall): boolean {
  return pieces.holdsObject || (reader ? reader.begun : !isPlaceholder(unread))
}

export function isComplete({ pieces, reader }: PendingCall): boolean {
  return pieces.holdsObject || (reader?.whole ?? false)
}

/** Whether neither a name nor arguments have arrived; a placeholder does not count. */
export function isNothing({ name, text }: PendingCall): boolean {
  return name === '' && isPlaceholder(text)
}
