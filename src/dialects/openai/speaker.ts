import type { UserPart } from '../../core/request.ts'
import { textPart } from './content.ts'
import { type Fields, textOr } from './json-fields.ts'

/** Adds the name to the text, because the model has no other way to tell several speakers of one role apart. */
export function named(message: Fields, parts: readonly UserPart[]): readonly UserPart[] {
  const [first, ...rest] = parts
  if (speakerOf(message) === '') return parts
  return first?.type === 'text'
    ? [{ type: 'text', text: spokenBy(message, first.text) }, ...rest]
    : [...textPart(spokenBy(message, '')), ...parts]
}

export function spokenBy(message: Fields, text: string): string {
  const speaker = speakerOf(message)
  return speaker === '' ? text : `${speaker}: ${text}`.trimEnd()
}

/** A name that only repeats the role counts as none. */
export function speakerOf({ name, role }: Fields): string {
  const speaker = textOr(name).trim()
  return speaker.toLowerCase() === role ? '' : speaker
}
