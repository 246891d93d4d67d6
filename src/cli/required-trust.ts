import { type LoadedConfig, loadFrom } from '../config/load.ts'
import { type ConfigSource, type Trust, trustLevels } from '../config/sources.ts'
import {
  credentialOf,
  type Destination,
  flagOf,
  isGiven,
  type NamedSetting,
  settingList,
  settings,
} from '../config/table.ts'
import { holdsKeys } from '../config/upstream-rows.ts'
import { printable } from '../config/usage-error.ts'

/** The trust that an address needs to receive a credential, and the source that holds the credential. */
export type Owner = Pick<ConfigSource, 'demands'> & { source?: ConfigSource }

/** Stands for a user without any credential. */
export const user: Owner = { demands: 'user folder' }

/**
 * The most trusted source that holds a credential for one of the destinations; with `withRows`, a row of [[upstreams]]
 * with keys counts, too. Prompts need the same trust as this source.
 */
export function ownerOf(
  { all }: LoadedConfig,
  destinations: readonly Destination[],
  withRows: boolean,
): Owner | undefined {
  const accounts = settingList.filter((setting) => destinations.some((one) => one === credentialOf(setting)))
  const upstreams = { ...settings.upstreams, name: 'upstreams' as const }
  const owners = all.filter(
    (source) =>
      accounts.some((setting) => isWritten(source.given(setting))) || (withRows && holdsKeys(source.given(upstreams))),
  )
  const [source] = owners.toSorted((a, b) => rankOf(b.demands) - rankOf(a.demands))
  return source && { demands: source.demands, source }
}

/** The configuration without the sources that are not trusted enough. */
export function asTrusted({ all, config }: LoadedConfig, owner: Owner): LoadedConfig {
  return loadFrom(
    all.filter((source) => isTrusted(source, owner)),
    config.upstreamKinds,
  )
}

/** Whether a source is trusted enough. The file that holds the credential is always trusted to name its address. */
export function isTrusted(source: ConfigSource, owner: Owner): boolean {
  return source === owner.source || rankOf(source.trust) >= rankOf(owner.demands)
}

/** One line that says what a setting would do, such as `would send prompts to …`, and how to allow it. */
export function refusal({ origins }: LoadedConfig, setting: NamedSetting, effect: string): string {
  const where = origins.get(setting.name) ?? ''
  const flag = flagOf(setting)
  const allow = `to allow it, ${flag === undefined ? '' : `pass --${flag} or `}set ${setting.env} in the environment`
  return printable(`${where} ${effect}, and is trusted less than that; ${allow}`)
}

/** How far a source is trusted, as a number. */
export function rankOf(trust: Trust): number {
  return trustLevels.indexOf(trust)
}

function isWritten(given: unknown): boolean {
  return typeof given === 'string' ? given.trim() !== '' : isGiven(given)
}
