import { createOperator, type OperatorOptions, type ServingProgram } from '../../src/admin/operator-context.ts'
import { createApp } from '../../src/app/index.ts'
import { systemClock } from '../../src/async/system-clock.ts'
import { createAttachments } from '../../src/attachments/index.ts'
import { limitsWith } from '../../src/attachments/limits.ts'
import type { ReadPdf } from '../../src/attachments/pdf-reader.ts'
import type { Clock } from '../../src/core/clock.ts'
import type { PoolControl } from '../../src/core/credential-pool.ts'
import type { Dialects } from '../../src/core/dialect.ts'
import { createRedactor, createSecretFinder } from '../../src/core/known-secrets.ts'
import type { KeepAliveStyle, ReasoningField } from '../../src/core/reply-encoder.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { dialects } from '../../src/dialects/index.ts'
import { createGateway, type Gateway } from '../../src/gateway/index.ts'
import type { ModelRouteOptions } from '../../src/gateway/model-routing.ts'
import type { ReasoningMode } from '../../src/gateway/reasoning-placement.ts'
import type { Validate } from '../../src/gateway/structured/validation.ts'
import { createUpstreamHealth } from '../../src/gateway/upstream-health.ts'
import type { SearchPolicy } from '../../src/gateway/web-search.ts'
import type { AccessOptions } from '../../src/http/access.ts'
import { type ClientKey, clientKeys, policyOf } from '../../src/http/client-keys.ts'
import { createLimits, type LimitOptions, type RequestLimits } from '../../src/http/limits.ts'
import { cutShort, shuttingDown } from '../../src/http/shutdown.ts'
import { type Lookup, systemLookup } from '../../src/http-client/dns.ts'
import { fetchRemoteFile } from '../../src/http-client/remote-file.ts'
import type { Fetch } from '../../src/http-client/send.ts'
import type { ServedKeys } from '../../src/keys/open-keys.ts'
import type { McpLimits } from '../../src/mcp/hosted-calls.ts'
import { withMcp } from '../../src/mcp/index.ts'
import { type Capture, createCapture } from '../../src/observe/capture.ts'
import { createCredentialSpend } from '../../src/observe/credential-spend.ts'
import { createLastHour } from '../../src/observe/last-hour.ts'
import { createLiveRequests } from '../../src/observe/live-requests.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import { createRecentRequests } from '../../src/observe/recent-requests.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { secretFinder } from '../../src/observe/redaction.ts'
import { listen } from '../../src/server/listen.ts'
import { type BatchStore, createBatchStore } from '../../src/store/batches.ts'
import { createResponseStore, type ResponseStore } from '../../src/store/responses.ts'
import { createUsedApprovals, type UsedApprovals } from '../../src/store/used-approvals.ts'
import { readPdfHere } from './pdf.ts'
import { validateHere } from './schema.ts'

export interface RunningGateway {
  url: string
  /** The lines of the log. */
  lines: string[]
  /** The number of requests without a complete response, as counted by Bun. */
  pendingRequests(): number
  /** Refuses new connections. */
  close(): Promise<void>
  /** Refuses further requests. */
  drain(): void
  /** Ends responses that still run after `deadlineMs`; without it they are cut at once. */
  stop(deadlineMs?: number): Promise<'drained' | 'cut'>
}

export interface GatewaySettings {
  dialects?: Dialects
  access?: {
    openaiKey?: string
    anthropicKey?: string
    operatorKey?: string
    corsOrigins?: readonly string[]
    queryKeys?: boolean
    keys?: readonly ClientKey[]
  }
  thinking?: ReasoningMode
  keepAliveMs?: number
  keepAliveStyle?: KeepAliveStyle
  reasoningField?: ReasoningField
  limits?: Partial<LimitOptions>
  /** Of every caller; 0 for no limit. */
  rates?: { rateLimitRpm?: number; rateLimitTpm?: number }
  maxBodyBytes?: number
  bodyTimeoutMs?: number
  stallMs?: number
  trace?: (record: RequestRecord) => void
  capture?: Capture
  storedRequest?: OperatorOptions['storedRequest']
  loopLimit?: number
  webSearch?: SearchPolicy
  store?: ResponseStore
  /** MCP servers that may be used, and within which limits. */
  mcp?: { rules?: readonly string[]; lookup?: Lookup; fetch?: Fetch } & Partial<McpLimits>
  approvals?: UsedApprovals
  batches?: BatchStore
  /** Taken out of every error. */
  secrets?: readonly string[]
  validate?: Validate
  readPdf?: ReadPdf
  routes?: Partial<ModelRouteOptions>
  proofSecret?: string
  /** What the operator's page is told of the program around the gateway. */
  program?: ServingProgram
  keys?: ServedKeys
  /** Of what is remembered of upstreams; all else goes by the machine's. */
  clock?: Clock
}

/** The real server on a free port of loopback, in front of the given upstreams. */
export function startGateway(upstreams: readonly Upstream[], settings: GatewaySettings = {}): RunningGateway {
  const lines: string[] = []
  const limits = limitsFor(settings)
  const app = gatewayApp(upstreams, settings, lines, limits)
  const server = listen(app, '127.0.0.1', 0, () => limits.running.size)
  const endReplies = () => {
    for (const record of [...limits.running]) record.end?.(cutShort())
  }
  const pendingRequests = () => app.server?.pendingRequests ?? 0
  return {
    url: server.url,
    lines,
    pendingRequests,
    close: server.close,
    drain: () => limits.close(shuttingDown()),
    stop: (deadlineMs) => (deadlineMs === undefined ? server.stop(0) : server.stop(deadlineMs, endReplies)),
  }
}

/** The same without a port. */
export function gatewayApp(
  upstreams: readonly Upstream[],
  settings: GatewaySettings = {},
  lines: string[] = [],
  limits = limitsFor(settings),
) {
  return appInFront(partsOf(upstreams, settings, lines), settings, limits, upstreams)
}

/**
 * One app for many gateways, one after the other, because building an app takes longer than answering a request. Each
 * `inFrontOf` starts a new gateway: ids and the state of upstreams are not taken over from earlier ones.
 */
export function reusableApp(settings: GatewaySettings = {}) {
  let current = partsOf([], settings, [])
  let batches = 0
  const app = appInFront(
    {
      gateway: {
        models: (allowed) => current.gateway.models(allowed),
        model: (name, allowed) => current.gateway.model(name, allowed),
        start: (request, options) => current.gateway.start(request, options),
        embed: (request, options) => current.gateway.embed(request, options),
        count: (request, options) => current.gateway.count(request, options),
        check: (signal) => current.gateway.check(signal),
        unresponsive: () => current.gateway.unresponsive(),
        gauges: () => current.gateway.gauges(),
        replace: (upstreams, options) => current.gateway.replace(upstreams, options),
      },
      write: (message, facts) => current.write(message, facts),
      // The app keeps its batches, whatever gateway it stands for.
      newId: (prefix) => (prefix === 'msgbatch_' ? `${prefix}${++batches}` : current.newId(prefix)),
    },
    settings,
    limitsFor(settings),
  )
  return {
    inFrontOf(upstreams: readonly Upstream[], lines: string[] = []) {
      const parts = partsOf(upstreams, settings, lines)
      return {
        handle(request: Request): Promise<Response> {
          current = parts
          return app.handle(request)
        },
      }
    },
  }
}

interface Parts {
  gateway: Gateway
  write: (message: string, facts?: object) => void
  newId: (prefix: string) => string
}

/** The stateful parts behind an app. */
function partsOf(upstreams: readonly Upstream[], settings: GatewaySettings, lines: string[]): Parts {
  let ids = 0
  const write = (message: string, facts: object = {}) => void lines.push(`${message} ${JSON.stringify(facts)}`)
  const clock = settings.clock ?? systemClock
  const health = createUpstreamHealth({
    clock,
    random: () => 0,
    onChange: ({ state, upstream }) => write(`${upstream} is ${state}`),
  })
  const gateway = createGateway(
    upstreams,
    {
      primaryModel: 'GLM-4.5',
      smallModel: 'GLM-4.5-Air',
      thinkingModel: 'GLM-4.5-Thinking',
      searchModel: 'GLM-4.5-Search',
      listedNames: ['GLM-4.5', 'GLM-4.5-Thinking', 'GLM-4.5-Search'],
      modelMap: [],
      ...settings.routes,
      loopLimit: settings.loopLimit ?? 10_000,
      webSearch: settings.webSearch ?? 'auto',
      validate: settings.validate ?? validateHere,
      prepareAttachments: createAttachments({
        readPdf: settings.readPdf ?? readPdfHere,
        limits: limitsWith(1_000_000),
        visionExample: 'GLM-4.6V',
        // The check of addresses is real; the network behind it is not.
        fetchFile: (url, signal, maxBytes) =>
          fetchRemoteFile(url, {
            fetch: () => Promise.reject(new Error(`a test would fetch ${url}`)),
            lookup: () => Promise.reject(new Error(`a test would look up ${url}`)),
            clock: systemClock,
            signal,
            maxBytes,
            timeoutMs: 1_000,
          }),
      }),
    },
    health,
  )
  return { gateway: mcpIn(gateway, settings), write, newId: (prefix) => `${prefix}${String(++ids).padStart(24, '0')}` }
}

function mcpIn(gateway: Gateway, { mcp = {}, approvals, clock = systemClock }: GatewaySettings): Gateway {
  const { rules = [], lookup = systemLookup, fetch = globalThis.fetch, ...limits } = mcp
  return withMcp(gateway, {
    ...{ fetch, lookup, clock },
    rules: () => rules,
    limits: () => ({ rounds: 10, callMs: 10_000, totalMs: 30_000, tools: 128, resultLength: 100_000, ...limits }),
    useApproval: (approvals ?? memoryApprovals()).use,
  })
}

function appInFront(
  { gateway, write, newId }: Parts,
  settings: GatewaySettings,
  limits: RequestLimits,
  upstreams: readonly Upstream[] = [],
) {
  const redact = createRedactor(settings.secrets ?? [])
  const live = createLiveRequests(systemClock)
  const findSecrets = secretFinder(createSecretFinder(settings.secrets ?? []))
  const metadata = () => ({ mode: 'metadata', maxBytes: 1_000_000, maxDiskBytes: 1_000_000 }) as const
  const capture = settings.capture ?? createCapture({ clock: systemClock, configured: metadata, findSecrets })
  const operator = createOperator({
    ...{ version: 'test', clock: systemClock, redact, gateway, limits, live },
    ...{ capture, findSecrets, lastHour: createLastHour(systemClock), recent: createRecentRequests() },
    spend: createCredentialSpend(),
    upstreams: () =>
      upstreams.map((upstream) => ({
        ...{ kind: 'test', title: 'Test', isForOnePerson: false, upstream, control: nothingLent },
      })),
    program: settings.program,
    storedRequest: settings.storedRequest,
  })
  return createApp({
    live,
    operator,
    dialects: settings.dialects ?? dialects,
    gateway,
    store: settings.store ?? memoryStore(write),
    batches: settings.batches ?? memoryBatches(),
    clock: systemClock,
    log: { debug: write, info: write, warn: write, error: write },
    newId,
    version: 'test',
    settings: {
      access: accessFor(settings),
      ...limitsIn(settings),
      maxBodyBytes: settings.maxBodyBytes ?? 1_000_000,
      bodyTimeoutMs: settings.bodyTimeoutMs ?? 5_000,
      keepAliveMs: settings.keepAliveMs ?? 10_000,
      keepAliveStyle: settings.keepAliveStyle ?? 'comment',
      reasoningField: settings.reasoningField ?? 'reasoning_content',
      stallMs: settings.stallMs ?? 60_000,
      reasoningMode: settings.thinking ?? 'think',
    },
    limits,
    redact,
    metrics: createMetrics({
      running: () => limits.running,
      gauges: gateway.gauges,
      version: 'test',
    }),
    trace: settings.trace,
    capture,
    proofSecret: settings.proofSecret,
    keys: settings.keys,
  })
}

/** Of an upstream whose credentials are nobody's business here. */
const nothingLent: PoolControl = {
  report: () => ({ credentials: [], waiting: {}, history: [] }),
  ...{ pause: async () => false, resume: async () => false, tryNow: () => false },
}

function accessFor({ access = {}, rates }: GatewaySettings): AccessOptions {
  const policy = policyOf({ rateLimitRpm: 0, rateLimitTpm: 0, ...rates })
  const { corsOrigins = [], queryKeys = false, keys = clientKeys({ ...access, policy }) } = access
  return { keys, policy, corsOrigins, queryKeys }
}

function limitsFor(settings: GatewaySettings): RequestLimits {
  return createLimits(limitsIn(settings), systemClock)
}

function limitsIn({ limits }: GatewaySettings): LimitOptions {
  return { maxConcurrent: 4_000, maxMessages: 10_000, ...limits }
}

function memoryStore(warn: (message: string) => void): ResponseStore {
  const day = 24 * 60 * 60 * 1000
  return createResponseStore({
    path: ':memory:',
    maxBytes: 1_000_000,
    maxRows: 10_000,
    maxAgeMs: day,
    now: systemClock.now,
    warn,
  })
}

function memoryBatches(): BatchStore {
  const open = () => openSqlite({ path: ':memory:', clock: systemClock, warn() {} })
  return createBatchStore({ open, isLasting: false, maxBytes: 64_000_000, now: systemClock.now, node: 'test' })
}

function memoryApprovals(): UsedApprovals {
  const open = () => openSqlite({ path: ':memory:', clock: systemClock, warn() {} })
  return createUsedApprovals({ open, isOwn: true, now: systemClock.now })
}

/** Turns of the event loop after which `until` checks less often. */
const quickTurns = 1_000

/**
 * Resolves when `condition` is true. It is checked after every turn of the event loop, and later every few milliseconds:
 * a loop without a pause takes a processor core from the process that is waited for. Rejects after `limitMs`.
 */
export async function until(condition: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  const deadline = performance.now() + limitMs
  for (let turn = 0; !condition(); turn++) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await (turn < quickTurns ? new Promise((resolve) => setImmediate(resolve)) : Bun.sleep(3))
  }
}
