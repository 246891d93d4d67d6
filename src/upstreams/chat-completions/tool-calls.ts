import type { Delta } from '../../core/events.ts'
import { canonicalJson } from '../../core/json.ts'
import type { Tool } from '../../core/request.ts'
import { repairName } from '../../json/repair.ts'
import { type ArgumentPieces, argumentPieces } from '../../prompted-tools/argument-pieces.ts'
import { type ArgumentStream, argumentStream, isPlaceholder } from '../../prompted-tools/argument-stream.ts'
import type { CallPiece } from './schema.ts'
import { callNames } from './tool-call-names.ts'

/** The native tool calls of a reply. */
export interface ToolCallAssembler {
  push(piece: CallPiece, out: Delta[]): void
  /** Sends the calls that waited for their end. */
  end(out: Delta[]): void
  readonly any: boolean
  /** The model calls without end: each piece is held against all calls before it. */
  readonly tooMany: boolean
}

interface PendingCall {
  key: string
  /** Every index and id under which pieces of it came. */
  indexes: Set<number>
  ids: Set<string>
  name: string
  pieces: ArgumentPieces
  /** Pieces of arguments that came while the name, which tells their schema, was not whole. */
  early: string
  reader: ArgumentStream | undefined
  /** Mended arguments: all of them, and those that are not sent yet. */
  text: string
  unsent: string
  /** Of a call that is over: its arguments in one spelling. */
  canonical: string | undefined
  /** It may be an earlier call once more, so that nothing of it is sent before the end. */
  suspect: boolean
  state: 'waiting' | 'flowing' | 'dropped'
}

/** Several times what agents run side by side. */
export const mostCalls = 500

/** A piece with its fields as they should be. */
interface Fragment {
  index: number | undefined
  id: string | undefined
  name: string
  arguments: unknown
  text: string
}

/**
 * Puts calls together from their pieces, and sends each as soon as its name is whole and its arguments have begun.
 *
 * What deltas look like, and what becomes of them:
 *
 * | index, id                               | one call                                                            |
 * |-----------------------------------------|---------------------------------------------------------------------|
 * | both, the id in the first delta alone   | by index                                                            |
 * | an id alone, or every call numbered 0   | by id                                                               |
 * | neither                                 | by order: a name begins a call once the one before is whole         |
 * | an index for each delta                 | by id, else what goes on where the last delta stopped               |
 * | an id for each delta                    | by index, as long as the arguments go on                            |
 * | a call again under another index        | once: it is held until its arguments tell that they are the same    |
 * | the id of another call                  | its own, without that id: the client gets one of ours               |
 *
 * | name, arguments                         | read                                                                |
 * |-----------------------------------------|---------------------------------------------------------------------|
 * | a name in fragments, or in every delta  | as call-names.ts says                                               |
 * | a name behind its arguments             | they wait, for the name tells their schema                          |
 * | neither                                 | no call                                                             |
 * | all arguments so far in every delta     | as argument-pieces.ts says, and so are objects in place of text     |
 * | `{}` or `null` in front, JSON in a text | as argument-stream.ts says                                          |
 *
 * - Calls are sent in the order in which they began.
 */
export function toolCallAssembler(tools: readonly Tool[]): ToolCallAssembler {
  const known: PendingCall[] = []
  const names = callNames(tools)

  return {
    push(piece, out) {
      const fragment = fragmentOf(piece)
      const call = callOf(fragment)
      call.name = names.joined(call.name, fragment.name) ?? call.name
      call.early += call.pieces.push(fragment.arguments)
      if (call.reader || names.isWhole(call.name, call.early !== '')) read(call)
      sendBegun(out)
    },
    end(out) {
      for (const call of known) {
        call.early += call.pieces.end()
        read(call)
        append(call, call.reader?.end() ?? '')
      }
      for (const call of known) if (isNothing(call) || isPlaceholderOfAnother(call)) call.state = 'dropped'
      for (const call of known) if (call.suspect) settleFragment(call)
      for (const call of known) if (call.state !== 'dropped') send(call, out)
    },
    get any() {
      return known.some(({ state }) => state !== 'dropped')
    },
    get tooMany() {
      return known.length > mostCalls
    },
  }

  function callOf(fragment: Fragment): PendingCall {
    const { index, id } = fragment
    const here = find(fragment)
    const call = here === undefined || begins(here, fragment) ? begin(fragment) : here
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
    const goesOn = !opens(text) && hasBegun(last) && !isComplete(last)
    return goesOn && id === undefined && names.joined(last.name, name) !== undefined ? last : undefined
  }

  /** Whether a piece begins another call than the one that its id, its index or its place names. */
  function begins(here: PendingCall, { index, id, name, text, arguments: piece }: Fragment): boolean {
    if (name === '') return false
    if (names.joined(here.name, name) === undefined) return true
    const isRenumbered = index !== undefined && here.indexes.size > 0 && !here.indexes.has(index)
    if (isRenumbered) return opens(text) || isComplete(here)
    const isRenamed = id !== undefined && here.ids.size > 0 && !here.ids.has(id)
    if (isRenamed) return opens(text) && (here.early !== '' || here.reader !== undefined)
    if (here.pieces.repeats(piece)) return false
    return isComplete(here) || (hasBegun(here) && /^\s*\{/.test(text))
  }

  function begin({ id, name }: Fragment): PendingCall {
    const call: PendingCall = {
      key: `call-${known.length}`,
      indexes: new Set(),
      ids: new Set(),
      name: '',
      pieces: argumentPieces(),
      early: '',
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
    known.push(call)
    return call
  }

  /** What came before the name was whole, and all that comes after it. */
  function read(call: PendingCall): void {
    if (call.early === '') return
    const name = repairName(call.name, tools)
    call.reader ??= argumentStream(tools.find((tool) => tool.name === name)?.parameters ?? {})
    append(call, call.reader.push(call.early))
    call.early = ''
  }

  function append(call: PendingCall, text: string): void {
    call.text += text
    call.unsent += text
  }

  /** A call is sent once those before it have begun. */
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
    out.push({
      type: 'tool-call',
      key,
      ...(id === undefined ? {} : { id }),
      ...(call.state === 'waiting' && name !== '' ? { name: repairName(name, tools) ?? name } : {}),
      ...(unsent === '' ? {} : { arguments: unsent }),
    })
    call.state = 'flowing'
    call.unsent = ''
  }

  function ownId(call: PendingCall): string | undefined {
    const before = known.slice(0, known.indexOf(call))
    return [...call.ids].find((id) => !before.some((other) => other.state !== 'dropped' && other.ids.has(id)))
  }

  /** Announced under one id and made under another, at the same place, by a tool that cannot do without arguments. */
  function isPlaceholderOfAnother(call: PendingCall): boolean {
    const required = tools.find(({ name }) => name === repairName(call.name, tools))?.parameters.required
    if (call.state !== 'waiting' || call.text !== '{}' || !Array.isArray(required) || required.length === 0)
      return false
    return known.slice(known.indexOf(call) + 1).some(({ name, indexes, text }) => {
      const isHere = [...indexes].some((index) => call.indexes.has(index))
      return isHere && name === call.name && text !== '' && text !== '{}'
    })
  }

  /** Drops a call that says an earlier one once more, or the earlier one where that was only announced. */
  function settleFragment(call: PendingCall): void {
    for (const other of known) {
      if (other === call) return
      if (other.state === 'dropped' || (call.name !== '' && other.name !== call.name)) continue
      const shares = [...call.ids].some((id) => other.ids.has(id))
      if (!shares && call.ids.size > 0 && other.ids.size > 0) continue
      const isEmpty = ({ text }: PendingCall) => text === '' || (shares && text === '{}')
      if (isEmpty(call) || sameObject(call, other)) {
        call.state = 'dropped'
        return
      }
      if (isEmpty(other) && other.state === 'waiting') other.state = 'dropped'
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

/** The beginning of an object, as it is or in a string, or nothing that would tell. */
function opens(text: string): boolean {
  return text.trim() === '' || /^\s*(?:[{[]|null|"\s*\\?["{])/.test(text)
}

function hasBegun({ pieces, early, reader }: PendingCall): boolean {
  return pieces.holdsObject || (reader ? reader.begun : !isPlaceholder(early))
}

function isComplete({ pieces, reader }: PendingCall): boolean {
  return pieces.holdsObject || (reader?.whole ?? false)
}

/** Neither a name nor arguments have come. */
function isNothing({ name, text }: PendingCall): boolean {
  return name === '' && text === ''
}

function sameObject(left: PendingCall, right: PendingCall): boolean {
  left.canonical ??= canonicalJson(left.text)
  right.canonical ??= canonicalJson(right.text)
  return left.canonical === right.canonical
}
