import { type Static, Type } from '@sinclair/typebox'
import { Capture } from './capture.ts'
import { RequestRow } from './requests.ts'
import { UpstreamBrief } from './upstreams.ts'

/**
 * `event: state`: the upstreams have changed. It comes first on every connection, with the requests under way, and again
 * where a slow reader has missed events: whatever `running` does not list is over.
 */
export const StateEvent = Type.Object({
  ready: Type.Boolean(),
  upstreams: Type.Array(UpstreamBrief),
  running: Type.Optional(Type.Array(RequestRow)),
})
export type StateEvent = Static<typeof StateEvent>

/** What `GET /admin/api/events` sends, by the name of the event. */
export const liveEvents = { state: StateEvent, request: RequestRow, capture: Capture }
export type LiveEvent = {
  [Name in keyof typeof liveEvents]: { event: Name; data: Static<(typeof liveEvents)[Name]> }
}[keyof typeof liveEvents]
