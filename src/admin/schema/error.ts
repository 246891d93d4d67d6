import { type Static, Type } from '@sinclair/typebox'
import { count, optional } from './units.ts'

/** The shape of every error under `/admin/api`. */
export const AdminError = Type.Object({
  error: Type.Object({
    message: Type.String(),
    type: Type.String(),
    param: Type.Union([Type.String(), Type.Null()]),
    code: Type.Union([Type.String(), Type.Null()]),
    attempts_left: optional(count('Tries that are left in this minute, where a key was wrong.')),
  }),
})
export type AdminError = Static<typeof AdminError>
