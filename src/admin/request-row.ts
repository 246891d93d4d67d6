import type { Clock } from '../core/clock.ts'
import type { Redact } from '../core/redact.ts'
import { elapsedMs, type RequestRecord } from '../observe/record.ts'
import type { RequestRow } from './schema/requests.ts'

/** What the list says of a request that is under way or has just ended. */
export function requestRow(record: RequestRecord, clock: Clock, redact: Redact): RequestRow {
  const { phase, timeline, usage, error, caller } = record
  const place = phase === 'waiting' ? timeline?.place() : undefined
  return withoutUnknown({
    id: record.id,
    at: record.startedAt,
    session: record.session,
    agent: record.agent,
    key: { id: caller.keyId, label: caller.label },
    dialect: record.dialect,
    route: record.path,
    asked: record.asked,
    model: record.model,
    upstream: record.upstream,
    credential: timeline?.credential(),
    state: phase,
    place,
    tool: record.tool,
    status: record.status,
    stop_reason: record.stopReason,
    error: error && { code: error.code, message: redact(error.message) },
    stream: record.stream ?? false,
    wait_ms: rounded(timeline?.waitMs()),
    first_ms: rounded(record.firstTokenMs),
    total_ms: phase === 'done' ? rounded(elapsedMs(record, clock)) : undefined,
    input: usage?.inputTokens ?? record.promptTokens,
    cached: usage?.cachedInputTokens,
    output: usage?.outputTokens,
    reasoning: usage?.reasoningTokens,
    notes: record.notes.map(redact),
    ignored: [...record.ignored],
  })
}

/** To a tenth of a millisecond. */
export function rounded<Duration extends number | undefined>(ms: Duration): Duration {
  return (ms === undefined ? undefined : Math.round(ms * 10) / 10) as Duration
}

type Known<Row> = { [Name in keyof Row]: Exclude<Row[Name], undefined> }

/** What is not known is absent, in JSON as in the value itself. */
export function withoutUnknown<Row extends object>(row: Row): Known<Row> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as Known<Row>
}
