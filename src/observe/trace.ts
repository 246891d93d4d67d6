import type { Clock } from '../core/clock.ts'
import { truncate } from '../core/truncate.ts'
import { callerLabel, elapsedMs, type RequestRecord } from './record.ts'

export interface TraceOptions {
  /** Base URL of an OpenTelemetry collector that takes OTLP over HTTP: `http://127.0.0.1:4318`. */
  endpoint: string
  /** `name=value` with percent-encoded values, as specified for OTEL_EXPORTER_OTLP_HEADERS. */
  headers: readonly string[]
  version: string
  fetch: (
    url: string,
    init: RequestInit & { headers?: Record<string, string> },
  ) => Promise<{ status: number; ok: boolean; text(): Promise<string> }>
  clock: Clock
  random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array
  warn: (message: string, facts: Record<string, unknown>) => void
}

export interface Tracer {
  /** Buffers one span for a finished request. Never throws and never waits. */
  trace(record: RequestRecord): void
  /** Sends all buffered spans. Resolves when the collector has answered or failed. */
  flush(): Promise<void>
}

const batchSize = 512
/** In spans. They take about 2 MB while a collector is down. */
const maxBuffered = 2_048
const flushEveryMs = 5_000
const exportTimeoutMs = 10_000

/**
 * Sends one span for each request, in batches as OTLP/JSON. If the collector is slow or down, only spans are lost: the
 * buffer is bounded, and the number of lost spans is logged.
 * Source: OpenTelemetry protocol 1.x, `POST /v1/traces`; attribute names from the semantic conventions for HTTP and GenAI.
 */
export function createTracer(options: TraceOptions): Tracer {
  const { clock, warn } = options
  const url = `${options.endpoint.replace(/\/+$/, '')}/v1/traces`
  const headers = { 'content-type': 'application/json', ...Object.fromEntries(options.headers.map(header)) }
  let buffered: object[] = []
  let dropped = 0
  let failing = false
  let sending: Promise<void> = Promise.resolve()
  let isScheduled = false

  return {
    trace(record) {
      if (record.dialect === undefined) return
      const parent = parentOf(record.traceparent)
      if (parent && !parent.sampled) return
      if (buffered.length >= maxBuffered) {
        dropped++
        return
      }
      buffered.push(span(record, parent))
      if (buffered.length === batchSize) void flush()
      else if (!isScheduled) {
        isScheduled = true
        clock.after(flushEveryMs, () => void flush())
      }
    },
    flush,
  }

  function flush(): Promise<void> {
    isScheduled = false
    // Batches are sent one after the other. The next one includes the spans that arrive meanwhile.
    sending = sending.then(send)
    return sending
  }

  async function send(): Promise<void> {
    while (buffered.length > 0) {
      const spans = buffered.slice(0, batchSize)
      buffered = buffered.slice(batchSize)
      const failure = await post(JSON.stringify(envelope(spans, options.version)))
      if (failure === undefined) {
        if (dropped > 0) warn('traces are sent again', { lost: dropped })
        failing = false
        dropped = 0
        continue
      }
      dropped += spans.length
      if (!failing) warn('traces are lost: the collector does not take them', { reason: failure })
      failing = true
    }
  }

  async function post(body: string): Promise<string | undefined> {
    try {
      const signal = AbortSignal.timeout(exportTimeoutMs)
      const response = await options.fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
      await response.text() // so that the connection is free again
      return response.ok ? undefined : `HTTP ${response.status}`
    } catch (thrown) {
      return reasonOf(thrown)
    }
  }

  function span(record: RequestRecord, parent: Parent | undefined): object {
    const { error, firstTokenMs, startedAt, usage } = record
    const status = record.status ?? error?.status
    return {
      traceId: parent?.traceId ?? hex(16),
      spanId: hex(8),
      ...(parent ? { parentSpanId: parent.spanId } : {}),
      name: `${record.method} ${truncate(record.path)}`,
      kind: serverKind,
      startTimeUnixNano: nanoseconds(startedAt),
      endTimeUnixNano: nanoseconds(startedAt + elapsedMs(record, clock)),
      attributes: attributes({
        'http.request.method': record.method,
        'url.path': truncate(record.path),
        'http.response.status_code': status,
        'error.type': error?.code,
        'gen_ai.provider.name': record.upstream,
        'gen_ai.request.model': record.model && truncate(record.model),
        'gen_ai.usage.input_tokens': usage?.inputTokens,
        'gen_ai.usage.output_tokens': usage?.outputTokens,
        'zai2api.caller': callerLabel(record),
        'zai2api.dialect': record.dialect,
        'zai2api.request_id': record.id,
        'zai2api.stream': record.stream,
        'zai2api.first_token_ms': firstTokenMs,
      }),
      status: error ? { code: errorStatus } : {},
    }
  }

  function hex(length: number): string {
    return Buffer.from(options.random(new Uint8Array(length))).toString('hex')
  }
}

/** The reason as text. Only codes that are words are used; the codes of `DOMException` are numbers. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'failed'
  if (thrown.name === 'TimeoutError') return `no answer within ${exportTimeoutMs / 1000} s`
  return 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : 'failed'
}

const serverKind = 2
const errorStatus = 2

interface Parent {
  traceId: string
  spanId: string
  sampled: boolean
}

/** The parent span of a `traceparent` header. Its sender decides by a flag whether the trace is recorded. Source: https://www.w3.org/TR/trace-context/ */
function parentOf(traceparent: string | undefined): Parent | undefined {
  const [, traceId, spanId, flags] =
    /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})/.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

function envelope(spans: object[], version: string): object {
  const resource = { attributes: attributes({ 'service.name': 'zai2api', 'service.version': version }) }
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'zai2api', version }, spans }] }] }
}

function attributes(named: Record<string, string | number | boolean | undefined>): object[] {
  return Object.entries(named).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: typed(value) }]))
}

/** A value in OTLP's JSON, which writes 64-bit numbers as text. */
function typed(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value }
  return typeof value === 'boolean' ? { boolValue: value } : { intValue: String(Math.round(value)) }
}

function nanoseconds(epochMs: number): string {
  return String(BigInt(Math.round(epochMs)) * 1_000_000n)
}

function header(pair: string): [string, string] {
  const at = pair.indexOf('=')
  return [pair.slice(0, at).trim().toLowerCase(), decodeURIComponent(pair.slice(at + 1))]
}
