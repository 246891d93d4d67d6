import type { MeteredCall } from '../core/call-meter.ts'
import { anonymous, type Caller } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { GatewayError } from '../core/errors.ts'
import type { FinishReason, Usage } from '../core/events.ts'
import { truncate, truncateList } from '../core/truncate.ts'
import { usageSum } from '../core/usage-counts.ts'
import type { Cost } from '../models/cost.ts'
import type { RequestCapture } from './capture-recorder.ts'
import type { ClientProgramName } from './clients.ts'
import type { Log } from './log.ts'
import { requestLine } from './request-line.ts'
import type { Timeline } from './timeline.ts'

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
  client?: ClientProgramName
  /** The client's conversation, and the part of the client that asks, as it names them. */
  session?: string
  agent?: string
  /** The agent that has begun that one, where it is not the main one. */
  parentAgent?: string
  dialect?: string
  /** The model as the client names it. */
  requestedModel?: string
  /** The model that answers; until one is found, the one that was asked for. */
  model?: string
  /** The client named it, and no list of its upstream has it. */
  isUnlisted?: boolean
  upstream?: string
  stream?: boolean
  phase: Phase
  /** The tool that is being called. */
  tool?: string | undefined
  stopReason?: FinishReason
  status?: number
  /** From the start of the request to its end, once it is over. */
  totalMs?: number
  /** From the start of the request. */
  firstTokenMs?: number
  /** The gateway's own count of the prompt. The upstream's count, if it comes, is in `usage`. */
  promptTokens?: number
  /** What the client is told; once the request is over, what all of its calls have cost together. */
  usage?: Usage
  /** The calls of upstreams that were made for it, until it is over. */
  calls: MeteredCall[]
  /** Set once the request is over. */
  cost?: Cost
  error?: GatewayError
  /** Retries and other remarks, in order. */
  notes: string[]
  ignored: string[]
  /** What the time went into; absent where nothing but the log is to remember the request. */
  timeline?: Timeline
  /** Takes the messages of the request, where bodies are kept. */
  capture?: RequestCapture | undefined
  /** Called at the beginning of each phase. */
  onPhase?: ((record: RequestRecord) => void) | undefined
  /** Ends the reply with this error if it is still running. */
  end?: ((error: GatewayError) => void) | undefined
  /** Nobody waits for the reply: requests that somebody waits for come first. */
  isBackground?: boolean | undefined
  /** The request body is not complete yet. */
  isArriving?: boolean
  /** Receives the milliseconds between two writes of the reply. */
  observeGap?: ((gapMs: number) => void) | undefined
}

/**
 * The phase of a request: its body is being read, no token has come yet, the model reasons, writes or calls a tool, or
 * it is over.
 */
export const phases = ['reading', 'waiting', 'reasoning', 'writing', 'tool', 'done'] as const
export type Phase = (typeof phases)[number]

/** In characters. */
const maxNotesLength = 2_000

/** Paths that monitors request every few seconds. They are logged at level `debug`. */
const quietPaths = new Set(['/', '/healthz', '/readyz', '/metrics', '/favicon.ico'])

export function openRecord(id: string, method: string, path: string, clock: Clock): RequestRecord {
  return {
    id,
    method,
    path,
    caller: anonymous,
    startedAt: clock.now(),
    startedMonotonic: clock.monotonic(),
    phase: 'reading',
    calls: [],
    notes: [],
    ignored: [],
    // All members that come later: an object that grows member by member is copied each time that it has no room left.
    traceparent: undefined,
    client: undefined,
    session: undefined,
    agent: undefined,
    parentAgent: undefined,
    dialect: undefined,
    requestedModel: undefined,
    model: undefined,
    isUnlisted: undefined,
    upstream: undefined,
    stream: undefined,
    tool: undefined,
    stopReason: undefined,
    status: undefined,
    totalMs: undefined,
    firstTokenMs: undefined,
    promptTokens: undefined,
    usage: undefined,
    cost: undefined,
    error: undefined,
    timeline: undefined,
    capture: undefined,
    onPhase: undefined,
    end: undefined,
    isBackground: undefined,
    isArriving: undefined,
    observeGap: undefined,
  }
}

/** Releases everything that only a running request needs, so that its record can be kept. */
export function detach(record: RequestRecord): void {
  record.end = undefined
  record.onPhase = undefined
  record.capture = undefined
  record.observeGap = undefined
  record.calls = []
}

/** What all calls of a request have cost; for a request without calls, the cost that its client was told. */
export function billedUsage({ calls, usage: reported }: RequestRecord): Usage | undefined {
  const billed: Usage[] = []
  for (const call of calls) {
    const usage = call.usage()
    if (usage !== undefined) billed.push(usage)
  }
  if (billed.length === 0) return reported
  const sum = billed.reduce(usageSum)
  const reasoningTokens = sum.reasoningTokens ?? reported?.reasoningTokens
  return reasoningTokens === sum.reasoningTokens ? sum : { ...sum, reasoningTokens }
}

export function enterPhase(record: RequestRecord, phase: Phase, tool?: string): void {
  record.phase = phase
  record.tool = tool
  record.onPhase?.(record)
}

/** Milliseconds since the start of the request, or from its start to its end. */
export function elapsedMs(record: RequestRecord, clock: Clock): number {
  return record.totalMs ?? clock.monotonic() - record.startedMonotonic
}

/** The operator's label for the caller; `undefined` if the request was not authenticated. */
export function callerLabel({ caller }: RequestRecord): string | undefined {
  return caller === anonymous ? undefined : caller.label
}

/** Writes the request's line. Call it once, after the last byte of the response or when the client has disconnected. */
export function closeRecord(record: RequestRecord, clock: Clock, log: Log): void {
  const { error, usage, status = error?.status, model, requestedModel, cost } = record
  const totalMs = elapsedMs(record, clock)
  const { upstreamText, detail } = split(error?.detail)
  const facts = {
    id: record.id,
    caller: callerLabel(record),
    client: record.client?.name,
    dialect: record.dialect,
    asked: requestedModel === undefined || requestedModel === model ? undefined : truncate(requestedModel),
    model: model && truncate(model),
    upstream: record.upstream,
    stream: record.stream,
    status,
    ms: Math.round(totalMs),
    firstTokenMs: record.firstTokenMs === undefined ? undefined : Math.round(record.firstTokenMs),
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
    usd: cost?.usd,
    credits: cost?.credits,
    ignored: truncateList(record.ignored, '; ') || undefined,
    notes: truncate(record.notes.join('; '), maxNotesLength) || undefined,
    error: error?.code,
    reason: error?.message,
    detail,
    cause: error?.kind === 'internal' ? error.cause : undefined,
  }
  const line = `${record.method} ${truncate(record.path)}`
  const short = () => requestLine(record, totalMs)
  // Only the long form has the cause of an error.
  if (error?.kind === 'internal') log.error(line, facts)
  else if (isQuiet(record)) log.debug(line, facts, short)
  else if (error && error.kind !== 'cancelled') log.warn(line, facts, short)
  else log.info(line, facts, short)
  // The upstream's text explains the error, but may quote the prompt, so it is logged at level `debug` only.
  if (upstreamText !== undefined) log.debug('the upstream said', { id: record.id, text: upstreamText })
}

/** Open admin pages poll, so their GETs are logged at `debug`; their changes are logged normally. */
function isQuiet({ method, path }: RequestRecord): boolean {
  return quietPaths.has(path) || method === 'HEAD' || (method === 'GET' && path.startsWith('/admin/api/'))
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
