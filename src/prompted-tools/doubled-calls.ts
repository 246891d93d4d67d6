import type { Delta } from '../core/events.ts'
import { sameJson } from '../core/json.ts'
import type { Transform } from '../core/transform.ts'
import { isWrittenCall } from './parse.ts'

type CallDelta = Extract<Delta, { type: 'tool-call' }>

interface TrackedCall {
  name: string
  arguments: string
  /** What is not sent until the end tells whether the call is one of its own. */
  held: CallDelta[]
  /** The other way in which it came was left out. */
  isDoubled: boolean
}

/**
 * Takes a call that the model writes into the text and makes natively as well for one; the first one that came is kept.
 * Calls with other arguments are calls of their own, and so is each of several in the same way.
 *
 * A native call flows, unless one of its name was written before; a written one goes on at once, unless a native one of
 * its name is still being made.
 */
export function withoutDoubledCalls(): Transform<Delta, Delta> {
  const written: TrackedCall[] = []
  const native = new Map<string, TrackedCall>()

  return {
    push(delta, out) {
      if (delta.type === 'tool-call') (isWrittenCall(delta) ? readWritten : readNative)(delta, out)
      else {
        if (delta.type === 'finish' || delta.type === 'error') settle(out)
        out.push(delta)
      }
    },
    end: settle,
    passthrough: () => true,
  }

  function readWritten(delta: CallDelta, out: Delta[]): void {
    const call = callOf(delta)
    if (isDouble(call, native.values())) return
    written.push(call)
    const mayBecomeDouble = [...native.values()].some((other) => other.name === call.name && !other.isDoubled)
    if (mayBecomeDouble) call.held.push(delta)
    else out.push(delta)
  }

  function readNative(delta: CallDelta, out: Delta[]): void {
    const known = native.get(delta.key)
    const call = known ?? callOf(delta)
    if (known) known.arguments += delta.arguments ?? ''
    else native.set(delta.key, call)
    const mayBeDouble = known ? known.held.length > 0 : written.some(({ name }) => name === call.name)
    if (mayBeDouble) call.held.push(delta)
    else out.push(delta)
  }

  function settle(out: Delta[]): void {
    for (const call of native.values()) release(call, written.filter(isSent), out)
    for (const call of written) release(call, native.values(), out)
  }

  function release(call: TrackedCall, others: Iterable<TrackedCall>, out: Delta[]): void {
    if (!isSent(call) && !isDouble(call, others)) out.push(...call.held)
    call.held = []
  }
}

function callOf({ name = '', arguments: text = '' }: CallDelta): TrackedCall {
  return { name, arguments: text, held: [], isDoubled: false }
}

function isSent({ held }: TrackedCall): boolean {
  return held.length === 0
}

function isDouble(call: TrackedCall, others: Iterable<TrackedCall>): boolean {
  for (const other of others) {
    if (other.isDoubled || other.name !== call.name || !sameJson(other.arguments, call.arguments)) continue
    other.isDoubled = true
    return true
  }
  return false
}
