import { type LoadedConfig, loadFrom } from '../config/load.ts'
import type { Destination } from '../config/setting.ts'
import { type ConfigSource, type Trust, trustLevels } from '../config/sources.ts'
import { credentialOf, flagOf, isGiven, type NamedSetting, settingList, settings } from '../config/table.ts'
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

/** The configuration from those sources alone that are trusted as much as `owner`. */
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

/** Why a command must not go on, and how to allow it. Both are parts of one line. */
export interface TrustRefusal {
  problem: string
  remedy: string
}

/** What a setting would do, such as `would send prompts to …`, why it may not, and how to allow it. */
export function refusal({ origins, sources }: LoadedConfig, setting: NamedSetting, effect: string): TrustRefusal {
  const flag = flagOf(setting)
  const trust = sources.get(setting.name)?.trust ?? 'working directory'
  return {
    problem: printable(`${origins.get(setting.name)} ${effect}, and ${doubts[trust]}`),
    remedy: `to allow it, ${flag === undefined ? '' : `pass --${flag} or `}set ${setting.env} in the environment`,
  }
}

/** Why a source of this trust cannot decide it. */
const doubts: Readonly<Record<Trust, string>> = {
  'working directory': 'what is in this folder may come from somebody else',
  'user folder': 'that file is trusted less than the environment and the file of --config',
  'named file': 'that file is trusted less than the environment',
  invocation: 'a more trusted place says otherwise',
}

/** How far a source is trusted, as a number. */
export function rankOf(trust: Trust): number {
  return trustLevels.indexOf(trust)
}

function isWritten(given: unknown): boolean {
  return typeof given === 'string' ? given.trim() !== '' : isGiven(given)
}
