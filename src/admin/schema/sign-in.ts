import { type Static, Type } from '@sinclair/typebox'
import { count, optional, word } from './units.ts'

export const SignIn = Type.Object({ token: Type.String({ minLength: 1, maxLength: 4096 }) })
export type SignIn = Static<typeof SignIn>

/** Who asks. */
export const Operator = Type.Object({
  operator: Type.Literal(true),
  how: word(['cookie', 'token', 'loopback'], { description: '`loopback`: no key is set, and this machine asks.' }),
})
export type Operator = Static<typeof Operator>

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
