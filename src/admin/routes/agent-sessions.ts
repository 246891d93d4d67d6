import { GatewayError } from '../../core/errors.ts'
import { truncate } from '../../core/truncate.ts'
import type { Route } from '../../http/route.ts'
import { agentSessionById, agentSessionsBefore, type StoredAgentSession } from '../../store/agent-sessions.ts'
import { requestPage } from '../../store/requests.ts'
import type { OperatorContext } from '../operator-context.ts'
import { storedRow, withoutUnknown } from '../request-row.ts'
import { adminRoute } from '../route.ts'
import { type AgentSession, AgentSessionDetail, AgentSessionPage, AgentSessionQuery } from '../schema/agent-sessions.ts'
import type { Remembered } from './requests.ts'

const sessionsOfPage = 50
/** The most requests of one session that are shown: the latest ones. */
const maxRequests = 1_000
const weekMs = 7 * 24 * 3_600_000

/** `/admin/api/sessions`: which agent uses how much, and how full its context is. */
export function agentSessionRoutes(operator: OperatorContext, { sql, flush, windowOf }: Remembered): Route[] {
  const { clock } = operator
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/sessions',
        summary: 'Sessions of agents, the last active one first',
        query: AgentSessionQuery,
        answer: AgentSessionPage,
        async handle({ query }) {
          const { before = Number.MAX_SAFE_INTEGER, since = clock.now() - weekMs, q: text } = query
          await flush()
          const sessions = await agentSessionsBefore(sql, { before, since, limit: sessionsOfPage, text })
          const last = sessions.length === sessionsOfPage ? sessions.at(-1) : undefined
          return { sessions: sessions.map(sessionOf), ...(last ? { next: String(last.lastAt) } : {}) }
        },
      },
      operator,
    ),
    adminRoute(
      {
        method: 'GET',
        path: '/sessions/:id',
        summary: 'One session with its requests',
        answer: AgentSessionDetail,
        async handle({ params: { id = '' } }) {
          await flush()
          const session = await agentSessionById(sql, id)
          if (session === undefined)
            throw new GatewayError('not-found', `There is no session ${truncate(id)}, or its requests are deleted.`, {
              code: 'session_not_found',
            })
          const page = await requestPage(sql, { session: id }, maxRequests)
          return { ...sessionOf(session), requests: page?.rows.map(storedRow) ?? [] }
        },
      },
      operator,
    ),
  ]

  function agentOf({
    id,
    turns,
    context,
    ...agent
  }: StoredAgentSession['agents'][number]): AgentSession['agents'][number] {
    return withoutUnknown({
      // The main one has no id of its own.
      id: id ?? '',
      ...{ turns, input: agent.tokensIn, cached: agent.tokensCached, output: agent.tokensOut },
      credits: agent.credits ?? undefined,
      usd: agent.usd ?? undefined,
      context: context ?? 0,
    })
  }

  function sessionOf({ id, client, models, turns, agents, ...session }: StoredAgentSession): AgentSession {
    return withoutUnknown({
      id,
      client: client ?? undefined,
      started_at: session.startedAt,
      last_at: session.lastAt,
      turns,
      agents: agents.map(agentOf),
      models,
      input: session.tokensIn,
      cached: session.tokensCached,
      output: session.tokensOut,
      credits: session.credits ?? undefined,
      usd: session.usd ?? undefined,
      context: session.context ?? 0,
      window: session.contextModel === null ? undefined : windowOf(session.contextModel),
    })
  }
}
