import { Value } from '@sinclair/typebox/value'
import { isPlaceholder } from './placeholder.ts'
import { type ConfigSource, defaults, type Flags, type Surroundings, sourcesOf } from './sources.ts'
import {
  credentialOf,
  type NamedSetting,
  type Setting,
  type SettingName,
  type Settings,
  settingList,
  settings,
} from './table.ts'
import { doubledId, instanceOf, type UpstreamInstance } from './upstream-rows.ts'
import { UsageError } from './usage-error.ts'

/** Everything that can be set, checked, defaults filled in. */
export interface Config extends Omit<Settings, 'primaryModel' | 'smallModel' | 'upstreams'> {
  /** In the order in which they are asked. */
  upstreams: readonly UpstreamInstance[]
  /** `undefined`: the newest that the first upstream prefers and its credentials may use. */
  primaryModel: string | undefined
  smallModel: string | undefined
  /** Origin of `apiEndpoint`, the base of every other call to the site: `https://chat.z.ai`. */
  webBaseUrl: string
  /** The rest of `apiEndpoint`: `/api/v2/chat/completions`. */
  completionPath: string
}

export interface LoadedConfig {
  config: Config
  /** Where each value is written: `flag --port`, `LISTEN_PORT in /srv/.env`, `default`. */
  origins: ReadonlyMap<SettingName, string>
  /** The same, for those who judge how far it is trusted. */
  sources: ReadonlyMap<SettingName, ConfigSource>
  /** Every source there is, the strongest first. */
  all: readonly ConfigSource[]
  warnings: readonly ConfigWarning[]
}

/** A setting that works differently from what its author may expect; `serious` where it leaves the gateway open. */
export interface ConfigWarning {
  message: string
  serious: boolean
}

/**
 * Flags over environment over `.env` over the configuration file over defaults; empty text is unset everywhere.
 *
 * Errors: UsageError, one line that names the key, where it is written and what is allowed, and never shows a secret.
 */
export function loadConfig(flags: Flags, surroundings: Surroundings): LoadedConfig {
  const { list, warnings } = sourcesOf(flags, surroundings)
  return loadFrom(list, warnings)
}

/** The same from these sources alone. */
export function loadFrom(list: readonly ConfigSource[], messages: readonly string[] = []): LoadedConfig {
  const values: Partial<Record<SettingName, unknown>> = {}
  const sources = new Map<SettingName, ConfigSource>()
  const warnings: ConfigWarning[] = messages.map((message) => ({ message, serious: false }))
  for (const setting of settingList) {
    const source = list.find((candidate) => isSet(setting, candidate)) ?? defaults
    values[setting.name] = checked(setting, source)
    sources.set(setting.name, source)
    const asked = source === defaults ? list : list.slice(0, list.indexOf(source) + 1)
    warnings.push(...asked.flatMap((candidate) => placeholderIn(setting, candidate)))
  }
  if (!areSettings(values)) throw new Error('A setting passed its check and then failed it.')
  return { ...withDerivedSettings(values, sources), all: list, warnings }
}

/** A placeholder for a key of this gateway protects nothing, and is none. */
function isSet(setting: NamedSetting, source: ConfigSource): boolean {
  const given = source.given(setting)
  if (typeof given !== 'string') return given !== undefined
  const text = given.trim()
  return text !== '' && !(opensGateway(setting) && isPlaceholder(text))
}

function placeholderIn(setting: NamedSetting, source: ConfigSource): ConfigWarning[] {
  if (credentialOf(setting) === undefined) return []
  const given = source.given(setting)
  const value: unknown = typeof given === 'string' ? setting.kind.read(given.trim()) : given
  if (![value].flat().some((text) => typeof text === 'string' && isPlaceholder(text))) return []
  const serious = opensGateway(setting)
  const effect = serious ? 'counts as no key' : 'nobody accepts'
  return [{ message: `${source.origin(setting)} is a placeholder, which ${effect}: put a real key there`, serious }]
}

function opensGateway(setting: Setting): boolean {
  return credentialOf(setting) === 'gateway'
}

function checked(setting: NamedSetting, source: ConfigSource): unknown {
  const given = source.given(setting)
  const value = typeof given === 'string' ? setting.kind.read(given.trim()) : given
  if (Value.Check(setting.kind.schema, value)) return value
  const problem = setting.kind.problem?.(value)
  if (problem !== undefined) throw new UsageError(`${source.origin(setting)}: ${problem}`)
  const shown = setting.secret ? '' : ` is ${JSON.stringify(given)} but`
  throw new UsageError(`${source.origin(setting)}${shown} must be ${setting.kind.allowed}`)
}

function areSettings(values: Partial<Record<SettingName, unknown>>): values is Settings {
  return settingList.every(({ name }) => Value.Check(settings[name].kind.schema, values[name]))
}

/** Fills in what follows from other settings. */
function withDerivedSettings(
  values: Settings,
  given: ReadonlyMap<SettingName, ConfigSource>,
): Omit<LoadedConfig, 'all' | 'warnings'> {
  const endpoint = new URL(values.apiEndpoint)
  const config: Config = {
    ...values,
    webBaseUrl: endpoint.origin,
    completionPath: endpoint.pathname + endpoint.search,
    upstreams: values.upstreams.map(instanceOf),
  }
  const sources = new Map(given)
  const origins = new Map(
    settingList.map((setting) => [setting.name, sources.get(setting.name)?.origin(setting) ?? '']),
  )
  const isDefault = (name: SettingName) => given.get(name) === defaults
  const follow = (follower: SettingName, leader: SettingName) => {
    sources.set(follower, given.get(leader) ?? defaults)
    origins.set(follower, origins.get(leader) ?? '')
  }
  if (values.debugLogging && isDefault('logLevel')) {
    config.logLevel = 'debug'
    follow('logLevel', 'debugLogging')
  }
  if (values.anthropicApiKey === undefined && values.authToken !== undefined) {
    config.anthropicApiKey = values.authToken
    follow('anthropicApiKey', 'authToken')
  }
  if (values.zaiApiKeys.length > 0 && isDefault('upstreams')) {
    config.upstreams = [{ id: 'zai-api' }]
    follow('upstreams', 'zaiApiKeys')
  }
  const doubled = doubledId(config.upstreams)
  if (doubled !== undefined)
    throw new UsageError(`${origins.get('upstreams')} names ${doubled} twice; each upstream needs an id of its own`)
  // Nobody has named one, so its origin stays the default.
  const [first] = config.upstreams
  if (first?.id === 'zai-api' || first?.row) {
    if (isDefault('primaryModel')) config.primaryModel = undefined
    if (isDefault('smallModel')) config.smallModel = undefined
  }
  return { config, origins, sources }
}
