import type { Config } from '../config/load.ts'
import type { AccessOptions } from '../http/access.ts'
import { clientKeys, policyOf } from '../http/client-keys.ts'
import type { LiveSettings } from '../http/live-settings.ts'

/** The settings of the web application that change while it runs. */
export function liveSettings(config: Config): LiveSettings {
  return {
    access: accessOf(config),
    maxConcurrent: config.maxConcurrent,
    maxMessages: config.maxMessages,
    maxBodyBytes: config.maxBodyBytes,
    bodyTimeoutMs: config.bodyTimeoutMs,
    keepAliveMs: config.keepaliveMs,
    keepAliveStyle: config.keepaliveStyle,
    stallMs: config.stallMs,
    reasoningMode: config.thinkingProcessing,
    reasoningField: config.reasoningField,
  }
}

function accessOf(config: Config): AccessOptions {
  const policy = policyOf(config)
  // Many environments hold a key of Anthropic's own, so that variable alone does not lock the gateway.
  const { authToken: openaiKey, anthropicApiKey: anthropicKey, adminToken: operatorKey } = config
  const keys = clientKeys({ openaiKey, anthropicKey, operatorKey, policy })
  return { keys, policy, corsOrigins: config.corsOrigins, queryKeys: config.allowQueryKey, port: config.listenPort }
}
