import { canonicalJson } from '../../core/json.ts'
import type { PendingCall } from './pending-call.ts'

/**
 * Whether a call without arguments only stands for another call of this name at the same index, which has them under
 * another id: some servers announce a call so, or end it so. Only for a tool with `required` arguments.
 */
export function isPlaceholderOfAnother(call: PendingCall, known: readonly PendingCall[], required: unknown): boolean {
  if (call.state !== 'waiting' || !isEmpty(call) || !Array.isArray(required) || required.length === 0) return false
  return known.some((other) => {
    const sharesIndex = [...other.indexes].some((index) => call.indexes.has(index))
    return other !== call && sharesIndex && other.name === call.name && !isEmpty(other)
  })
}

/** Drops a call that repeats an earlier one, or the earlier one if that was only announced. */
export function dropDuplicate(call: PendingCall, known: readonly PendingCall[]): void {
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

function isEmpty({ text }: PendingCall): boolean {
  return text === '' || text === '{}'
}

function sameObject(left: PendingCall, right: PendingCall): boolean {
  left.canonical ??= canonicalJson(left.text)
  right.canonical ??= canonicalJson(right.text)
  return left.canonical === right.canonical
}
