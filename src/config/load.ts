import { Value } from '@sinclair/typebox/value'
import { isPlaceholder } from './placeholder.ts'
import type { Setting } from './setting.ts'
import { type ConfigSource, defaults, type Flags, type ProcessEnvironment, sourcesOf } from './sources.ts'
import { credentialOf, type NamedSetting, type SettingName, type Settings, settingList, settings } from './table.ts'
import { type ConfigurableKind, doubledId, instanceOf, type UpstreamInstance, upstreamRowsOf } from './upstream-rows.ts'
import { UsageError } from './usage-error.ts'
import type { ValueKind } from './value-kinds.ts'

/** All settings, validated and with defaults. */
export interface Config extends Omit<Settings, 'primaryModel' | 'smallModel' | 'upstreams'> {
  /** In the order in which they are tried. */
  upstreams: readonly UpstreamInstance[]
  /** Every kind that an upstream may have. */
  upstreamKinds: readonly ConfigurableKind[]
  /** `undefined` stands for the newest model that the first upstream offers to its credentials. */
  primaryModel: string | undefined
  smallModel: string | undefined
  /** Origin of `apiEndpoint`, the base of every other call to the site: `https://chat.z.ai`. */
  webBaseUrl: string
  /** The rest of `apiEndpoint`: `/api/v2/chat/completions`. */
  completionPath: string
}

export interface LoadedConfig {
  config: Config
  /** Where each value was set, as text: `flag --port`, `LISTEN_PORT in /srv/.env`, `default`. */
  origins: ReadonlyMap<SettingName, string>
  /** The source of each value, with its level of trust. */
  sources: ReadonlyMap<SettingName, ConfigSource>
  /** Every source, the one with the highest precedence first. */
  all: readonly ConfigSource[]
  warnings: readonly ConfigWarning[]
}

/** A setting that may not work as its author expects. `serious` means that it leaves the gateway without a key. */
export interface ConfigWarning {
  message: string
  serious: boolean
}

/**
 * Reads all settings. Flags override the environment, then come `.env`, the configuration files and the defaults. Empty
 * text counts as unset in every source.
 *
 * Errors: UsageError, one line that names the key, where it is written and what is allowed, and never shows a secret.
 */
export function loadConfig(
  flags: Flags,
  surroundings: ProcessEnvironment,
  upstreamKinds: readonly ConfigurableKind[],
): LoadedConfig {
  const { list, warnings } = sourcesOf(flags, surroundings)
  return loadFrom(list, upstreamKinds, warnings)
}

/** Reads all settings from the given sources only. `messages` become warnings. */
export function loadFrom(
  list: readonly ConfigSource[],
  upstreamKinds: readonly ConfigurableKind[],
  messages: readonly string[] = [],
): LoadedConfig {
  const upstreams = upstreamRowsOf(upstreamKinds)
  const values: Partial<Record<SettingName, unknown>> = {}
  const sources = new Map<SettingName, ConfigSource>()
  const warnings: ConfigWarning[] = messages.map((message) => ({ message, serious: false }))
  for (const setting of settingList) {
    const source = list.find((candidate) => isSet(setting, candidate)) ?? defaults
    values[setting.name] = checked(setting, source, setting.name === 'upstreams' ? upstreams : setting.kind)
    sources.set(setting.name, source)
    const asked = source === defaults ? list : list.slice(0, list.indexOf(source) + 1)
    warnings.push(...asked.flatMap((candidate) => placeholderIn(setting, candidate)))
  }
  if (!areSettings(values)) throw new Error('A setting passed its check and then failed it.')
  return { ...withDerivedSettings(values, sources, upstreamKinds), all: list, warnings }
}

/** Whether a source sets a value. A placeholder such as `changeme` protects nothing and does not count as a gateway key. */
function isSet(setting: NamedSetting, source: ConfigSource): boolean {
  const given = source.given(setting)
  if (typeof given !== 'string') return given !== undefined
  const text = given.trim()
  return text !== '' && !(isGatewayKey(setting) && isPlaceholder(text))
}

function placeholderIn(setting: NamedSetting, source: ConfigSource): ConfigWarning[] {
  if (credentialOf(setting) === undefined) return []
  const given = source.given(setting)
  const value: unknown = typeof given === 'string' ? setting.kind.read(given.trim()) : given
  if (![value].flat().some((text) => typeof text === 'string' && isPlaceholder(text))) return []
  const serious = isGatewayKey(setting)
  const effect = serious ? 'counts as no key' : 'nobody accepts'
  return [{ message: `${source.origin(setting)} is a placeholder, which ${effect}: put a real key there`, serious }]
}

function isGatewayKey(setting: Setting): boolean {
  return credentialOf(setting) === 'gateway'
}

function checked(setting: NamedSetting, source: ConfigSource, kind: ValueKind): unknown {
  const given = source.given(setting)
  const value = typeof given === 'string' ? kind.read(given.trim()) : given
  if (Value.Check(kind.schema, value)) return value
  const problem = kind.problem?.(value)
  if (problem !== undefined) throw new UsageError(`${source.origin(setting)}: ${problem}`)
  const shown = setting.secret ? '' : ` is ${JSON.stringify(given)} but`
  throw new UsageError(`${source.origin(setting)}${shown} must be ${kind.allowed}`)
}

function areSettings(values: Partial<Record<SettingName, unknown>>): values is Settings {
  return settingList.every(({ name }) => Value.Check(settings[name].kind.schema, values[name]))
}

/** Fills in settings whose default depends on another setting. */
function withDerivedSettings(
  values: Settings,
  given: ReadonlyMap<SettingName, ConfigSource>,
  upstreamKinds: readonly ConfigurableKind[],
): Omit<LoadedConfig, 'all' | 'warnings'> {
  const endpoint = new URL(values.apiEndpoint)
  const config: Config = {
    ...values,
    webBaseUrl: endpoint.origin,
    completionPath: endpoint.pathname + endpoint.search,
    upstreams: values.upstreams.map(instanceOf),
    upstreamKinds,
  }
  const sources = new Map(given)
  const origins = new Map(
    settingList.map((setting) => [setting.name, sources.get(setting.name)?.origin(setting) ?? '']),
  )
  const isDefault = (name: SettingName) => given.get(name) === defaults
  const takeOriginOf = (derived: SettingName, from: SettingName) => {
    sources.set(derived, given.get(from) ?? defaults)
    origins.set(derived, origins.get(from) ?? '')
  }
  if (values.debugLogging && isDefault('logLevel')) {
    config.logLevel = 'debug'
    takeOriginOf('logLevel', 'debugLogging')
  }
  if (values.anthropicApiKey === undefined && values.authToken !== undefined) {
    config.anthropicApiKey = values.authToken
    takeOriginOf('anthropicApiKey', 'authToken')
  }
  if (values.zaiApiKeys.length > 0 && isDefault('upstreams')) {
    config.upstreams = [{ id: 'zai-api' }]
    takeOriginOf('upstreams', 'zaiApiKeys')
  }
  const doubled = doubledId(config.upstreams)
  if (doubled !== undefined)
    throw new UsageError(`${origins.get('upstreams')} names ${doubled} twice; each upstream needs an id of its own`)
  // The models stay open until the upstream lists its own, so their origin stays the default.
  const [first] = config.upstreams
  if (first?.id === 'zai-api' || first?.row) {
    if (isDefault('primaryModel')) config.primaryModel = undefined
    if (isDefault('smallModel')) config.smallModel = undefined
  }
  return { config, origins, sources }
}
