import { appendText } from '../core/append-text.ts'
import type { Delta } from '../core/events.ts'
import { sameJson } from '../core/json.ts'
import type { Transform } from '../core/transform.ts'
import { isWrittenCall } from './parse.ts'

type CallDelta = Extract<Delta, { type: 'tool-call' }>

interface TrackedCall {
  name: string
  arguments: string
  /** Deltas that are held back until it is known whether the call repeats another one. */
  held: CallDelta[]
  /** The repetition of this call was already dropped. */
  wasRepeated: boolean
}

/**
 * Removes a call that the model makes twice, once written in the text and once natively. The first of the two is kept.
 * Calls with different arguments, or made twice in the same way, are different calls.
 *
 * A native call is streamed, unless a call of the same name was written earlier. A written call is sent at once, unless
 * a native call of the same name is not complete yet.
 */
export function withoutDoubledCalls(): Transform<Delta, Delta> {
  const written: TrackedCall[] = []
  const native = new Map<string, TrackedCall>()

  return {
    push(delta, out) {
      if (delta.type === 'tool-call') (isWrittenCall(delta) ? readWritten : readNative)(delta, out)
      else {
        if (delta.type === 'finish' || delta.type === 'error') releaseAll(out)
        out.push(delta)
      }
    },
    end: releaseAll,
    passthrough: () => true,
  }

  function readWritten(delta: CallDelta, out: Delta[]): void {
    const call = callOf(delta)
    if (repeatsAnother(call, native.values())) return
    written.push(call)
    const mayRepeatLater = [...native.values()].some((other) => other.name === call.name && !other.wasRepeated)
    if (mayRepeatLater) call.held.push(delta)
    else out.push(delta)
  }

  function readNative(delta: CallDelta, out: Delta[]): void {
    const known = native.get(delta.key)
    const call = known ?? callOf(delta)
    if (known) known.arguments = appendText(known.arguments, delta.arguments ?? '')
    else native.set(delta.key, call)
    const mayRepeat = known ? known.held.length > 0 : written.some(({ name }) => name === call.name)
    if (mayRepeat) call.held.push(delta)
    else out.push(delta)
  }

  function releaseAll(out: Delta[]): void {
    for (const call of native.values()) release(call, written.filter(isSent), out)
    for (const call of written) release(call, native.values(), out)
  }

  function release(call: TrackedCall, others: Iterable<TrackedCall>, out: Delta[]): void {
    if (!isSent(call) && !repeatsAnother(call, others)) out.push(...call.held)
    call.held = []
  }
}

function callOf({ name = '', arguments: text = '' }: CallDelta): TrackedCall {
  return { name, arguments: text, held: [], wasRepeated: false }
}

function isSent({ held }: TrackedCall): boolean {
  return held.length === 0
}

function repeatsAnother(call: TrackedCall, others: Iterable<TrackedCall>): boolean {
  for (const other of others) {
    if (other.wasRepeated || other.name !== call.name || !sameJson(other.arguments, call.arguments)) continue
    other.wasRepeated = true
    return true
  }
  return false
}
