import { type Static, Type } from '@sinclair/typebox'
import { word } from './units.ts'

export const SignIn = Type.Object({ token: Type.String({ minLength: 1, maxLength: 4096 }) })
export type SignIn = Static<typeof SignIn>

/** Who asks. */
export const Operator = Type.Object({
  operator: Type.Literal(true),
  how: word(['cookie', 'token', 'loopback'], { description: '`loopback`: no key is set, and this machine asks.' }),
})
export type Operator = Static<typeof Operator>
