import { printable } from '../config/usage-error.ts'
import type { Clock } from '../core/clock.ts'
import type { Redact } from '../core/redact.ts'
import { truncate } from '../core/truncate.ts'
import { elapsedMs, type RequestRecord } from '../observe/record.ts'
import { withoutKeyShapes } from '../observe/redaction.ts'
import type { NewRequest, StoredRequest } from '../store/requests.ts'
import type { RequestRow } from './schema/requests.ts'

const maxNotes = 20
const maxIgnored = 50
/** In characters. */
const maxNoteLength = 500
const maxMessageLength = 2_000

/** A row in which members may be there although they are not known. */
export type RequestFacts = { [Name in keyof RequestRow]: RequestRow[Name] | undefined } & Pick<
  RequestRow,
  'id' | 'at' | 'key'
>

/** What the list says of a request that is under way or has just ended. */
export function requestRow(record: RequestRecord, clock: Clock, redact: Redact): RequestRow {
  return withoutUnknown(requestFacts(record, clock, redact))
}

/** The same for a row that is stored: as JSON has no members that are not known, they need not be left out. */
export function requestFacts(record: RequestRecord, clock: Clock, redact: Redact) {
  const { phase, timeline, usage, error, caller, cost } = record
  // A client gives names; what nobody sees would reorder or hide parts of the list.
  const given = (text: string, longest?: number) => withoutKeyShapes(redact(printable(truncate(text, longest))))
  // A message quotes the names that a client gives.
  const message = (text: string) => truncate(withoutKeyShapes(redact(text)), maxMessageLength)
  const name = (text: string | undefined) => (text === undefined ? undefined : given(text))
  const place = phase === 'waiting' ? timeline?.place() : undefined
  return {
    id: record.id,
    at: record.startedAt,
    client: record.client,
    session: record.session,
    agent: record.agent,
    parent_agent: record.parentAgent,
    key: { id: caller.keyId, label: caller.label },
    dialect: record.dialect,
    route: given(record.path),
    asked: name(record.requestedModel),
    // Before a request is routed, this is what was asked for.
    model: record.upstream === undefined ? undefined : name(record.model),
    upstream: record.upstream,
    credential: timeline?.credential(),
    state: phase,
    place,
    tool: phase === 'done' ? undefined : name(record.tool),
    status: record.status ?? error?.status,
    stop_reason: record.stopReason,
    error: error && { code: error.code, message: message(error.message) },
    stream: record.stream ?? false,
    wait_ms: rounded(timeline?.waitMs()),
    first_ms: rounded(record.firstTokenMs),
    total_ms: phase === 'done' ? rounded(elapsedMs(record, clock)) : undefined,
    input: usage?.inputTokens ?? (phase === 'done' ? undefined : record.promptTokens),
    cached: usage?.cachedInputTokens,
    output: usage?.outputTokens,
    reasoning: usage?.reasoningTokens,
    ...cost,
    notes: record.notes.slice(0, maxNotes).map((note) => given(note, maxNoteLength)),
    ignored: record.ignored.slice(0, maxIgnored).map((field) => given(field)),
  }
}

/** To a tenth of a millisecond. */
export function rounded<Duration extends number | undefined>(ms: Duration): Duration {
  return (ms === undefined ? undefined : Math.round(ms * 10) / 10) as Duration
}

/**
 * The row as it is stored, with what only the page of the request shows (see `storedTimeline`), and with the names that
 * its usage is counted under.
 */
export function storedRequest(
  row: RequestFacts,
  detail: string | null = null,
  countedAs: NewRequest['countedAs'] = undefined,
): NewRequest {
  const { session = null, agent = null, upstream = null, model = null, status = null } = row
  return {
    id: row.id,
    at: row.at,
    key: row.key.id,
    model,
    upstream,
    client: row.client?.name ?? null,
    session,
    agent,
    status,
    error: row.error?.code ?? null,
    ms: wholeMs(row.total_ms),
    first_ms: wholeMs(row.first_ms),
    tokens_in: row.input ?? null,
    tokens_cached: row.cached ?? null,
    tokens_out: row.output ?? null,
    tokens_reasoning: row.reasoning ?? null,
    credits: row.credits ?? null,
    usd: row.usd ?? null,
    meta: JSON.stringify(row),
    detail,
    countedAs,
  }
}

function wholeMs(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms)
}

/** The row as it was before it was stored. */
export function storedRow({ meta }: Pick<StoredRequest, 'meta'>): RequestRow {
  return JSON.parse(meta)
}

type Known<Row> = { [Name in keyof Row]: Exclude<Row[Name], undefined> }

/** What is not known is absent, in JSON as in the value itself. */
export function withoutUnknown<Row extends object>(row: Row): Known<Row> {
  const known: Partial<Row> = {}
  for (const name in row) if (row[name] !== undefined) known[name] = row[name]
  return known as Known<Row>
}
