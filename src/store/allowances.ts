import type { AllowanceAnswer, AllowanceReport } from '../core/shared-allowances.ts'
import type { Database } from '../database/sql.ts'

export interface AllowanceOptions {
  /** A database on PostgreSQL. */
  sql: Database
  /** The id of this process among those that share the database. */
  node: string
}

interface Answered {
  ordinal: number
  granted: number
  elsewhere: number
  requests_left: number | null
  tokens_left: number | null
}

/** The requests under way of a gateway that has ended stop counting after this time, by the database's clock. */
const aliveMs = 15_000

/**
 * The remaining limits of callers, in one row for each key. `running` is JSON: for each gateway its requests under way,
 * the time until which they count, and the sums of `AllowanceReport` that are charged already. An exchange is one
 * statement for all its keys. All exchanges lock rows in the same order, so they cannot deadlock.
 */
export function databaseAllowances({ sql, node }: AllowanceOptions): {
  exchange(reports: readonly AllowanceReport[]): Promise<AllowanceAnswer[]>
} {
  return {
    async exchange(reports) {
      const first = await answersTo(reports)
      const missing = reports.filter((_, ordinal) => !first.has(ordinal))
      if (missing.length > 0) await add(missing)
      const answers = missing.length > 0 ? await answersTo(missing) : first
      return reports.map((report, ordinal) => {
        const answer = first.get(ordinal) ?? answers.get(missing.indexOf(report))
        if (answer === undefined) throw new Error('an allowance that was not stored')
        return answer
      })
    },
  }

  async function add(reports: readonly AllowanceReport[]): Promise<void> {
    const keys = JSON.stringify(reports.map(({ key }) => key))
    await sql`
      INSERT INTO allowances (key, filled, running)
      SELECT key, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, '{}'
      FROM json_array_elements_text(${keys}::text::json) AS key ORDER BY key COLLATE "C" ON CONFLICT DO NOTHING`
  }

  /** Keyed by the index of the report. Keys without a row are missing. */
  async function answersTo(reports: readonly AllowanceReport[]): Promise<Map<number, AllowanceAnswer>> {
    const rows = reports.map(
      ({ requestsPerMinute: rpm, tokensPerMinute: tpm, requestsBefore, tokensBefore, ...report }, ordinal) => ({
        ...{ ...report, ordinal, rpm, tpm, requests_before: requestsBefore, tokens_before: tokensBefore },
      }),
    )
    const answers = await sql<Answered>`
      WITH clock AS MATERIALIZED (
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
      ), asked AS (
        SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS asked(
          ordinal int, key text, rpm float8, tpm float8, parallel bigint, running bigint, wanted bigint, requests float8,
          tokens float8, since bigint, requests_before float8, tokens_before float8)
      ), locked AS MATERIALIZED (
        SELECT key, requests, tokens, filled, running::jsonb AS nodes FROM allowances
        WHERE key = ANY(ARRAY(SELECT key FROM asked)) ORDER BY key FOR UPDATE
      ), filled AS (
        SELECT asked.ordinal, asked.key, parallel, asked.running, wanted, greatest(filled, now) AS filled, others.*,
          since, requests_before + asked.requests AS requests, tokens_before + asked.tokens AS tokens,
          least(rpm, least(rpm, coalesce(locked.requests, rpm) + greatest(0, now - filled) * rpm / 60000)
            - (requests_before + asked.requests - coalesce(requests_charged, requests_before))) AS requests_left,
          least(tpm, least(tpm, coalesce(locked.tokens, tpm) + greatest(0, now - filled) * tpm / 60000)
            - (tokens_before + asked.tokens - coalesce(tokens_charged, tokens_before))) AS tokens_left
        FROM asked JOIN locked USING (key), clock, LATERAL (
          SELECT min((own->>3)::float8) AS requests_charged, min((own->>4)::float8) AS tokens_charged
          FROM (SELECT nodes->${node} AS own) AS known WHERE (own->>2)::bigint = since
        ) AS charged, LATERAL (
          SELECT coalesce(jsonb_object_agg(node, state), '{}') AS nodes,
            coalesce(sum((state->>0)::bigint), 0)::bigint AS elsewhere
          FROM jsonb_each(nodes) AS other(node, state)
          WHERE node <> ${node} AND (state->>1)::bigint > now
        ) AS others
      ), granted AS (
        SELECT *, greatest(0, least(wanted, floor(requests_left), parallel - elsewhere - running,
          CASE WHEN tokens_left < 1 THEN 0 END))::bigint AS granted FROM filled
      ), changed AS (
        UPDATE allowances SET requests = requests_left - granted, tokens = tokens_left, filled = granted.filled,
          running = (nodes || jsonb_build_object(${node}::text, jsonb_build_array(granted.running + granted,
            now + ${aliveMs}::bigint, since, granted.requests + granted, granted.tokens)))::text
        FROM granted, clock WHERE allowances.key = granted.key
      )
      SELECT ordinal, granted, elsewhere, requests_left - granted AS requests_left, tokens_left FROM granted`
    return new Map(
      answers.map(({ ordinal, granted, elsewhere, requests_left, tokens_left }) => [
        ordinal,
        { granted, elsewhere, requestsLeft: requests_left ?? undefined, tokensLeft: tokens_left ?? undefined },
      ]),
    )
  }
}
