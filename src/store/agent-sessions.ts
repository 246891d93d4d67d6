import { part, type Sql, type SqlPart } from '../database/sql.ts'

/** A run of an agent: all requests with the same session id of its client. */
export interface StoredAgentSession {
  id: string
  client: string | null
  /** Epoch milliseconds. */
  startedAt: number
  lastAt: number
  turns: number
  agents: StoredAgent[]
  models: string[]
  tokensIn: number
  tokensCached: number
  tokensOut: number
  credits: number | null
  usd: number | null
  /** Tokens of the main agent's last prompt, and the model that got it; `null` if none was counted yet. */
  context: number | null
  contextModel: string | null
}

/** The usage of one agent of a session. The main agent has no id. */
export interface StoredAgent {
  id: string | null
  turns: number
  tokensIn: number
  tokensCached: number
  tokensOut: number
  credits: number | null
  usd: number | null
  /** Tokens of its last prompt. */
  context: number | null
}

/** The number of requests that are searched for sessions, so that a large table blocks no other work. */
const searchedRequests = 20_000

/**
 * The sessions whose last request came before `before` and after `since`, at most `limit`, the newest first. With a
 * text, only those with a request that has the text in its session, client or model, or at the beginning of its key's
 * label.
 */
export async function agentSessionsBefore(
  sql: Sql,
  { before, since, limit, text = '' }: AgentSessionSearch,
): Promise<StoredAgentSession[]> {
  const isWanted = text === '' ? part`` : wantedBy(text)
  const found = await sql<{ session: string }>`SELECT session, max(at) AS last_at FROM
      (SELECT session, at, client, model, meta FROM requests WHERE at < ${before} AND at >= ${since} ORDER BY at DESC, id DESC LIMIT ${searchedRequests}) AS latest
    WHERE session IS NOT NULL ${isWanted}
      AND NOT EXISTS (SELECT 1 FROM requests AS later WHERE later.session = latest.session AND later.at >= ${before})
    GROUP BY session ORDER BY last_at DESC LIMIT ${limit}`
  const sessions: StoredAgentSession[] = []
  for (const { session } of found) {
    const whole = await agentSessionById(sql, session)
    if (whole) sessions.push(whole)
  }
  return sessions
}

export interface AgentSessionSearch {
  /** Both in epoch milliseconds; `since` is inclusive. */
  before: number
  since: number
  limit: number
  text?: string | undefined
}

/** The text is part of the session's id, of the client or the model, or the beginning of the key's label. */
function wantedBy(text: string): SqlPart {
  const lower = text.toLowerCase()
  const any = `%${escaped(lower)}%`
  const label = `%${escaped(`"label":${JSON.stringify(lower).slice(0, -1)}`)}%`
  return part`AND (lower(session) LIKE ${any} ESCAPE '\\' OR lower(client) LIKE ${any} ESCAPE '\\'
    OR lower(model) LIKE ${any} ESCAPE '\\' OR lower(meta) LIKE ${label} ESCAPE '\\')`
}

/** For LIKE. `\` escapes on both engines. */
function escaped(text: string): string {
  return text.replaceAll(/[\\%_]/g, '\\$&')
}

interface PartOfSession {
  client: string | null
  agent: string | null
  model: string | null
  started_at: number
  last_at: number
  turns: number
  tokens_in: number | null
  tokens_cached: number | null
  tokens_out: number | null
  credits: number | null
  usd: number | null
}

export async function agentSessionById(sql: Sql, id: string): Promise<StoredAgentSession | undefined> {
  const parts = await sql<PartOfSession>`SELECT client, agent, model, min(at) AS started_at, max(at) AS last_at,
      count(*) AS turns, sum(tokens_in) AS tokens_in, sum(tokens_cached) AS tokens_cached,
      sum(tokens_out) AS tokens_out, sum(credits) AS credits, sum(usd) AS usd
    FROM requests WHERE session = ${id} GROUP BY client, agent, model ORDER BY min(at)`
  const [first] = parts
  if (first === undefined) return undefined
  const agents: StoredAgent[] = []
  let contextModel: string | null = null
  for (const agent of new Set(parts.map((one) => one.agent))) {
    const [last] = await sql<{ tokens_in: number; model: string | null }>`SELECT tokens_in, model FROM requests
      WHERE session = ${id} AND coalesce(agent, '') = ${agent ?? ''} AND tokens_in IS NOT NULL
      ORDER BY at DESC, id DESC LIMIT 1`
    if (agent === null) contextModel = last?.model ?? null
    const own = parts.filter((one) => one.agent === agent)
    agents.push({ id: agent, ...sumsOf(own), context: last?.tokens_in ?? null })
  }
  return {
    ...{ id, client: first.client },
    startedAt: Math.min(...parts.map((one) => one.started_at)),
    lastAt: Math.max(...parts.map((one) => one.last_at)),
    ...sumsOf(parts),
    agents,
    models: [...new Set(parts.flatMap(({ model }) => model ?? []))],
    ...{ context: agents.find((agent) => agent.id === null)?.context ?? null, contextModel },
  }
}

function sumsOf(parts: readonly PartOfSession[]) {
  const total = (name: 'turns' | 'tokens_in' | 'tokens_cached' | 'tokens_out') =>
    parts.reduce((sum, one) => sum + (one[name] ?? 0), 0)
  const cost = (name: 'credits' | 'usd') =>
    parts.some((one) => one[name] !== null) ? parts.reduce((sum, one) => sum + (one[name] ?? 0), 0) : null
  return {
    turns: total('turns'),
    ...{ tokensIn: total('tokens_in'), tokensCached: total('tokens_cached'), tokensOut: total('tokens_out') },
    ...{ credits: cost('credits'), usd: cost('usd') },
  }
}
