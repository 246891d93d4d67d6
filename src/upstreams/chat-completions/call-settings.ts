import type { Config } from '../../config/load.ts'

/** The settings that all servers of the protocol share. */
export function callSettings(config: Config) {
  return {
    modelsTtlMs: 600_000,
    tools: config.toolSupport,
    scanLimit: config.scanLimit,
    idleMs: config.upstreamIdleMs,
    headersTimeoutMs: config.upstreamHeadersMs,
  }
}
