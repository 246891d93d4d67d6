import { type Fragment, hasBegun, isComplete, type PendingCall, startsObject } from './pending-call.ts'
import type { CallNames } from './tool-call-names.ts'

/** Finds the call that a piece continues, by its id, its index or its position; `undefined` if it starts a new one. */
export function matchingCall(
  fragment: Fragment,
  known: readonly PendingCall[],
  names: CallNames,
): PendingCall | undefined {
  const found = find(fragment, known, names)
  return found === undefined || startsNewCall(found, fragment, names) ? undefined : found
}

/** Whether a new call may repeat an earlier one under another index. */
export function mayRepeat({ id, name }: Fragment, known: readonly PendingCall[], names: CallNames): boolean {
  return known.some(
    (other) =>
      (name === '' || names.joined(other.name, name) !== undefined) &&
      (id === undefined || other.ids.size === 0 || other.ids.has(id)),
  )
}

function find(
  { index, id, name, text }: Fragment,
  known: readonly PendingCall[],
  names: CallNames,
): PendingCall | undefined {
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
function startsNewCall(
  found: PendingCall,
  { index, id, name, text, arguments: piece }: Fragment,
  names: CallNames,
): boolean {
  const isRenamed = id !== undefined && found.ids.size > 0 && !found.ids.has(id)
  // The name of the new call is still to come.
  if (name === '') return isRenamed && isComplete(found) && text.trim() !== '' && startsObject(text)
  // This is the name of arguments that arrived before it.
  if (found.name === '' && text === '') return false
  if (names.joined(found.name, name) === undefined) return true
  const isRenumbered = index !== undefined && found.indexes.size > 0 && !found.indexes.has(index)
  if (isRenumbered) return startsObject(text) || isComplete(found)
  // The open object continues: text that does not begin with a brace is one of its values, such as a string or a list.
  if (isRenamed && hasBegun(found) && !isComplete(found) && /^\s*[^\s{]/.test(text)) return false
  if (isRenamed) return startsObject(text) && (hasBegun(found) || found.unread !== '' || found.reader !== undefined)
  if (found.pieces.repeats(piece)) return false
  return isComplete(found) || (hasBegun(found) && /^\s*\{/.test(text))
}
