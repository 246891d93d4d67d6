import { anonymous, type Caller } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { GatewayError } from '../core/errors.ts'
import type { Usage } from '../core/events.ts'
import { truncate, truncateList } from '../core/truncate.ts'
import type { Log } from './log.ts'

/** Everything known about one request so far. Its line in the log is made from it. */
export interface RequestRecord {
  readonly id: string
  readonly method: string
  readonly path: string
  /** A placeholder without a key until the request is authenticated. */
  caller: Caller
  /** Epoch milliseconds. */
  readonly startedAt: number
  /** The same moment on the clock that measures durations. */
  readonly startedMonotonic: number
  /** W3C's `traceparent`, as the client sent it. */
  traceparent?: string
  dialect?: string
  model?: string
  upstream?: string
  stream?: boolean
  status?: number
  /** From the start of the request. */
  firstTokenMs?: number
  /** The gateway's own count of the prompt. The upstream's count, if it comes, is in `usage`. */
  promptTokens?: number
  usage?: Usage
  error?: GatewayError
  /** Retries and other remarks, in order. */
  notes: string[]
  ignored: string[]
  /** Ends the reply with this error if it is still running. */
  end?: (error: GatewayError) => void
  /** The request body is not complete yet. */
  isArriving?: boolean
  /** Receives the milliseconds between two writes of the reply. */
  observeGap?: (gapMs: number) => void
}

/** In characters. */
const maxNotesLength = 2_000

/** Paths that monitors request every few seconds. They are logged at level `debug`. */
const quietPaths = new Set(['/', '/healthz', '/readyz', '/metrics', '/favicon.ico'])

export function openRecord(id: string, method: string, path: string, clock: Clock): RequestRecord {
  const startedAt = clock.now()
  return { id, method, path, caller: anonymous, startedAt, startedMonotonic: clock.monotonic(), notes: [], ignored: [] }
}

/** Milliseconds since the start of the request. */
export function elapsedMs(record: RequestRecord, clock: Clock): number {
  return clock.monotonic() - record.startedMonotonic
}

/** The operator's label for the caller; `undefined` if the request was not authenticated. */
export function callerLabel({ caller }: RequestRecord): string | undefined {
  return caller === anonymous ? undefined : caller.label
}

/** Writes the request's line. Call it once, after the last byte of the response or when the client has disconnected. */
export function closeRecord(record: RequestRecord, clock: Clock, log: Log): void {
  const { error, usage, status = error?.status } = record
  const { upstreamText, detail } = split(error?.detail)
  const facts = {
    id: record.id,
    caller: callerLabel(record),
    dialect: record.dialect,
    model: record.model && truncate(record.model),
    upstream: record.upstream,
    stream: record.stream,
    status,
    ms: Math.round(elapsedMs(record, clock)),
    firstTokenMs: record.firstTokenMs === undefined ? undefined : Math.round(record.firstTokenMs),
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
    ignored: truncateList(record.ignored, '; ') || undefined,
    notes: truncate(record.notes.join('; '), maxNotesLength) || undefined,
    error: error?.code,
    reason: error?.message,
    detail,
    cause: error?.kind === 'internal' ? error.cause : undefined,
  }
  const line = `${record.method} ${truncate(record.path)}`
  if (error?.kind === 'internal') log.error(line, facts)
  else if (quietPaths.has(record.path) || record.method === 'HEAD') log.debug(line, facts)
  else if (error && error.kind !== 'cancelled') log.warn(line, facts)
  else log.info(line, facts)
  // The upstream's text explains the error, but may quote the prompt, so it is logged at level `debug` only.
  if (upstreamText !== undefined) log.debug('the upstream said', { id: record.id, text: upstreamText })
}

interface Detail {
  upstreamText?: unknown
  detail?: object
}

const noDetail: Detail = {}

function split(detail: unknown): Detail {
  if (typeof detail !== 'object' || detail === null) return noDetail
  const { text: upstreamText, ...rest }: { text?: unknown } = detail
  return { upstreamText, ...(Object.keys(rest).length === 0 ? {} : { detail: rest }) }
}
