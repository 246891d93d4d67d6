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

/** The trust an address needs, and the source that may name the address itself because the credential stands in it. */
export type Owner = Pick<ConfigSource, 'demands'> & { source?: ConfigSource }

/** Of a user without any credential. */
export const user: Owner = { demands: 'user folder' }

/**
 * The most trusted source that holds a credential for one of the destinations, or `withRows` a row of [[upstreams]] with
 * keys. Prompts are trusted as much as it.
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

/** The configuration made of the sources that are trusted enough. */
export function asTrusted({ all }: LoadedConfig, owner: Owner): LoadedConfig {
  return loadFrom(all.filter((source) => isTrusted(source, owner)))
}

/** A credential may go to an address that its own file names. */
export function isTrusted(source: ConfigSource, owner: Owner): boolean {
  return source === owner.source || rankOf(source.trust) >= rankOf(owner.demands)
}

/** The line that says what a setting would do, and how to allow it. */
export function refusal({ origins }: LoadedConfig, culprit: NamedSetting, deed: string): string {
  const where = origins.get(culprit.name) ?? ''
  const flag = flagOf(culprit)
  const allow = `to allow it, ${flag === undefined ? '' : `pass --${flag} or `}set ${culprit.env} in the environment`
  return printable(`${where} ${deed}, and is trusted less than that; ${allow}`)
}

/** How far a source is trusted, as a number. */
export function rankOf(trust: Trust): number {
  return trustLevels.indexOf(trust)
}

function isWritten(given: unknown): boolean {
  return typeof given === 'string' ? given.trim() !== '' : isGiven(given)
}
