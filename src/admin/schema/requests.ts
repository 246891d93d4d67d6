import { type Static, Type } from '@sinclair/typebox'
import { phases } from '../../observe/record.ts'
import { amount, count, duration, instant, optional, word } from './units.ts'

/** One line of the list of requests, under way or over. */
export const RequestRow = Type.Object(
  {
    id: Type.String(),
    at: instant('When it came.'),
    client: optional(Type.Object({ name: Type.String(), version: optional(Type.String()) })),
    session: optional(Type.String()),
    agent: optional(Type.String()),
    parent_agent: optional(Type.String({ description: 'The agent that has begun it, unless that is the main one.' })),
    key: Type.Object({ id: Type.String(), label: Type.String() }),
    dialect: optional(Type.String()),
    route: Type.String({ description: 'The path that was asked.' }),
    asked: optional(Type.String({ description: 'The model as the client names it.' })),
    model: optional(Type.String({ description: 'The model that answers.' })),
    upstream: optional(Type.String()),
    credential: optional(Type.String({ description: 'Fingerprint, as in the list of upstreams.' })),
    state: word(phases),
    place: optional(Type.Object({ n: count('1 is next.'), of: count() })),
    tool: optional(Type.String({ description: 'The tool that is being called.' })),
    status: optional(Type.Integer()),
    stop_reason: optional(Type.String()),
    error: optional(Type.Object({ code: Type.String(), message: Type.String(), remedy: optional(Type.String()) })),
    stream: Type.Boolean(),
    wait_ms: optional(duration('In the queue, all attempts together.')),
    first_ms: optional(duration('To the first token.')),
    total_ms: optional(duration()),
    input: optional(count('Tokens of the prompts of all calls that were made for it, cached ones included.')),
    cached: optional(count()),
    output: optional(count('Tokens of their replies, reasoning included.')),
    reasoning: optional(count()),
    credits: optional(amount()),
    usd: optional(amount()),
    price: optional(Type.String({ description: 'The tariff: `peak`, `off-peak`.' })),
    notes: Type.Array(Type.String()),
    ignored: Type.Array(Type.String(), { description: 'Fields of the request without effect.' }),
  },
  { $id: 'RequestRow' },
)
export type RequestRow = Static<typeof RequestRow>

/** Absent members do not restrict. Names count by any part of them, without regard to case. */
export const RequestQuery = Type.Object({
  q: optional(Type.String({ maxLength: 500, description: 'Words that all occur.' })),
  status: optional(
    Type.String({ pattern: '^(\\d{3}|error)$', description: 'A number, or `error` for every failure.' }),
  ),
  model: optional(Type.String({ description: 'As it answers, or the beginning of what was asked for.' })),
  key: optional(Type.String({ description: 'Id or label.' })),
  upstream: optional(Type.String()),
  client: optional(Type.String()),
  session: optional(Type.String()),
  notes: optional(word(['any'], { description: '`any`: only requests that something was noted of.' })),
  since: optional(instant('Inclusive.')),
  until: optional(instant('Exclusive.')),
  min_ms: optional(count('Least duration.')),
  before: optional(Type.String({ description: '`next` of another page.' })),
  limit: optional(Type.Integer({ minimum: 1, maximum: 200 })),
  format: optional(
    word(['json', 'csv'], { description: '`csv`: all rows of the filter, 100,000 at most, as a table.' }),
  ),
})
export type RequestQuery = Static<typeof RequestQuery>

/** A page of the list, newest first. */
export const RequestPage = Type.Object({
  rows: Type.Array(RequestRow),
  next: optional(Type.String({ description: 'The cursor of the next page, as `before`.' })),
})
export type RequestPage = Static<typeof RequestPage>

export const stepKinds = [
  ...(['read', 'count', 'queue', 'backoff', 'mcp', 'connect', 'headers', 'first'] as const),
  ...(['reasoning', 'text', 'tool', 'store', 'close'] as const),
] as const

/** A bar of the waterfall. Both ends are measured from the start of the request. */
export const Step = Type.Object({
  kind: word(stepKinds),
  attempt: optional(count('From 1.')),
  from_ms: duration(),
  to_ms: duration(),
  label: optional(Type.String()),
  detail: optional(Type.String()),
})
export type Step = Static<typeof Step>

/** One call to an upstream. Times are measured from the start of the request. */
export const Attempt = Type.Object({
  n: count('From 1.'),
  upstream: Type.String(),
  credential: optional(Type.String()),
  status: optional(Type.Integer()),
  error: optional(Type.Object({ code: Type.String(), message: Type.String() })),
  started_ms: duration(),
  headers_ms: optional(duration()),
  first_ms: optional(duration()),
  ended_ms: optional(duration()),
  reused: optional(Type.Boolean({ description: 'On a connection that was open already.' })),
})
export type Attempt = Static<typeof Attempt>

export type { BodyName } from '../../observe/capture.ts'

const BodySize = Type.Object({ bytes: count(), chunks: count(), truncated: Type.Boolean() })

/** Which of the four bodies of a request were kept (see `CapturedBody`), or why no body was. */
export const CapturedBodies = Type.Union([
  Type.Object({ not_captured: Type.String({ description: 'Why.' }) }),
  Type.Partial(
    Type.Object({
      'client-request': BodySize,
      'upstream-request': BodySize,
      'upstream-reply': BodySize,
      'client-reply': BodySize,
    }),
  ),
])
export type CapturedBodies = Static<typeof CapturedBodies>

/** Everything known about one request. */
export const RequestDetail = Type.Composite([
  RequestRow,
  Type.Object({
    timeline: Type.Array(Step),
    attempts: Type.Array(Attempt),
    routing: Type.Array(
      Type.Object({
        from: Type.String(),
        to: Type.String(),
        by: Type.String({ description: 'The setting or the fact that decided: `MODEL_MAP`.' }),
      }),
    ),
    bodies: CapturedBodies,
    previous: optional(Type.String({ description: 'Id of the previous request of the session.' })),
    next: optional(Type.String()),
    first_difference: optional(
      Type.Object(
        { index: count(), of: count(), role: optional(Type.String()), tokens: optional(count()) },
        { description: 'The first message that differs from the previous request of the session.' },
      ),
    ),
  }),
])
export type RequestDetail = Static<typeof RequestDetail>

/** One body of a request, with the head of its HTTP message: the client's or the upstream's request or reply. Redacted. */
export const CapturedBody = Type.Object({
  method: optional(Type.String()),
  url: optional(Type.String()),
  status: optional(Type.Integer()),
  headers: Type.Array(Type.Tuple([Type.String(), Type.String()])),
  chunks: Type.Array(Type.Object({ at_ms: duration('From the start of the request.'), text: Type.String() })),
  truncated: optional(Type.Boolean()),
  bytes: count(),
})
export type CapturedBody = Static<typeof CapturedBody>

/** Sends a request again, as it is or elsewhere. */
export const Replay = Type.Object({ model: optional(Type.String()), upstream: optional(Type.String()) })
export type Replay = Static<typeof Replay>
