import type { Config } from '../../config/load.ts'

/** The options that every upstream of this protocol has from the configuration: tools, limits and deadlines. */
export function optionsFromConfig(config: Config) {
  return {
    modelsTtlMs: 600_000,
    tools: config.toolSupport,
    scanLimit: config.scanLimit,
    idleMs: config.upstreamIdleMs,
    headersTimeoutMs: config.upstreamHeadersMs,
  }
}
