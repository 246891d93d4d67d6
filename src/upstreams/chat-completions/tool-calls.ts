import { appendText } from '../../core/append-text.ts'
import type { CallMeter } from '../../core/call-meter.ts'
import type { Delta } from '../../core/events.ts'
import { canonicalJson } from '../../core/json.ts'
import type { Tool } from '../../core/request.ts'
import { toolNamed } from '../../json/repair.ts'
import { type ArgumentPieces, argumentPieces } from '../../prompted-tools/argument-pieces.ts'
import { type ArgumentStream, argumentStream, isPlaceholder } from '../../prompted-tools/argument-stream.ts'
import type { CallPiece } from './schema.ts'
import { callNames } from './tool-call-names.ts'

/** Assembles the native tool calls of a reply. */
export interface ToolCallAssembler {
  push(piece: CallPiece, out: Delta[]): void
  /** Sends the calls that were held until the end of the reply. */
  end(out: Delta[]): void
  readonly any: boolean
  /**
   * The model keeps starting calls without end. They are limited because each piece is compared with all earlier calls.
   */
  readonly tooMany: boolean
}

interface PendingCall {
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

/** Several times the number of calls that agents run in parallel. */
export const maxCalls = 500

/** A piece with validated fields. */
interface Fragment {
  index: number | undefined
  id: string | undefined
  name: string
  arguments: unknown
  text: string
}

/**
 * Assembles calls from their pieces, and sends each one as soon as its name is complete and its arguments have begun.
 *
 * Servers number and repeat pieces in different ways:
 *
 * - an id in the first delta only, or in each: by id, else by index
 * - index 0 for every call, or no index: by id
 * - neither: by order; a name starts a call once the call before it is complete
 * - a new index for each delta: by id, else the pieces continue the call of the last delta
 * - a new id for each delta: by index, as long as the arguments continue
 * - a call repeated under another index: once; it is held until its arguments show that the two are the same
 * - the id of another call: a call of its own, which gets a new id
 *
 * Names and arguments come in different forms, too:
 * - a name in fragments or in every delta: see tool-call-names.ts
 * - a name after its arguments: the arguments wait, because the name decides their schema
 * - neither a name nor arguments: no call
 * - all arguments so far in every delta, or objects in place of text: see argument-pieces.ts
 * - `{}` or `null` first, or JSON in a string: see argument-stream.ts
 *
 * Calls are sent in the order in which they began.
 */
export function toolCallAssembler(tools: readonly Tool[], meter?: CallMeter): ToolCallAssembler {
  const known: PendingCall[] = []
  const names = callNames(tools)

  return {
    push(piece, out) {
      const fragment = fragmentOf(piece)
      const call = callFor(fragment)
      if (meter) count(fragment, call, meter)
      call.name = names.joined(call.name, fragment.name) ?? call.name
      call.unread += call.pieces.push(fragment.arguments)
      if (call.reader || names.isWhole(call.name, call.unread !== '')) read(call)
      sendBegun(out)
    },
    end(out) {
      for (const call of known) {
        call.unread += call.pieces.end()
        read(call)
        append(call, call.reader?.end() ?? '')
      }
      for (const call of known) if (isNothing(call) || isPlaceholderOfAnother(call)) call.state = 'dropped'
      for (const call of known) if (call.suspect) dropDuplicate(call)
      for (const call of known) if (call.state !== 'dropped') send(call, out)
    },
    get any() {
      return known.some(({ state }) => state !== 'dropped')
    },
    get tooMany() {
      return known.length > maxCalls
    },
  }

  function count({ name, arguments: piece, text }: Fragment, call: PendingCall, by: CallMeter): void {
    const written = call.pieces.repeats(piece) ? text.slice(call.longest) : text
    call.longest = Math.max(call.longest, text.length)
    by.wrote(call.name === '' ? name + written : written)
  }

  function callFor(fragment: Fragment): PendingCall {
    const { index, id } = fragment
    const found = find(fragment)
    const call = found === undefined || startsNewCall(found, fragment) ? begin(fragment) : found
    if (index !== undefined) call.indexes.add(index)
    if (id !== undefined) call.ids.add(id)
    return call
  }

  function find({ index, id, name, text }: Fragment): PendingCall | undefined {
    const last = known.at(-1)
    const byIndex = index === undefined ? undefined : known.findLast((call) => call.indexes.has(index))
    const byId = id === undefined ? [] : known.filter((call) => call.ids.has(id))
    if (byId.length > 0) return byIndex && byId.includes(byIndex) ? byIndex : byId.at(-1)
    if (byIndex !== undefined || last === undefined) return byIndex
    const isNumbered = index !== undefined || id !== undefined
    if (name === '') return id !== undefined && isComplete(last) ? undefined : last
    if (!isNumbered) return last
    const isContinuation = !startsObject(text) && hasBegun(last) && !isComplete(last)
    return isContinuation && id === undefined && names.joined(last.name, name) !== undefined ? last : undefined
  }

  /** Whether a piece starts a new call instead of continuing the call found by its id, its index or its position. */
  function startsNewCall(found: PendingCall, { index, id, name, text, arguments: piece }: Fragment): boolean {
    const isRenamed = id !== undefined && found.ids.size > 0 && !found.ids.has(id)
    // Its name is still to come.
    if (name === '') return isRenamed && isComplete(found) && text.trim() !== '' && startsObject(text)
    // This is the name of arguments that arrived before it.
    if (found.name === '' && text === '') return false
    if (names.joined(found.name, name) === undefined) return true
    const isRenumbered = index !== undefined && found.indexes.size > 0 && !found.indexes.has(index)
    if (isRenumbered) return startsObject(text) || isComplete(found)
    // In the middle of an object, a text or a list is one of its values.
    if (isRenamed && hasBegun(found) && !isComplete(found) && /^\s*[^\s{]/.test(text)) return false
    if (isRenamed) return startsObject(text) && (hasBegun(found) || found.unread !== '' || found.reader !== undefined)
    if (found.pieces.repeats(piece)) return false
    return isComplete(found) || (hasBegun(found) && /^\s*\{/.test(text))
  }

  function begin({ id, name }: Fragment): PendingCall {
    const call: PendingCall = {
      key: `call-${known.length}`,
      indexes: new Set(),
      ids: new Set(),
      name: '',
      pieces: argumentPieces(),
      longest: 0,
      unread: '',
      reader: undefined,
      text: '',
      unsent: '',
      canonical: undefined,
      suspect: known.some(
        (other) =>
          (name === '' || names.joined(other.name, name) !== undefined) &&
          (id === undefined || other.ids.size === 0 || other.ids.has(id)),
      ),
      state: 'waiting',
    }
    settleLast()
    known.push(call)
    return call
  }

  /** Releases what the last call holds, so that the loop guard sees endless calls while they arrive. */
  function settleLast(): void {
    const last = known.at(-1)
    if (last === undefined) return
    last.unread += last.pieces.settle()
    if (last.reader || names.isWhole(last.name, last.unread !== '')) read(last)
  }

  /** Reads the arguments that have arrived so far. Call it only once the name is complete, or at the end. */
  function read(call: PendingCall): void {
    if (call.unread === '') return
    call.reader ??= argumentStream(toolNamed(call.name, tools)?.parameters ?? {})
    append(call, call.reader.push(call.unread))
    call.unread = ''
  }

  function append(call: PendingCall, text: string): void {
    call.text = appendText(call.text, text)
    call.unsent += text
  }

  /** Sends the calls that have begun. A call is held back until those before it have begun. */
  function sendBegun(out: Delta[]): void {
    for (const call of known) {
      if (call.state === 'waiting' && (call.suspect || call.unsent === '')) return
      if (call.unsent !== '') send(call, out)
    }
  }

  function send(call: PendingCall, out: Delta[]): void {
    const { key, name, unsent } = call
    if (call.state === 'flowing' && unsent === '') return
    const id = call.state === 'waiting' ? ownId(call) : undefined
    const piece: Extract<Delta, { type: 'tool-call' }> = { type: 'tool-call', key }
    if (id !== undefined) piece.id = id
    if (call.state === 'waiting' && name !== '') piece.name = toolNamed(name, tools)?.name ?? name
    if (unsent !== '') piece.arguments = unsent
    out.push(piece)
    call.state = 'flowing'
    call.unsent = ''
  }

  function ownId(call: PendingCall): string | undefined {
    const before = known.slice(0, known.indexOf(call))
    return [...call.ids].find((id) => !before.some((other) => other.state !== 'dropped' && other.ids.has(id)))
  }

  /**
   * Whether a call without arguments belongs to another one at the same index, which has them under another id: it was
   * announced before, or an end that says nothing came after. Only if the tool has required arguments.
   */
  function isPlaceholderOfAnother(call: PendingCall): boolean {
    const required = toolNamed(call.name, tools)?.parameters.required
    if (call.state !== 'waiting' || !isEmpty(call) || !Array.isArray(required) || required.length === 0) return false
    return known.some((other) => {
      const sharesIndex = [...other.indexes].some((index) => call.indexes.has(index))
      return other !== call && sharesIndex && other.name === call.name && !isEmpty(other)
    })
  }

  /** Drops a call that repeats an earlier one, or the earlier one if that was only announced. */
  function dropDuplicate(call: PendingCall): void {
    for (const other of known) {
      if (other === call) return
      if (other.state === 'dropped' || (call.name !== '' && other.name !== call.name)) continue
      const shares = [...call.ids].some((id) => other.ids.has(id))
      if (!shares && call.ids.size > 0 && other.ids.size > 0) continue
      const saysNothing = ({ text }: PendingCall) => text === '' || (shares && text === '{}')
      if (saysNothing(call) || sameObject(call, other)) {
        call.state = 'dropped'
        return
      }
      if (saysNothing(other) && other.state === 'waiting') other.state = 'dropped'
    }
  }
}

function fragmentOf({ index, id, function: called }: CallPiece): Fragment {
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
function startsObject(text: string): boolean {
  return text.trim() === '' || /^\s*(?:[{[]|null|"\s*\\?["{])/.test(text)
}

function hasBegun({ pieces, unread, reader }: PendingCall): boolean {
  return pieces.holdsObject || (reader ? reader.begun : !isPlaceholder(unread))
}

function isComplete({ pieces, reader }: PendingCall): boolean {
  return pieces.holdsObject || (reader?.whole ?? false)
}

/** Whether neither a name nor arguments have arrived; a placeholder does not count. */
function isNothing({ name, text }: PendingCall): boolean {
  return name === '' && isPlaceholder(text)
}

function isEmpty({ text }: PendingCall): boolean {
  return text === '' || text === '{}'
}

function sameObject(left: PendingCall, right: PendingCall): boolean {
  left.canonical ??= canonicalJson(left.text)
  right.canonical ??= canonicalJson(right.text)
  return left.canonical === right.canonical
}
