import { type Static, Type } from '@sinclair/typebox'
import { Capture } from './capture.ts'
import { RequestRow } from './requests.ts'
import { amount, count, duration, instant, optional, span } from './units.ts'
import { UpstreamBrief } from './upstreams.ts'

/** A problem that needs a person, or that occurred recently, with its remedy. */
export const Trouble = Type.Object({
  code: Type.String(),
  text: Type.String(),
  remedy: Type.String(),
  since: instant(),
  last_at: optional(instant()),
  count: optional(count('Requests of the last hour.')),
  upstream: optional(Type.String()),
})
export type Trouble = Static<typeof Trouble>

/** Problems, requests under way, and the statistics of the last hour. */
export const Now = Type.Object({
  version: Type.String(),
  at: instant('When this was put together.'),
  started_at: instant(),
  ready: Type.Boolean(),
  code: optional(Type.String({ description: 'Why it is not ready.' })),
  reason: optional(Type.String()),
  remedy: optional(Type.String()),
  credentials: Type.Object(
    { ready: count(), of: count() },
    { description: 'Credentials that can take a request now, of all upstreams.' },
  ),
  base_urls: Type.Object({ openai: Type.String(), anthropic: Type.String() }),
  running: Type.Array(RequestRow),
  last_hour: Type.Object({
    requests: count(),
    errors: count(),
    slow: count('Requests that took half a minute or longer.'),
    noted: count('Requests with notes.'),
    input: count(),
    cached: count(),
    output: count(),
    credits: optional(amount()),
    usd: optional(amount()),
    first_ms: optional(Type.Object({ median: duration(), p95: duration() })),
    per_minute: Type.Array(count(), { description: 'Requests of each of the last 60 minutes, oldest first.' }),
    errors_per_minute: Type.Array(count(), { description: 'How many of these failed.' }),
  }),
  peak_hours: Type.Array(span(), {
    description: 'When the coding plan counts credits in full, from a day ago to a week ahead.',
  }),
  troubles: Type.Array(Trouble),
  upstreams: Type.Array(UpstreamBrief),
  capture: optional(Capture),
})
export type Now = Static<typeof Now>
