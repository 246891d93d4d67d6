import type { Config } from '../config/load.ts'
import type { Destination } from '../config/setting.ts'
import { kindOf, type UpstreamInstance } from '../config/upstream-rows.ts'
import { urlOf } from './client-target.ts'

/**
 * Who receives what is sent to a destination, as an origin. The path does not matter: all paths of a host belong to the
 * same owner.
 *
 * Errors: UsageError for an invalid address.
 */
export function recipientOf(destination: Destination, config: Config): string {
  if (destination === 'gateway') return urlOf(config)
  const { otlpEndpoint } = config
  if (destination === 'collector') return otlpEndpoint === undefined ? 'nobody' : new URL(otlpEndpoint).origin
  return originOf({ id: destination }, config) ?? 'nobody'
}

/** The origin of an upstream; `undefined` if it sends nothing. Errors: UsageError for an invalid address. */
export function originOf(instance: UpstreamInstance, config: Config): string | undefined {
  return kindOf(instance, config.upstreamKinds).origin(instance, config)
}

/**
 * Who receives prompts, in the order of UPSTREAMS: `zai-api at https://api.z.ai`.
 *
 * Errors: UsageError for an invalid address.
 */
export function promptRecipients(config: Config): string[] {
  return config.upstreams.map((instance) => {
    const origin = originOf(instance, config)
    return `${instance.id} ${origin === undefined ? 'on this machine' : `at ${origin}`}`
  })
}
