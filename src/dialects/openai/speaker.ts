import type { UserPart } from '../../core/request.ts'
import { textPart } from './content.ts'
import { type Fields, textOr } from './json-fields.ts'

/** Where several speak in one role the model can tell them apart by nothing else. */
export function named(message: Fields, parts: UserPart[]): UserPart[] {
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

/** A name that says no more than the role is none. */
export function speakerOf({ name, role }: Fields): string {
  const speaker = textOr(name).trim()
  return speaker.toLowerCase() === role ? '' : speaker
}
