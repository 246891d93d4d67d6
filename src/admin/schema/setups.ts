import { type Static, Type } from '@sinclair/typebox'
import { optional } from './units.ts'

/** How a client is pointed at this gateway, ready to copy. */
export const Setup = Type.Object({
  client: Type.String({ description: '`claude`' }),
  label: Type.String({ description: '`Claude Code`' }),
  text: Type.String(),
  command: optional(Type.String({ description: 'One command that does it all: `zai2api --port 9000 claude`.' })),
})
export type Setup = Static<typeof Setup>

export const Setups = Type.Object({ setups: Type.Array(Setup) })
export type Setups = Static<typeof Setups>
