import type { Config } from '../config/load.ts'
import { kindOf } from '../config/upstream-rows.ts'
import type { PoolControl } from '../core/credential-pool.ts'
import type { GatewayError } from '../core/errors.ts'
import type { Upstream } from '../core/upstream.ts'
import { modelTable } from '../models/table.ts'
import type { Outside, QuotaReader, StartedUpstream, UpstreamKinds } from './upstream-kind.ts'

export interface StartedUpstreams {
  /** The upstreams of a configuration, in its order. Errors: UsageError. */
  configure(config: Config): Upstream[]
  /** The upstreams of the last configuration, in its order. */
  current(): ConfiguredUpstream[]
  /** Calls that wait for a credential, and later ones, fail with `error` at once. */
  close(error: GatewayError): void
}

/** An upstream, and what the operator may do with its credentials. */
export interface ConfiguredUpstream {
  /** `zai-api` */
  kind: string
  title: string
  /** It is on a plan that is for one person, by the vendor's terms. */
  isForOnePerson: boolean
  /** One for each key, in the order of the credentials; absent for a service that tells nothing about plans. */
  quotaReaders?: QuotaReader[]
  upstream: Upstream
  control: PoolControl
}

/** The upstreams of one configuration after another. One that is configured again keeps what its pool has learned. */
export function startUpstreams(kinds: UpstreamKinds, outside: Outside): StartedUpstreams {
  // The upstreams by kind and id. Those that a later configuration does not have stay, because their calls may still run.
  const started = new Map<string, StartedUpstream>()
  let current: ConfiguredUpstream[] = []
  return {
    configure(config) {
      const table = modelTable(config.models)
      current = config.upstreams.map((instance) => {
        const kind = kindOf(instance, kinds)
        const key = `${kind.id} ${instance.id}`
        const upstream = started.get(key) ?? kind.start(instance.id, outside)
        started.set(key, upstream)
        return {
          ...{ kind: kind.id, title: kind.title, control: upstream.control },
          isForOnePerson: kind.paidIn?.(instance, config) === 'credits',
          ...(kind.quota ? { quotaReaders: kind.quota.readers(instance, config) } : {}),
          upstream: upstream.configure(instance, config, table),
        }
      })
      return current.map(({ upstream }) => upstream)
    },
    current: () => current,
    close(error) {
      for (const upstream of started.values()) upstream.close(error)
    },
  }
}
