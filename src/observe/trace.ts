import type { Clock } from '../core/clock.ts'
import { truncate } from '../core/truncate.ts'
import { callerLabel, elapsedMs, type RequestRecord } from './record.ts'

export interface TraceOptions {
  /** Base URL of an OpenTelemetry collector that takes OTLP over HTTP: `http://127.0.0.1:4318`. */
  endpoint: string
  /** `name=value`, values percent-encoded, as the specification of OTEL_EXPORTER_OTLP_HEADERS has it. */
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
  /** Keeps one span for a request that is over. Never throws, never waits. */
  trace(record: RequestRecord): void
  /** Sends what is kept; resolves when the collector has answered or failed. */
  flush(): Promise<void>
}

const batchSize = 512
/** What a collector that is down costs at most: about 2 MB. */
const maxKept = 2_048
const flushEveryMs = 5_000
const exportTimeoutMs = 10_000

/**
 * One span a request, sent in batches as OTLP/JSON. A collector that is slow or down loses spans and nothing else:
 * the buffer is bounded, and the log counts what did not fit.
 * Source: OpenTelemetry protocol 1.x, `POST /v1/traces`; attribute names from the semantic conventions for HTTP and GenAI.
 */
export function createTracer(options: TraceOptions): Tracer {
  const { clock, warn } = options
  const url = `${options.endpoint.replace(/\/+$/, '')}/v1/traces`
  const headers = { 'content-type': 'application/json', ...Object.fromEntries(options.headers.map(header)) }
  let kept: object[] = []
  let dropped = 0
  let failing = false
  let sending: Promise<void> = Promise.resolve()
  let waiting = false

  return {
    trace(record) {
      if (record.dialect === undefined) return
      const parent = parentOf(record.traceparent)
      if (parent && !parent.sampled) return
      if (kept.length >= maxKept) {
        dropped++
        return
      }
      kept.push(span(record, parent))
      if (kept.length === batchSize) void flush()
      else if (!waiting) {
        waiting = true
        clock.after(flushEveryMs, () => void flush())
      }
    },
    flush,
  }

  function flush(): Promise<void> {
    waiting = false
    // One after the other: the next one takes along what came meanwhile.
    sending = sending.then(send)
    return sending
  }

  async function send(): Promise<void> {
    while (kept.length > 0) {
      const spans = kept.slice(0, batchSize)
      kept = kept.slice(batchSize)
      const trouble = await post(JSON.stringify(envelope(spans, options.version)))
      if (trouble === undefined) {
        if (dropped > 0) warn('traces are sent again', { lost: dropped })
        failing = false
        dropped = 0
        continue
      }
      dropped += spans.length
      if (!failing) warn('traces are lost: the collector does not take them', { reason: trouble })
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

/** The code of an error that has a name for one: those of the platform have numbers. */
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

/** https://www.w3.org/TR/trace-context/: whoever sent it decides whether the trace is kept. */
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

/** 64-bit numbers are text in OTLP's JSON. */
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
