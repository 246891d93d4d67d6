import type { Destination } from '../config/table.ts'
import type { Config } from '../config.ts'
import { apiBaseOf } from './gateway.ts'
import { urlOf } from './target.ts'

/** Who gets what is sent to a destination. Another path at the same host is the same somebody. */
export const placeOf: Record<Destination, (config: Config) => string> = {
  gateway: urlOf,
  'zai-web': ({ webBaseUrl }) => webBaseUrl,
  'zai-api': (config) => new URL(apiBaseOf(config)).origin,
  collector: ({ otlpEndpoint }) => (otlpEndpoint === undefined ? 'nobody' : new URL(otlpEndpoint).origin),
}

/**
 * Who is given prompts, in order: `zai-api at https://api.z.ai`.
 *
 * Errors: UsageError for an address that is none.
 */
export function promptReaders(config: Config): string[] {
  return config.upstreams.map((id) => (id === 'demo' ? 'demo on this machine' : `${id} at ${placeOf[id](config)}`))
}
