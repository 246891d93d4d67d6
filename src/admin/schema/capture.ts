import { type Static, Type } from '@sinclair/typebox'
import { captureModes } from '../../observe/capture-mode.ts'
import { count, instant, optional, word } from './units.ts'

/** What is kept of requests. */
export const Capture = Type.Object(
  {
    mode: word(captureModes),
    until: optional(instant('When it falls back to what is configured.')),
    configured: word(captureModes),
    used_bytes: count(),
    max_bytes: count(),
  },
  { $id: 'Capture' },
)
export type Capture = Static<typeof Capture>

export const CaptureChange = Type.Object({ mode: word(captureModes), minutes: optional(count()) })
export type CaptureChange = Static<typeof CaptureChange>
