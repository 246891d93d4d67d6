import Counter from 'prom-client/lib/counter'
import Gauge from 'prom-client/lib/gauge'
import Registry from 'prom-client/lib/registry'
import { countedModels } from './counted-names.ts'
import { createHistogram, type Histogram } from './histogram.ts'
import { memoryReadings } from './memory.ts'
import type { RequestRecord } from './record.ts'

export interface Metrics {
  /** The content type of Prometheus' text format, version 0.0.4. */
  readonly contentType: string
  text(): Promise<string>
  /** Counts a finished request that took `ms`. */
  closed(record: RequestRecord, ms: number): void
  /** Returns the observer for one reply. The labels are looked up here, so that an event costs no lookup. */
  gapObserverOf(record: RequestRecord): (gapMs: number) => void
}

/** Values that are read only when the metrics are requested. */
export interface Watched {
  running(): ReadonlySet<RequestRecord>
  /** By upstream and measure: `{ 'zai-api': { queued: 3 } }`. */
  gauges(): Record<string, Record<string, number>>
  version: string
  /** The number of log lines that could not be written. */
  lostLogLines?(): number
}

/** More than any upstream lists. Further names are counted as `other`. */
const maxModels = 100

const secondsToFirstToken = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120]
const secondsBetweenReads = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30]
const secondsInAll = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** Counts requests by labels with few values. No label contains free text of a client. */
export function createMetrics(watched: Watched): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const modelOf = countedModels(maxModels)

  const requests = new Counter({
    name: 'zai2api_requests_total',
    help: 'Requests that are over.',
    labelNames: ['dialect', 'model', 'upstream', 'status'],
    registers,
  })
  const errors = new Counter({
    name: 'zai2api_errors_total',
    help: 'Requests that ended in an error, before or after the first byte; cancelled is a client that left.',
    labelNames: ['kind'],
    registers,
  })
  const tokens = new Counter({
    name: 'zai2api_tokens_total',
    help: 'Tokens of finished replies; cached ones are part of input, reasoning of output.',
    labelNames: ['model', 'type'],
    registers,
  })
  const duration = createHistogram({
    name: 'zai2api_request_seconds',
    help: 'From the request to the last byte of its reply.',
    buckets: secondsInAll,
    registry,
  })
  const firstToken = createHistogram({
    name: 'zai2api_first_token_seconds',
    help: 'From the request to the first token of its reply.',
    buckets: secondsToFirstToken,
    registry,
  })
  const gap = createHistogram({
    name: 'zai2api_inter_event_seconds',
    help: 'Between two writes of a streamed reply.',
    buckets: secondsBetweenReads,
    registry,
  })
  watchedMetrics(watched, registers)
  processMetrics(registers)

  const gapsOf = byName((upstream) => gap.of({ upstream }))
  const sums = createSums(duration, firstToken)

  return {
    contentType: registry.contentType,
    text() {
      for (const counters of sums.all()) flush(counters)
      return registry.metrics()
    },
    closed(record, ms) {
      const { dialect, error, usage, firstTokenMs } = record
      const counters = sums.of(record, modelOf(record))
      counters.requests++
      if (error) errors.inc({ kind: error.kind })
      if (dialect === undefined) return
      counters.duration(ms)
      if (firstTokenMs !== undefined) counters.firstToken(firstTokenMs)
      if (!usage) return
      counters.replies++
      counters.input += usage.inputTokens
      counters.output += usage.outputTokens
      counters.cached += usage.cachedInputTokens ?? 0
      counters.reasoning += usage.reasoningTokens ?? 0
    },
    gapObserverOf: ({ upstream = 'none' }) => gapsOf(upstream),
  }

  /** Adds the counts since the last flush to the library's counters. */
  function flush(counters: Counters): void {
    const { labels, requests: count, replies, input, output, cached, reasoning } = counters
    Object.assign(counters, { requests: 0, replies: 0, input: 0, output: 0, cached: 0, reasoning: 0 })
    if (count > 0) requests.inc(labels, count)
    if (replies === 0) return
    const { model } = labels
    for (const [type, sum] of Object.entries({ input, output, cached, reasoning })) tokens.inc({ model, type }, sum)
  }
}

/** Values that others know, and that are read when somebody asks for the metrics. */
function watchedMetrics(watched: Watched, registers: InstanceType<typeof Registry>[]): void {
  new Gauge({
    name: 'zai2api_active_requests',
    help: 'Requests that are being answered.',
    registers,
    collect() {
      this.set(watched.running().size)
    },
  })
  new Gauge({
    name: 'zai2api_active_streams',
    help: 'Streamed replies under way.',
    registers,
    collect() {
      this.set([...watched.running()].filter(({ stream, status }) => stream && status === 200).length)
    },
  })
  new Gauge({
    name: 'zai2api_upstream',
    help: 'What an upstream says of its credentials and queues.',
    labelNames: ['upstream', 'measure'],
    registers,
    collect() {
      this.reset()
      for (const [upstream, measures] of Object.entries(watched.gauges()))
        for (const [measure, value] of Object.entries(measures)) this.set({ upstream, measure }, value)
    },
  })
  new Gauge({
    name: 'zai2api_build_info',
    help: 'Always 1.',
    labelNames: ['version'],
    registers,
  }).set({ version: watched.version }, 1)
  new Counter({
    name: 'zai2api_log_lines_lost_total',
    help: 'Lines of the log that could not be written.',
    registers,
    collect() {
      this.reset()
      this.inc(watched.lostLogLines?.() ?? 0)
    },
  })
}

/**
 * Sums of requests with the same labels until the metrics are read, because the library would look up the labels for
 * each request.
 */
interface Counters {
  readonly labels: { dialect: string; model: string; upstream: string; status: string }
  readonly duration: (ms: number) => void
  readonly firstToken: (ms: number) => void
  requests: number
  /** The replies whose tokens are counted here. */
  replies: number
  input: number
  output: number
  cached: number
  reasoning: number
}

/** The sums of each set of labels. */
function createSums(duration: Histogram, firstToken: Histogram) {
  const durationsOf = byName((dialect) => duration.of({ dialect }))
  const firstTokensOf = byName((upstream) => byName((model) => firstToken.of({ upstream, model })))
  const known = new Map<string, Counters>()

  return {
    all: () => known.values(),
    of({ dialect = 'none', upstream = 'none', status: told, error }: RequestRecord, model: string): Counters {
      const status = statusClass(told ?? error?.status)
      const key = `${dialect} ${upstream} ${status} ${model}`
      const before = known.get(key)
      if (before) return before
      const counters: Counters = {
        labels: { dialect, model, upstream, status },
        ...{ requests: 0, replies: 0, input: 0, output: 0, cached: 0, reasoning: 0 },
        duration: durationsOf(dialect),
        firstToken: firstTokensOf(upstream)(model),
      }
      known.set(key, counters)
      return counters
    },
  }
}

/** Creates one value for each name, once. */
function byName<Thing>(make: (name: string) => Thing): (name: string) => Thing {
  const things = new Map<string, Thing>()
  return (name) => {
    const known = things.get(name)
    if (known !== undefined) return known
    const thing = make(name)
    things.set(name, thing)
    return thing
  }
}

function statusClass(status: number | undefined): string {
  return status === undefined ? 'none' : `${Math.floor(status / 100)}xx`
}

/** Metrics of the process. The library's own use functions that Bun lacks, and would report wrong numbers. */
function processMetrics(registers: InstanceType<typeof Registry>[]): void {
  const startedAt = Date.now() / 1000 - process.uptime()
  const readings = memoryReadings(process)
  const measures = [
    ['process_resident_memory_bytes', 'Memory the process holds.', readings.resident],
    ['zai2api_heap_bytes', 'Memory the objects of the program hold.', readings.heapUsed],
    ['process_start_time_seconds', 'Start of the process, in seconds since 1970.', () => startedAt],
  ] as const
  for (const [name, help, measure] of measures)
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(measure())
      },
    })
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time, user and system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
}
