import { createApp } from './app.ts'
import { systemClock } from './async/system-clock.ts'
import { createAttachments } from './attachments/index.ts'
import { limitsWith } from './attachments/limits.ts'
import { createPdfReader, type ReadPdf } from './attachments/pdf-reader.ts'
import { startPdfWorker } from './attachments/start-pdf-worker.ts'
import { apiAccount } from './cli/api-accounts.ts'
import type { Losses } from './cli/output.ts'
import type { Config } from './config/load.ts'
import { secretsIn } from './config/secrets.ts'
import type { UpstreamInstance, UpstreamRow, UsualUpstream } from './config/upstream-rows.ts'
import { type Clock, withTimeout } from './core/clock.ts'
import type { Pool } from './core/credential-pool.ts'
import { createRedactor } from './core/known-secrets.ts'
import type { Redact } from './core/redact.ts'
import type { Upstream } from './core/upstream.ts'
import { dialects } from './dialects/index.ts'
import { createPool, type Wait } from './gateway/credential-pool/index.ts'
import { createGateway, type Gateway, type GatewayOptions } from './gateway/index.ts'
import { startSchemaWorker } from './gateway/structured/start-schema-worker.ts'
import type { Validate } from './gateway/structured/validation.ts'
import { createValidator } from './gateway/structured/validator.ts'
import { createUpstreamHealth, type HealthChange } from './gateway/upstream-health.ts'
import type { AccessOptions } from './http/access.ts'
import { clientKeys, policyOf } from './http/client-keys.ts'
import { createLimits, type RequestLimits } from './http/limits.ts'
import { cutShort, shuttingDown } from './http/shutdown.ts'
import { systemLookup } from './http-client/dns.ts'
import { fetchRemoteFile } from './http-client/remote-file.ts'
import type { Fetch } from './http-client/send.ts'
import { type ModelTable, modelTable } from './models/table.ts'
import { createLog, type Log, type LogOptions } from './observe/log.ts'
import { memoryReadings } from './observe/memory.ts'
import type { Metrics } from './observe/metrics.ts'
import type { Tracer } from './observe/trace.ts'
import { createResponseStore, noResponseStore, type ResponseStore } from './store/responses.ts'
import { demo } from './upstreams/demo/index.ts'
import { openaiCompatible } from './upstreams/openai-compatible/index.ts'
import { zaiApi } from './upstreams/zai-api/index.ts'
import { type CredentialSource, zaiWeb } from './upstreams/zai-web/index.ts'

/** Where the lines of the log go. */
export interface LogLines {
  write: LogOptions['write']
  /** Where lines may get lost. */
  losses?: Losses
}

export interface Composed {
  app: ReturnType<typeof createApp>
  gateway: Gateway
  log: Log
  metrics: Metrics | undefined
  /** Requests that are answered at this moment. */
  running: () => number
  /** Has everything from the next request on go by another configuration. */
  apply(config: Config): void
  /** Takes no request any more, and sends away at once what waits for an upstream. */
  drain(): void
  /** Ends the replies that still run, each in its dialect's own words. */
  endReplies(): void
  /** Once nothing is answered any more. */
  close(): Promise<void>
}

/**
 * Puts the program together. `identity` is the secret
 * of the user, for a gateway that others of the user's commands are to find.
 */
export async function compose(
  config: Config,
  version: string,
  logLines: LogLines,
  outgoing: Fetch = fetch,
  identity?: string,
): Promise<Composed> {
  let current = config
  const clock = systemClock
  const { logFormat: format } = config
  // Old ones stay: calls that were made with them still run.
  const secrets = new Set(secretsIn(config))
  let redactKnown = createRedactor([...secrets])
  const redact: Redact = (text) => redactKnown(text)
  const log = createLog({ level: () => current.logLevel, format, now: clock.now, redact, write: logLines.write })
  const poolOptions = { clock, random: Math.random, limits: () => current }
  // They outlive a change of the configuration: what is lent stays counted, and what was learned stays known.
  const pools = {
    // What the site thinks of many calls at once is not known; the API refuses what is too much, and forgets it.
    web: createPool<CredentialSource>({
      ...poolOptions,
      name: 'Z.AI',
      startLimit: 8,
      onLongWait: logLongWait(log, 'zai-web'),
    }),
    api: apiPools((id) =>
      createPool<string>({
        ...poolOptions,
        name: id === 'zai-api' ? 'Z.AI' : id,
        startLimit: Number.POSITIVE_INFINITY,
        onLongWait: logLongWait(log, id),
      }),
    ),
  }
  const readings = memoryReadings(process)
  const memory = { held: readings.resident, left: readings.available }
  const readPdf = createPdfReader({ startThread: startPdfWorker, clock, memory })
  const validate = createValidator({ startThread: startSchemaWorker, clock, memory })
  const edge = { fetch: outgoing, clock, log, pools, readPdf, validate }
  logLines.losses?.watch((lines) => log.warn('lines of this log could not be written', { lines }))
  const health = createUpstreamHealth({ clock, random: Math.random, onChange: logHealthChange(log) })
  const gateway = createGateway(upstreamsOf(config, edge), gatewayOptions(config, edge), health)
  const store = responseStore(config.store, clock, log)
  const limits = limitsOf(() => current, clock)
  const metrics = config.metrics ? await metricsOf(gateway, limits, version, logLines.losses?.count) : undefined
  const tracer = await tracerOf(config, edge, version)
  let access = accessOf(config)
  const app = createApp({
    dialects,
    gateway,
    store,
    clock,
    log,
    newId,
    version,
    limits,
    get access() {
      return access
    },
    get maxBodyBytes() {
      return current.maxBodyBytes
    },
    get bodyTimeoutMs() {
      return current.bodyTimeoutMs
    },
    get keepAliveMs() {
      return current.keepaliveMs
    },
    get keepAliveStyle() {
      return current.keepaliveStyle
    },
    get stallMs() {
      return current.stallMs
    },
    get thinking() {
      return current.thinkingProcessing
    },
    get reasoningField() {
      return current.reasoningField
    },
    identity,
    redact,
    metrics,
    trace: tracer?.trace,
  })
  const apply = (changed: Config) => {
    // First, for it may throw; then nothing would have changed.
    const options = gatewayOptions(changed, edge)
    const upstreams = upstreamsOf(changed, edge)
    current = changed
    for (const secret of secretsIn(changed)) secrets.add(secret)
    redactKnown = createRedactor([...secrets])
    access = accessOf(changed)
    gateway.replace(upstreams, options)
  }
  const drain = () => {
    const error = shuttingDown()
    limits.close(error)
    for (const pool of [pools.web, ...pools.api.all()]) pool.close(error)
  }
  const endReplies = () => {
    const error = cutShort()
    for (const record of [...limits.running]) record.end?.(error)
  }
  const close = async () => {
    await store.close()
    // A collector that does not answer is not waited for.
    if (tracer) await withTimeout(tracer.flush(), lastTracesMs, () => {}, clock)
  }
  return { app, gateway, log, metrics, running: () => limits.running.size, apply, drain, endReplies, close }
}

function limitsOf(current: () => Config, clock: Clock): RequestLimits {
  const each = {
    get maxConcurrent() {
      return current().maxConcurrent
    },
    get maxMessages() {
      return current().maxMessages
    },
  }
  return createLimits(each, clock)
}

/** Loaded only where it is wanted, like the tracer: either has its share in the time the start takes. */
async function metricsOf(
  gateway: Gateway,
  limits: RequestLimits,
  version: string,
  lostLogLines: (() => number) | undefined,
): Promise<Metrics> {
  const { createMetrics } = await import('./observe/metrics.ts')
  return createMetrics({
    running: () => limits.running,
    gauges: gateway.gauges,
    version,
    ...(lostLogLines ? { lostLogLines } : {}),
  })
}

async function tracerOf(config: Config, { fetch, clock, log }: Outside, version: string): Promise<Tracer | undefined> {
  if (config.otlpEndpoint === undefined) return undefined
  const { createTracer } = await import('./observe/trace.ts')
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

function responseStore(where: string, clock: Clock, log: Log): ResponseStore {
  if (where === 'off') return noResponseStore
  const isInMemory = where === 'memory'
  return createResponseStore({
    path: isInMemory ? ':memory:' : where,
    maxBytes: 64 * 1024 * 1024,
    maxRows: 2_000,
    maxAgeMs: 30 * 24 * 60 * 60 * 1000,
    // A file outlives the clock for durations, which begins anew with each process.
    now: isInMemory ? clock.monotonic : clock.now,
    warn: (message, cause) => log.warn(message, { cause }),
  })
}

interface Outside {
  fetch: Fetch
  clock: Clock
  log: Log
  pools: { web: Pool<CredentialSource>; api: ApiPools }
  readPdf: ReadPdf
  validate: Validate
}

function upstreamsOf(config: Config, edge: Outside): Upstream[] {
  const table = modelTable(config.models)
  return config.upstreams.map((instance) => {
    const create = instance.row ? rows[instance.row.kind] : usual[instance.id]
    return create(instance, config, { ...edge, table })
  })
}

function gatewayOptions(config: Config, { fetch, clock, readPdf, validate }: Outside): GatewayOptions {
  return {
    primaryModel: config.primaryModel,
    smallModel: config.smallModel,
    thinkingModel: config.thinkingModel,
    searchModel: config.searchModel,
    modelMap: Object.entries(config.modelMap),
    loopLimit: config.loopLimit,
    webSearch: config.webSearch,
    validate,
    prepareAttachments: createAttachments({
      readPdf,
      limits: limitsWith(config.maxImageBytes),
      fetchFile: (url, signal, maxBytes) =>
        fetchRemoteFile(url, { maxBytes, signal, clock, fetch, lookup: systemLookup, timeoutMs: remoteFileTimeoutMs }),
    }),
  }
}

function accessOf(config: Config): AccessOptions {
  const policy = policyOf(config)
  // Many people have a key of Anthropic's own in their environment: alone it makes no locked gateway.
  const keys = clientKeys({ openaiKey: config.authToken, anthropicKey: config.anthropicApiKey, policy })
  return { keys, policy, corsOrigins: config.corsOrigins }
}

const modelsTtlMs = 600_000
const lastTracesMs = 2_000
const remoteFileTimeoutMs = 15_000

type Create = (instance: UpstreamInstance, config: Config, edge: Outside & { table: ModelTable }) => Upstream

const usual: Record<UsualUpstream, Create> = {
  'zai-web': (_instance, config, edge) =>
    zaiWeb(
      {
        baseUrl: config.webBaseUrl,
        table: edge.table,
        completionPath: config.completionPath,
        tokens: config.zaiTokens,
        backupToken: config.backupToken,
        anonymous: config.anonymousMode,
        frontEndVersion: config.zaiFeVersion,
        signingKey: config.zaiSigningKey,
        sign: config.zaiSign,
        createChat: config.zaiCreateChat,
        messagesMode: config.zaiMessagesMode,
        tools: config.toolSupport,
        scanLimit: config.scanLimit,
        guestTtlMs: config.zaiGuestTtlMs,
        modelsTtlMs,
        idleMs: config.upstreamIdleMs,
        headersTimeoutMs: config.upstreamHeadersMs,
        maxImageBytes: config.maxImageBytes,
      },
      { ...depsOf(edge), pool: edge.pools.web },
    ),
  'zai-api': official,
  demo: (_instance, config, { clock, table }) =>
    demo({ clock, idleMs: config.upstreamIdleMs, tools: config.toolSupport, table }),
}

const rows: Record<UpstreamRow['kind'], Create> = {
  'zai-api': official,
  'openai-compatible': ({ id, row }, config, edge) => {
    if (row?.kind !== 'openai-compatible') throw new Error(`${id} has no address`)
    const { base, keys = [], models, reasoning = 'template' } = row
    const options = { id, baseUrl: base.replace(/\/+$/, ''), keys, models, reasoning, ...callOptions(config, edge) }
    return openaiCompatible(options, { ...depsOf(edge), pool: edge.pools.api.of(id) })
  },
}

function official(instance: UpstreamInstance, config: Config, edge: Outside & { table: ModelTable }): Upstream {
  const account = apiAccount(instance, config)
  if (account === undefined) throw new Error(`${instance.id} is no account of the official API`)
  const options = { ...account, id: instance.id, models: instance.row?.models, ...callOptions(config, edge) }
  return zaiApi(options, { ...depsOf(edge), pool: edge.pools.api.of(instance.id) })
}

function callOptions(config: Config, { table }: { table: ModelTable }) {
  return {
    table,
    modelsTtlMs,
    tools: config.toolSupport,
    scanLimit: config.scanLimit,
    idleMs: config.upstreamIdleMs,
    headersTimeoutMs: config.upstreamHeadersMs,
  }
}

interface ApiPools {
  of(id: string): Pool<string>
  all(): Iterable<Pool<string>>
}

/** One for each upstream that goes by keys, made when it is first asked for. */
function apiPools(create: (id: string) => Pool<string>): ApiPools {
  const pools = new Map<string, Pool<string>>()
  return {
    of(id) {
      const pool = pools.get(id) ?? create(id)
      pools.set(id, pool)
      return pool
    },
    all: () => pools.values(),
  }
}

function depsOf({ fetch, clock, log }: Outside) {
  const told = (level: 'info' | 'warn', message: string) => log[level](message)
  return { fetch, clock, random: Math.random, newUuid: () => crypto.randomUUID(), log: told }
}

function logLongWait(log: Log, upstream: string): (wait: Wait) => void {
  return ({ position, because, leftMs }) =>
    log.info('waiting in line', { upstream, position, because, forSeconds: Math.round(leftMs / 1000) })
}

function logHealthChange(log: Log): (change: HealthChange) => void {
  return (change) => {
    const { upstream } = change
    if (change.state === 'up')
      return log.info('the upstream answers again', { upstream, afterSeconds: Math.round(change.afterMs / 1000) })
    const { code, message } = change.error
    log.warn('the upstream does not answer', { upstream, error: code, reason: message })
  }
}

const alphabet = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')

const characters = Buffer.alloc(24)

/** `prefix` and 24 random characters, as both vendors write their ids. */
function newId(prefix: string): string {
  crypto.getRandomValues(characters)
  for (let at = 0; at < characters.length; at++) characters[at] = alphabet[(characters[at] ?? 0) % alphabet.length] ?? 0
  return prefix + characters.toString('latin1')
}
