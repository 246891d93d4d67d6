import { appendText } from '../../core/append-text.ts'
import type { CallMeter } from '../../core/call-meter.ts'
import type { Delta } from '../../core/events.ts'
import type { Tool } from '../../core/request.ts'
import { toolNamed } from '../../json/repair.ts'
import { argumentPieces } from '../../prompted-tools/argument-pieces.ts'
import { argumentStream } from '../../prompted-tools/argument-stream.ts'
import { matchingCall, mayRepeat } from './matching-call.ts'
import { type Fragment, fragmentOf, isNothing, type PendingCall } from './pending-call.ts'
import { dropDuplicate, isPlaceholderOfAnother } from './repeated-calls.ts'
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

/** Several times the number of calls that agents run in parallel. */
export const maxCalls = 500

/**
 * Assembles calls from their pieces, and sends each one as soon as its name is complete and its arguments have begun.
 *
 * Servers number pieces, and repeat calls, in different ways (see matching-call.ts and repeated-calls.ts):
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
      for (const call of known)
        if (isNothing(call) || isPlaceholderOfAnother(call, known, requiredOf(call))) call.state = 'dropped'
      for (const call of known) if (call.suspect) dropDuplicate(call, known)
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
    const call = matchingCall(fragment, known, names) ?? begin(fragment)
    if (index !== undefined) call.indexes.add(index)
    if (id !== undefined) call.ids.add(id)
    return call
  }

  function begin(fragment: Fragment): PendingCall {
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
      suspect: mayRepeat(fragment, known, names),
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

  function requiredOf({ name }: PendingCall): unknown {
    return toolNamed(name, tools)?.parameters.required
  }

  function ownId(call: PendingCall): string | undefined {
    const before = known.slice(0, known.indexOf(call))
    return [...call.ids].find((id) => !before.some((other) => other.state !== 'dropped' && other.ids.has(id)))
  }
}
