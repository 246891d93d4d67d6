import { isRecord, parseJson } from '../../core/json.ts'
import { type ArgumentPieces, argumentPieces } from '../../prompted-tools/argument-pieces.ts'
import type { MessagePart } from './schema.ts'
import type { RanTool } from './server-tools.ts'

/** Calls that arrive in fields of their own, beside the text; each frame adds a piece of the arguments. */
export interface FieldCalls {
  /** Reads a frame of a call. Returns the name and the arguments that it adds. */
  read(part: MessagePart): string
  /** The call that a result belongs to. A result without a call gets a new one. */
  withResult(part: MessagePart): FieldCall
  /** Removes a call, with the end of its arguments. */
  take(call: FieldCall): RanTool
  /** Removes all calls that have a name, with the ends of their arguments. */
  takeNamed(): RanTool[]
}

export type FieldCall = RanTool & { pieces: ArgumentPieces }

export function fieldCalls(): FieldCalls {
  // In the order in which they began.
  const calls: FieldCall[] = []

  return {
    read({ delta_name, delta_arguments, metadata }) {
      const id = metadata?.tool_call_id ?? ''
      const found = find(id)
      const call = found && !startsNewCall(found, delta_name, delta_arguments) ? found : begin(id, '')
      call.name ||= delta_name ?? ''
      const written = call.pieces.push(delta_arguments)
      call.arguments += written
      return (delta_name ?? '') + written
    },
    withResult({ tool_name, metadata }) {
      const id = metadata?.tool_call_id ?? ''
      return find(id) ?? begin(id, tool_name ?? '')
    },
    take(call) {
      calls.splice(calls.indexOf(call), 1)
      return completed(call)
    },
    takeNamed: () => calls.splice(0).flatMap((call) => (call.name === '' ? [] : [completed(call)])),
  }

  function begin(id: string, name: string): FieldCall {
    const call = { id, name, arguments: '', sources: [], pieces: argumentPieces() }
    calls.push(call)
    return call
  }

  function find(id: string): FieldCall | undefined {
    return id === '' ? calls.at(-1) : calls.findLast((call) => call.id === id)
  }
}

/**
 * Whether a frame starts a new call instead of continuing the call found by its id or its position: names may be
 * repeated.
 */
function startsNewCall(found: FieldCall, name: string | null | undefined, piece: unknown): boolean {
  if (!name || found.name === '' || found.pieces.repeats(piece)) return false
  return name !== found.name || found.pieces.holdsObject || isRecord(parseJson(found.arguments))
}

function completed({ pieces, ...call }: FieldCall): RanTool {
  return { ...call, arguments: call.arguments + pieces.end() }
}
