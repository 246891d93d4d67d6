import { join } from 'node:path'
import { requestFacts, storedRequest } from '../admin/request-row.ts'
import { storedTimeline } from '../admin/stored-timeline.ts'
import type { Losses } from '../cli/output.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../core/clock.ts'
import type { Redact } from '../core/redact.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestLimits } from '../http/limits.ts'
import type { Fetch } from '../http-client/send.ts'
import { type Capture, createCapture } from '../observe/capture.ts'
import { type CaptureFilesOptions, createCaptureFiles } from '../observe/capture-files.ts'
import { createUsageNames } from '../observe/counted-names.ts'
import { createLog, type Log, type LogOptions } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import { elapsedMs, type RequestRecord } from '../observe/record.ts'
import type { FindSecrets } from '../observe/redaction.ts'
import type { Tracer } from '../observe/trace.ts'
import { keptOf, type RequestLog } from '../store/request-log.ts'

/** The output of the log. */
export interface LogLines {
  write: LogOptions['write']
  terminal?: LogOptions['terminal']
  /** Counts the lines that could not be written. */
  losses?: Losses
}

/** The log of a configuration that may be replaced. Its lines hold none of the operator's secrets. */
export function openLog(
  current: () => Config,
  { write, terminal, losses }: LogLines,
  clock: Clock,
  redact: Redact,
): Log {
  const { logFormat: format } = current()
  const log = createLog({ level: () => current().logLevel, format, terminal, now: clock.now, redact, write })
  losses?.watch((lines) => log.warn('lines of this log could not be written', { lines }))
  return log
}

export interface CaptureParts {
  current: () => Config
  /** Without a folder, bodies are kept in memory only. */
  folder: string | undefined
  clock: Clock
  log: Log
  findSecrets: FindSecrets
}

/** Keeps the bodies of requests as CAPTURE says. */
export function openCapture({ current, folder, clock, log, findSecrets }: CaptureParts): Capture {
  const maxDiskBytes = () => current().captureDiskMb * 1_000_000
  return createCapture({
    clock,
    configured: () => ({
      mode: current().capture,
      maxBytes: current().captureMb * 1_000_000,
      maxDiskBytes: maxDiskBytes(),
    }),
    findSecrets,
    files: captureFiles(folder, () => ({ ...keptOf(current().logKeep), bytes: maxDiskBytes() }), { clock, log }),
  })
}

function captureFiles(
  folder: string | undefined,
  retention: CaptureFilesOptions['retention'],
  { clock, log }: Pick<CaptureParts, 'clock' | 'log'>,
) {
  if (folder === undefined) return undefined
  return createCaptureFiles({
    folder: join(folder, 'captures'),
    retention,
    clock,
    warn: (message, cause) => log.warn(message, { cause }),
  })
}

/** Adds each request that is over to the log of requests, without secrets. */
export function requestRecorder(
  requests: RequestLog,
  { clock, redact, findSecrets }: { clock: Clock; redact: Redact; findSecrets: FindSecrets },
): (record: RequestRecord) => void {
  const usageNames = createUsageNames(clock)
  return (record) =>
    requests.add(() => {
      const { timeline } = record
      const detail = timeline ? storedTimeline(timeline, elapsedMs(record, clock), findSecrets) : null
      return storedRequest(requestFacts(record, clock, redact), detail, usageNames(record))
    })
}

/** Imported only when enabled, like the tracer, because each import slows the start down. */
export async function metricsOf(
  gateway: Gateway,
  limits: RequestLimits,
  version: string,
  lostLogLines: (() => number) | undefined,
): Promise<Metrics> {
  const { createMetrics } = await import('../observe/metrics.ts')
  return createMetrics({
    running: () => limits.running,
    gauges: gateway.gauges,
    version,
    ...(lostLogLines ? { lostLogLines } : {}),
  })
}

export async function tracerOf(
  config: Config,
  { fetch, clock, log }: { fetch: Fetch; clock: Clock; log: Log },
  version: string,
): Promise<Tracer | undefined> {
  if (config.otlpEndpoint === undefined) return undefined
  const { createTracer } = await import('../observe/trace.ts')
  return createTracer({
    endpoint: config.otlpEndpoint,
    headers: config.otlpHeaders,
    version,
    fetch,
    clock,
    random: (bytes) => crypto.getRandomValues(bytes),
    warn: (message, facts) => log.warn(message, facts),
  })
}
