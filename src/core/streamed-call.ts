import { appendText } from './append-text.ts'
import type { Delta } from './events.ts'
import { isRecord, parseJson } from './json.ts'

/** A tool call as far as it has arrived. */
export interface StreamedCall {
  id: string | undefined
  /** Empty until it has arrived. */
  name: string
  arguments: string
  /** Length of the arguments when they were last found to be no object, so that they are not parsed again before they grow. */
  unfinishedAt: number
}

export function newCall(): StreamedCall {
  return { id: undefined, name: '', arguments: '', unfinishedAt: -1 }
}

/** The first id and the first name count. */
export function addToCall(call: StreamedCall, delta: Extract<Delta, { type: 'tool-call' }>): void {
  call.id ??= delta.id
  call.name ||= delta.name ?? ''
  if (delta.arguments) call.arguments = appendText(call.arguments, delta.arguments)
}

/** Whether the arguments are an object. */
export function isWhole(call: StreamedCall): boolean {
  if (call.arguments.length === call.unfinishedAt) return false
  const isObject = call.arguments.trimEnd().endsWith('}') && isRecord(parseJson(call.arguments))
  if (!isObject) call.unfinishedAt = call.arguments.length
  return isObject
}

/** Whether the arguments have begun and are not an object yet. */
export function isUnfinished(call: StreamedCall): boolean {
  return call.arguments !== '' && !isWhole(call)
}
