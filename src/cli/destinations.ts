import type { Destination } from '../config/table.ts'
import type { Config } from '../config.ts'
import { apiBaseOf } from './gateway.ts'
import { urlOf } from './target.ts'

/** The address of each destination, without its path: another path of the same host belongs to the same owner. */
export const addressIn: Record<Destination, (config: Config) => string> = {
  gateway: urlOf,
  'zai-web': ({ webBaseUrl }) => webBaseUrl,
  'zai-api': (config) => new URL(apiBaseOf(config)).origin,
  collector: ({ otlpEndpoint }) => (otlpEndpoint === undefined ? 'nobody' : new URL(otlpEndpoint).origin),
}

/**
 * Who receives prompts, in the order of UPSTREAMS: `zai-api at https://api.z.ai`.
 *
 * Errors: UsageError for an address that is none.
 */
export function promptReaders(config: Config): string[] {
  return config.upstreams.map((id) => (id === 'demo' ? 'demo on this machine' : `${id} at ${addressIn[id](config)}`))
}
