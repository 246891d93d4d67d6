import { type Static, Type } from '@sinclair/typebox'

/** What is inside the program, and under which licences. */
export const Licences = Type.Object({
  packages: Type.Array(
    Type.Object({
      name: Type.String(),
      version: Type.String(),
      licence: Type.String({ description: 'As the package names it: `MIT`.' }),
      text: Type.String(),
    }),
  ),
})
export type Licences = Static<typeof Licences>
