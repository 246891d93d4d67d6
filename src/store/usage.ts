import { newRows, part, type Sql, type SqlPart, skipLocked, storedText } from '../database/sql.ts'
import type { NewRequest } from './requests.ts'

/** The usage of one key, model, upstream and client in one hour. */
interface UsageSums {
  requests: number
  errors: number
  tokens_in: number
  tokens_cached: number
  tokens_out: number
  tokens_reasoning: number
  /** `null` if no request had a known price. */
  credits: number | null
  usd: number | null
}

interface UsageRow extends UsageSums {
  /** The beginning of the hour, in epoch milliseconds. */
  hour: number
  key: string
  /** '' if a request had none, as in `upstream` and `client`. */
  model: string
  upstream: string
  client: string
}

export type UsageGroup = 'model' | 'key' | 'upstream' | 'client'

export interface UsageQuery {
  /**
   * Epoch milliseconds. All hours from the one that contains `from` up to `to`. An hour counts as a whole, also if only a
   * part of it is before `to`.
   */
  from: number
  to: number
  /** Days of UTC. */
  by: 'hour' | 'day'
  group: UsageGroup
}

export interface UsageSlot extends UsageSums {
  /** The beginning of the hour or day. */
  at: number
  group: string
}

export const hourMs = 3_600_000

const columns = [
  ...(['hour', 'key', 'model', 'upstream', 'client', 'requests', 'errors'] as const),
  ...(['tokens_in', 'tokens_cached', 'tokens_out', 'tokens_reasoning', 'credits', 'usd'] as const),
] as const

/** Adds these requests to the usage. Each must be given only once. */
export async function addUsage(sql: Sql, requests: readonly NewRequest[]): Promise<void> {
  if (requests.length === 0) return
  await sql`INSERT INTO ${newRows('usage', columns, usageOf(requests))}
    ON CONFLICT (hour, key, model, upstream, client) DO UPDATE SET
      requests = usage.requests + excluded.requests,
      errors = usage.errors + excluded.errors,
      tokens_in = usage.tokens_in + excluded.tokens_in,
      tokens_cached = usage.tokens_cached + excluded.tokens_cached,
      tokens_out = usage.tokens_out + excluded.tokens_out,
      tokens_reasoning = usage.tokens_reasoning + excluded.tokens_reasoning,
      credits = coalesce(usage.credits + excluded.credits, usage.credits, excluded.credits),
      usd = coalesce(usage.usd + excluded.usd, usage.usd, excluded.usd)`
}

/** The rows in the order of time, then of groups. */
export async function usageBetween(sql: Sql, { from, to, by, group }: UsageQuery): Promise<UsageSlot[]> {
  const first = from - (from % hourMs)
  return await sql<UsageSlot>`SELECT ${by === 'hour' ? part`hour` : part`hour - hour % 86400000`} AS at,
      ${groups[group]} AS "group",
      sum(requests) AS requests, sum(errors) AS errors,
      sum(tokens_in) AS tokens_in, sum(tokens_cached) AS tokens_cached,
      sum(tokens_out) AS tokens_out, sum(tokens_reasoning) AS tokens_reasoning,
      sum(credits) AS credits, sum(usd) AS usd
    FROM usage WHERE hour >= ${first} AND hour < ${to} GROUP BY 1, 2 ORDER BY 1, 2`
}

/** Deletes at most `limit` rows of hours before `before`. Returns their number. */
export async function deleteOldUsage(sql: Sql, limit: number, before: number): Promise<number> {
  const deleted = await sql`DELETE FROM usage WHERE (hour, key, model, upstream, client) IN
    (SELECT hour, key, model, upstream, client FROM usage WHERE hour < ${before} LIMIT ${limit} ${skipLocked}) RETURNING 1 AS one`
  return deleted.length
}

const groups: Record<UsageGroup, SqlPart> = {
  model: part`model`,
  key: part`key`,
  upstream: part`upstream`,
  client: part`client`,
}

/**
 * One row for each hour and group, because on PostgreSQL a statement may update a row only once. The rows are sorted,
 * so that gateways that add to the same rows cannot deadlock.
 */
function usageOf(requests: readonly NewRequest[]): UsageRow[] {
  const rows = new Map<string, UsageRow>()
  for (const request of requests) {
    const row = rowFor(request, rows)
    row.requests++
    if (request.error !== null && request.error !== 'cancelled') row.errors++
    row.tokens_in += request.tokens_in ?? 0
    row.tokens_cached += request.tokens_cached ?? 0
    row.tokens_out += request.tokens_out ?? 0
    row.tokens_reasoning += request.tokens_reasoning ?? 0
    row.credits = sumOf(row.credits, request.credits)
    row.usd = sumOf(row.usd, request.usd)
  }
  return [...rows].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row)
}

/** The row that counts the request, which is added if it is missing. Its primary key is as it is stored. */
function rowFor(request: NewRequest, rows: Map<string, UsageRow>): UsageRow {
  const counted = request.countedAs ?? request
  const hour = request.at - (request.at % hourMs)
  const key = storedText(request.key)
  const model = storedText(counted.model ?? '')
  const upstream = storedText(request.upstream ?? '')
  const client = storedText(counted.client ?? '')
  // A stored text has no NUL, so different keys are different texts.
  const id = `${hour}\0${key}\0${model}\0${upstream}\0${client}`
  const known = rows.get(id)
  if (known !== undefined) return known
  const row: UsageRow = {
    ...{ hour, key, model, upstream, client, credits: null, usd: null },
    ...{ requests: 0, errors: 0, tokens_in: 0, tokens_cached: 0, tokens_out: 0, tokens_reasoning: 0 },
  }
  rows.set(id, row)
  return row
}

function sumOf(total: number | null, more: number | null): number | null {
  return total === null || more === null ? (total ?? more) : total + more
}
