import type { Config } from '../config.ts'
import { apiBaseOf } from './gateway.ts'

type UpstreamId = Config['upstreams'][number]

const originOf: Record<UpstreamId, (config: Config) => string> = {
  'zai-web': ({ webBaseUrl }) => webBaseUrl,
  'zai-api': (config) => new URL(apiBaseOf(config)).origin,
  demo: () => 'this machine',
}

/**
 * Who is given prompts, in order: `zai-api at https://api.z.ai`. Another path at the same host is the same somebody.
 *
 * Errors: UsageError for an address that is none.
 */
export function promptReaders(config: Config): string[] {
  return config.upstreams.map((id) => `${id} at ${originOf[id](config)}`)
}
