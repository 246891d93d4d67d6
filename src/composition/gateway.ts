import { createAttachments } from '../attachments/index.ts'
import { limitsWith } from '../attachments/limits.ts'
import { createPdfReader, type ReadPdf } from '../attachments/pdf-reader.ts'
import { startPdfWorker } from '../attachments/start-pdf-worker.ts'
import type { Config } from '../config/load.ts'
import { settings as defaults } from '../config/table.ts'
import type { Clock } from '../core/clock.ts'
import { visionExample } from '../core/default-models.ts'
import type { Upstream } from '../core/upstream.ts'
import { createGateway, type Gateway } from '../gateway/index.ts'
import type { GatewayOptions } from '../gateway/start-call.ts'
import { startSchemaWorker } from '../gateway/structured/start-schema-worker.ts'
import type { Validate } from '../gateway/structured/validation.ts'
import { createValidator } from '../gateway/structured/validator.ts'
import type { UpstreamHealth } from '../gateway/upstream-health.ts'
import { systemLookup } from '../http-client/dns.ts'
import { fetchRemoteFile } from '../http-client/remote-file.ts'
import type { Fetch } from '../http-client/send.ts'
import { withMcp } from '../mcp/index.ts'
import { memoryReadings } from '../observe/memory.ts'
import type { UsedApprovals } from '../store/used-approvals.ts'

export interface GatewayParts {
  current: () => Config
  fetch: Fetch
  clock: Clock
  health: UpstreamHealth
  useApproval: UsedApprovals['use']
}

/** A gateway that can be given another configuration. */
export interface ConfiguredGateway {
  gateway: Gateway
  /** The gateway's options in another configuration. */
  optionsOf(config: Config): GatewayOptions
}

/** The gateway to these upstreams, which also calls the MCP servers that a request names. */
export function configuredGateway(upstreams: Upstream[], parts: GatewayParts): ConfiguredGateway {
  const { current, fetch, clock, health, useApproval } = parts
  const readings = memoryReadings(process)
  const memory = { held: readings.resident, left: readings.available }
  const readPdf = createPdfReader({ startThread: startPdfWorker, clock, memory })
  const validate = createValidator({ startThread: startSchemaWorker, clock, memory })
  const optionsOf = (config: Config) => gatewayOptions(config, { fetch, clock, readPdf, validate })
  const gateway = withMcp(createGateway(upstreams, optionsOf(current()), health), {
    ...{ fetch, lookup: systemLookup, clock },
    rules: () => current().mcpServers,
    limits: () => mcpLimits(current()),
    useApproval,
  })
  return { gateway, optionsOf }
}

function mcpLimits(config: Config) {
  return {
    rounds: config.mcpMaxRounds,
    callMs: config.mcpCallMs,
    totalMs: config.mcpTotalMs,
    tools: config.mcpMaxTools,
    resultLength: config.mcpMaxResult,
  }
}

interface Readers {
  fetch: Fetch
  clock: Clock
  readPdf: ReadPdf
  validate: Validate
}

const remoteFileTimeoutMs = 15_000

function gatewayOptions(config: Config, { fetch, clock, readPdf, validate }: Readers): GatewayOptions {
  return {
    primaryModel: config.primaryModel,
    smallModel: config.smallModel,
    thinkingModel: config.thinkingModel,
    searchModel: config.searchModel,
    listedNames: namesToList(config),
    modelMap: Object.entries(config.modelMap),
    loopLimit: config.loopLimit,
    webSearch: config.webSearch,
    validate,
    prepareAttachments: createAttachments({
      readPdf,
      limits: limitsWith(config.maxImageBytes),
      visionExample,
      fetchFile: (url, signal, maxBytes) =>
        fetchRemoteFile(url, { maxBytes, signal, clock, fetch, lookup: systemLookup, timeoutMs: remoteFileTimeoutMs }),
    }),
  }
}

/** A name that nobody has chosen is listed only where an upstream has the model: elsewhere it names a foreign one. */
function namesToList({ primaryModel, thinkingModel, searchModel }: Config): string[] {
  return [
    ...(primaryModel === undefined ? [] : [primaryModel]),
    ...(thinkingModel === defaults.thinkingModel.default ? [] : [thinkingModel]),
    ...(searchModel === defaults.searchModel.default ? [] : [searchModel]),
  ]
}
