import { type Static, Type } from '@sinclair/typebox'
import { count, duration, optional, word } from './units.ts'

/** One step of a run of `doctor`, as an event. `n` counts from 1; `of` grows where a step shows more of them. */
export const DoctorStep = Type.Object({
  n: count(),
  of: count(),
  name: Type.String(),
  state: word(['ok', 'warn', 'fail', 'skip']),
  text: Type.String(),
  fix: optional(Type.String()),
  ms: duration(),
})
export type DoctorStep = Static<typeof DoctorStep>
