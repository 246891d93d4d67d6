import { createOperator, type ServingProgram } from './admin/operator-context.ts'
import { createApp } from './app/index.ts'
import { systemClock } from './async/system-clock.ts'
import { configuredGateway } from './composition/gateway.ts'
import { newId } from './composition/new-id.ts'
import { type LogLines, metricsOf, openCapture, openLog, requestRecorder, tracerOf } from './composition/observers.ts'
import { openStorage, pastRequests, type Storage } from './composition/storage.ts'
import { operated, pooledUpstreams, watchedHealth } from './composition/upstreams.ts'
import { liveSettings } from './composition/web-settings.ts'
import type { Config } from './config/load.ts'
import { secretsIn } from './config/secrets.ts'
import { type Clock, withTimeout } from './core/clock.ts'
import { createOperatorSecrets } from './core/operator-secrets.ts'
import type { Database } from './database/sql.ts'
import { dialects } from './dialects/index.ts'
import type { Gateway } from './gateway/index.ts'
import { createLimits } from './http/limits.ts'
import type { LiveSettings } from './http/live-settings.ts'
import { cutShort, shuttingDown } from './http/shutdown.ts'
import type { Fetch } from './http-client/send.ts'
import { openKeys, type ServedKeys } from './keys/open-keys.ts'
import { type ModelTable, modelTable } from './models/table.ts'
import { createCredentialSpend } from './observe/credential-spend.ts'
import { createLastHour } from './observe/last-hour.ts'
import { createLiveRequests } from './observe/live-requests.ts'
import type { Log } from './observe/log.ts'
import type { Metrics } from './observe/metrics.ts'
import { createRecentRequests } from './observe/recent-requests.ts'
import { secretFinder } from './observe/redaction.ts'
import { billingOf, costOfCalls } from './upstreams/billing.ts'
import { upstreamKinds } from './upstreams/index.ts'
import type { UpstreamKinds } from './upstreams/upstream-kind.ts'

export interface Composed {
  app: ReturnType<typeof createApp>
  gateway: Gateway
  log: Log
  metrics: Metrics | undefined
  /** Present if a database is configured. */
  database: Database | undefined
  /** The number of requests in progress. */
  running: () => number
  /** Uses another configuration from the next request on. */
  apply(config: Config): void
  /** Refuses new requests, and fails those that wait for an upstream at once. */
  drain(): void
  /** Ends the replies that still run with an error in the format of their dialect. */
  endReplies(): void
  /** Must be called when no request is in progress. */
  close(): Promise<void>
}

export interface ComposeOptions {
  /** Sends requests to upstreams and other servers; Bun's own `fetch` where absent. */
  fetch?: Fetch
  /** The user's secret, by which the user's other commands recognise this gateway. */
  proofSecret?: string | undefined
  kinds?: UpstreamKinds
  /** Opens the database of the configuration, or one in this folder if it names none. Without it there is no database. */
  kept?: { folder: string | undefined }
  /** What only the running command knows, for the operator's page. */
  program?: ((gateway: Gateway) => ServingProgram) | undefined
}

/** Assembles the program. Errors: UsageError for upstreams that cannot be configured, and those of `openDatabase`. */
export async function compose(
  config: Config,
  version: string,
  logLines: LogLines,
  options: ComposeOptions = {},
): Promise<Composed> {
  const { fetch: outgoing = fetch, proofSecret, kinds = upstreamKinds, kept, program } = options
  // `apply` replaces these, and everything that reads them sees the new configuration.
  const current = { config, billing: billingOf(config, kinds), models: modelTable(config.models) }
  const clock = systemClock
  const secrets = createOperatorSecrets(secretsIn(config))
  const { redact } = secrets
  const log = openLog(() => current.config, logLines, clock, redact)
  const findSecrets = secrets.remembering(secretFinder(secrets.findConfigured))
  const warn = (message: string, cause?: unknown) => log.warn(message, cause === undefined ? {} : { cause })
  const outside = { current: () => current.config, fetch: outgoing, clock, log, warn }
  const capture = openCapture({ ...outside, folder: kept?.folder, findSecrets })
  const health = watchedHealth(clock, log)
  const storage = await openStorage({ ...outside, kept })
  const { database, cluster, requests, replies: store, background, batches } = storage
  const upstreams = pooledUpstreams(kinds, { ...outside, cluster })
  const { gateway, optionsOf } = configuredGateway(upstreams.configure(config), {
    ...outside,
    health,
    useApproval: storage.approvals.use,
  })
  const settings = liveSettings(config)
  const keys = await keysIn(storage, { ...outside, settings, table: () => current.models })
  const limits = createLimits(settings, clock, cluster?.charges)
  const metrics = config.metrics ? await metricsOf(gateway, limits, version, logLines.losses?.count) : undefined
  const tracer = await tracerOf(config, outside, version)
  const live = createLiveRequests(clock)
  const operator = createOperator({
    ...{ version, clock, redact, gateway, limits, live, capture, findSecrets },
    ...{ lastHour: createLastHour(clock), spend: createCredentialSpend(), recent: createRecentRequests() },
    ...pastRequests(storage, (model) => current.models.of(model).contextTokens),
    upstreams: () => upstreams.current().map((configured) => operated(configured, outside)),
    program: program?.(gateway),
  })
  const app = createApp({
    ...{ dialects, gateway, store, background, batches, clock, log, newId, version, settings, limits },
    ...{ proofSecret, redact, metrics, live, operator, keys, capture, signInSessions: cluster?.signInSessions },
    costOf: (calls, at) => costOfCalls(calls, current.billing, at),
    remember: requests && requestRecorder(requests, { clock, redact, findSecrets }),
    trace: tracer?.trace,
  })
  return {
    ...{ app, gateway, log, metrics, database, running: () => limits.running.size },
    apply(changed) {
      // These come first, because they may throw.
      const changedOptions = optionsOf(changed)
      const configured = upstreams.configure(changed)
      Object.assign(current, {
        config: changed,
        billing: billingOf(changed, kinds),
        models: modelTable(changed.models),
      } satisfies typeof current)
      Object.assign(settings, liveSettings(changed))
      secrets.add(secretsIn(changed))
      gateway.replace(configured, changedOptions)
    },
    drain() {
      const error = shuttingDown()
      limits.close(error)
      upstreams.close(error)
      operator.feed.close()
    },
    endReplies() {
      const error = cutShort()
      for (const record of [...limits.running]) record.end?.(error)
    },
    async close() {
      await Promise.all([storage.closeStores(), keys?.close(), capture.close()])
      await storage.closeDatabase()
      // A collector that does not answer must not delay the exit.
      if (tracer) await withTimeout(tracer.flush(), lastTracesMs, () => {}, clock)
    },
  }
}

const lastTracesMs = 2_000

interface KeyParts {
  current: () => Config
  clock: Clock
  log: Log
  warn: (message: string, cause?: unknown) => void
  settings: LiveSettings
  table: () => ModelTable
}

/** The keys that the operator has issued; `undefined` without a database. */
async function keysIn(
  { database, journal }: Storage,
  { current, clock, log, warn, settings, table }: KeyParts,
): Promise<ServedKeys | undefined> {
  if (database === undefined) return undefined
  return await openKeys({
    ...{ database, journal, clock, warn, table },
    dialects: dialects.map(({ id }) => id),
    upstreams: () => current().upstreams.map(({ id }) => id),
    random: (bytes) => crypto.getRandomValues(bytes),
    policy: () => settings.access.policy,
    isStrict: () => current().budgetStrict,
    info: (message, facts) => log.info(message, { ...facts }),
  })
}
