import { type Static, Type } from '@sinclair/typebox'
import { amount, count, duration, instant, optional, word } from './units.ts'

/** How much of a plan is left. */
export const Quota = Type.Object(
  {
    plan: optional(Type.String({ description: '`pro`' })),
    at: instant('When the upstream was asked.'),
    limits: Type.Array(
      Type.Object({
        kind: word(['tokens', 'tool-calls', 'credits', 'other']),
        window: optional(Type.Object({ unit: word(['hour', 'week', 'month']), count: count() })),
        used_percent: optional(Type.Number()),
        used: optional(amount()),
        total: optional(amount()),
        left: optional(amount()),
        resets_at: optional(instant()),
      }),
    ),
  },
  { $id: 'Quota' },
)
export type Quota = Static<typeof Quota>

const upstreamStates = ['ready', 'waiting', 'cooling', 'blocked', 'resting', 'paused'] as const

const brief = {
  id: Type.String(),
  label: Type.String({ description: 'For people: `Official API, coding plan`.' }),
  kind: Type.String({ description: 'The kind of upstream, by the name that rows of the configuration use.' }),
  state: word(upstreamStates, {
    description:
      '`waiting`: all its credentials are busy. `cooling`: they rest for seconds. `blocked`: they were refused for longer. `resting`: it does not answer. `paused`: by the operator.',
  }),
  until: optional(instant('When the state may end by itself.')),
  text: Type.String({ description: 'The state as a sentence.' }),
  busy: count('Calls under way.'),
  waiting: count('Calls that wait for a credential.'),
  free: optional(count('Calls that could begin now, of as many as may run at a time.')),
  of: optional(count('Calls that may run at a time, as learned. Unknown until the first refusal.')),
  for_one_person: optional(
    Type.Boolean({ description: "True on a coding plan, which by Z.AI's terms is for one person." }),
  ),
  quota: optional(Quota),
}

/** One line for each upstream. */
export const UpstreamBrief = Type.Object(brief, { $id: 'UpstreamBrief' })
export type UpstreamBrief = Static<typeof UpstreamBrief>

/** A refusal, with the upstream's own code where it has one. */
export const Refusal = Type.Object({
  at: instant(),
  code: Type.String(),
  text: Type.String(),
  remedy: optional(Type.String()),
})
export type Refusal = Static<typeof Refusal>

export const Credential = Type.Object(
  {
    id: Type.String(),
    name: Type.String({ description: 'For people: `key 1`, `guest`.' }),
    fingerprint: Type.String({ description: 'Enough to tell it from others, and no part of it: `7c31…a41c`.' }),
    source: Type.String({ description: 'The setting it comes from: `ZAI_API_KEY`.' }),
    state: word(['ready', 'busy', 'cooling', 'blocked', 'trying', 'paused'], {
      description: '`trying`: the next call, or the one under way, decides whether it works again.',
    }),
    until: optional(instant()),
    reason: optional(Refusal),
    busy: count(),
    learned_limit: optional(count('Calls at a time, as learned from refusals.')),
    paused: Type.Boolean(),
    last_refusal: optional(Refusal),
    last_success_at: optional(instant()),
    refused_1h: count(),
    requests_1h: count(),
    spent: optional(
      Type.Object(
        { credits: optional(amount()), usd: optional(amount()) },
        { description: 'By calls under it since the start, as far as their prices are known.' },
      ),
    ),
    models: Type.Array(
      Type.Object({
        model: Type.String({ description: 'By the name of the upstream.' }),
        busy: count(),
        waiting: count(),
        learned_limit: optional(count()),
        refused: count('In the last hour.'),
        state: word(['ready', 'cooling', 'blocked']),
        until: optional(instant()),
        last_refusal: optional(Refusal),
      }),
    ),
    quota: optional(Quota),
  },
  { $id: 'Credential' },
)
export type Credential = Static<typeof Credential>

/** Something that changed what a credential may do. */
export const UpstreamChange = Type.Object({
  at: instant(),
  credential: Type.String({ description: 'Its id.' }),
  model: optional(Type.String()),
  kind: word(['limit-lowered', 'limit-raised', 'cooling', 'blocked', 'works-again', 'paused', 'resumed']),
  limit: optional(count()),
  code: optional(Type.String()),
  for_ms: optional(duration()),
})
export type UpstreamChange = Static<typeof UpstreamChange>

export const Upstream = Type.Object(
  {
    ...brief,
    credentials: Type.Array(Credential),
    history: Type.Array(UpstreamChange, { description: 'Newest last. Kept in memory since the start.' }),
  },
  { $id: 'Upstream' },
)
export type Upstream = Static<typeof Upstream>

export const Upstreams = Type.Object({ upstreams: Type.Array(Upstream) })
export type Upstreams = Static<typeof Upstreams>

/** What a test call has found. */
export const TestResult = Type.Object({
  ok: Type.Boolean(),
  text: Type.String(),
  remedy: optional(Type.String()),
  ms: duration(),
  models: optional(count('Models that the upstream lists.')),
  quota: optional(Quota),
})
export type TestResult = Static<typeof TestResult>
