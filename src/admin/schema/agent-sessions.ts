import { type Static, Type } from '@sinclair/typebox'
import { RequestRow } from './requests.ts'
import { amount, count, instant, optional } from './units.ts'

const session = {
  id: Type.String(),
  client: optional(Type.String()),
  started_at: instant(),
  last_at: instant(),
  turns: count(),
  agents: Type.Array(
    Type.Object({
      id: Type.String(),
      label: optional(Type.String()),
      parent: optional(Type.String()),
      turns: count(),
      input: count(),
      cached: count(),
      output: count(),
      credits: optional(amount()),
      usd: optional(amount()),
      context: count('Tokens of its last prompt.'),
    }),
  ),
  models: Type.Array(Type.String()),
  input: count(),
  cached: count(),
  output: count(),
  credits: optional(amount()),
  usd: optional(amount()),
  context: count('Tokens of the last prompt.'),
  window: optional(count('Tokens that the model takes.')),
}

/** The requests of one run of an agent, by the headers that its client sends. */
export const AgentSession = Type.Object(session, { $id: 'Session' })
export type AgentSession = Static<typeof AgentSession>

/** Without `since`, the sessions of the last week are listed. */
export const AgentSessionQuery = Type.Object({
  q: optional(
    Type.String({ maxLength: 200, description: 'Part of its id, or of the name of its client, key or model.' }),
  ),
  since: optional(instant()),
  before: optional(instant('`next` of another page.')),
})
export type AgentSessionQuery = Static<typeof AgentSessionQuery>

export const AgentSessionPage = Type.Object({ sessions: Type.Array(AgentSession), next: optional(Type.String()) })
export type AgentSessionPage = Static<typeof AgentSessionPage>

export const AgentSessionDetail = Type.Object({ ...session, requests: Type.Array(RequestRow) })
export type AgentSessionDetail = Static<typeof AgentSessionDetail>
