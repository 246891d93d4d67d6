import type { Config } from '../config/load.ts'
import type { Destination } from '../config/table.ts'
import type { UpstreamInstance } from '../config/upstream-rows.ts'
import { apiAccount, usualAccount } from '../upstreams/zai-api/accounts.ts'
import { urlOf } from './client-target.ts'

/** The origin of each destination. The path does not matter: all paths of a host belong to the same owner. */
export const addressIn: Record<Destination, (config: Config) => string> = {
  gateway: urlOf,
  'zai-web': ({ webBaseUrl }) => webBaseUrl,
  'zai-api': (config) => new URL(usualAccount(config).baseUrl).origin,
  collector: ({ otlpEndpoint }) => (otlpEndpoint === undefined ? 'nobody' : new URL(otlpEndpoint).origin),
}

/**
 * Who receives prompts, in the order of UPSTREAMS: `zai-api at https://api.z.ai`.
 *
 * Errors: UsageError for an invalid address.
 */
export function promptReaders(config: Config): string[] {
  return config.upstreams.map((instance) => {
    const address = upstreamAddress(instance, config)
    return `${instance.id} ${address === undefined ? 'on this machine' : `at ${address}`}`
  })
}

/** The origin of an upstream; `undefined` for the demo, which sends nothing. */
export function upstreamAddress(instance: UpstreamInstance, config: Config): string | undefined {
  const { id, row } = instance
  if (row) return new URL(apiAccount(instance, config)?.baseUrl ?? row.base ?? '').origin
  return id === 'demo' ? undefined : addressIn[id](config)
}
