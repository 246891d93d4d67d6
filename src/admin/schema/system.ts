import { type Static, Type } from '@sinclair/typebox'
import { count, duration, instant, optional } from './units.ts'

/** What is set and where it comes from; what runs here. */
export const System = Type.Object({
  version: Type.String(),
  build: optional(Type.Object({ commit: optional(Type.String()), at: optional(instant()) })),
  platform: Type.String({ description: '`linux-x64`' }),
  runtime: Type.String({ description: '`bun 1.4.5`' }),
  pid: count(),
  started_at: instant(),
  uptime_ms: duration(),
  memory_bytes: count(),
  command: optional(Type.String({ description: 'What reaches this gateway in a terminal: `zai2api --port 9000`.' })),
  state_folder: optional(Type.String()),
  database: optional(Type.String({ description: 'Without its password.' })),
  config: Type.Array(
    Type.Object({
      name: Type.String({ description: 'The environment variable.' }),
      group: Type.String(),
      value: optional(Type.String({ description: 'As text; of secrets only enough to tell them apart.' })),
      source: Type.String({ description: '`flag --port`, `LISTEN_PORT in /srv/.env`, `default`' }),
      default: optional(Type.String()),
      about: Type.String(),
      secret: Type.Boolean(),
    }),
  ),
})
export type System = Static<typeof System>
