import { Value } from '@sinclair/typebox/value'
import { defaults, type Flags, type Source, type Surroundings, sourcesOf } from './config/sources.ts'
import {
  type NamedSetting,
  type Setting,
  type SettingName,
  type Settings,
  settingList,
  settings,
} from './config/table.ts'
import { UsageError } from './config/usage-error.ts'

/** Everything that can be set, checked, defaults filled in. */
export interface Config extends Settings {
  /** Origin of `apiEndpoint`, the base of every other call to the site: `https://chat.z.ai`. */
  webBaseUrl: string
  /** The rest of `apiEndpoint`: `/api/v2/chat/completions`. */
  completionPath: string
}

export interface LoadedConfig {
  config: Config
  /** Where each value is written: `flag --port`, `LISTEN_PORT in /srv/.env`, `default`. */
  origins: ReadonlyMap<SettingName, string>
}

/**
 * Flags over environment over `.env` over the configuration file over defaults; empty text is unset everywhere.
 *
 * Errors: UsageError, one line that names the key, where it is written and what is allowed, and never shows a secret.
 */
export function loadConfig(flags: Flags, surroundings: Surroundings): LoadedConfig {
  const sources = sourcesOf(flags, surroundings)
  const values: Partial<Record<SettingName, unknown>> = {}
  const origins = new Map<SettingName, string>()
  for (const setting of settingList) {
    const source = sources.find((candidate) => isSet(candidate.given(setting), setting)) ?? defaults
    values[setting.name] = checked(setting, source)
    origins.set(setting.name, source.origin(setting))
  }
  if (!areSettings(values)) throw new Error('A setting passed its check and then failed it.')
  return settled(values, origins)
}

function isSet(given: unknown, setting: Setting): boolean {
  if (typeof given !== 'string') return given !== undefined
  const text = given.trim()
  return text !== '' && text !== setting.example
}

function checked(setting: NamedSetting, source: Source): unknown {
  const given = source.given(setting)
  const value = typeof given === 'string' ? setting.kind.read(given.trim()) : given
  if (Value.Check(setting.kind.schema, value)) return value
  const shown = setting.secret ? '' : ` is ${JSON.stringify(given)} but`
  throw new UsageError(`${source.origin(setting)}${shown} must be ${setting.kind.allowed}`)
}

function areSettings(values: Partial<Record<SettingName, unknown>>): values is Settings {
  return settingList.every(({ name }) => Value.Check(settings[name].kind.schema, values[name]))
}

/** Fills in what follows from other settings. */
function settled(values: Settings, origins: Map<SettingName, string>): LoadedConfig {
  const endpoint = new URL(values.apiEndpoint)
  const config = { ...values, webBaseUrl: endpoint.origin, completionPath: endpoint.pathname + endpoint.search }
  const follow = (follower: SettingName, leader: SettingName) => origins.set(follower, origins.get(leader) ?? '')
  if (values.debugLogging && origins.get('logLevel') === 'default') {
    config.logLevel = 'debug'
    follow('logLevel', 'debugLogging')
  }
  if (values.anthropicApiKey === undefined && values.authToken !== undefined) {
    config.anthropicApiKey = values.authToken
    follow('anthropicApiKey', 'authToken')
  }
  if (values.zaiApiKeys.length > 0 && origins.get('upstreams') === 'default') {
    config.upstreams = ['zai-api']
    follow('upstreams', 'zaiApiKeys')
  }
  // Nobody has named one, so its origin stays the default.
  if (config.upstreams[0] === 'zai-api' && origins.get('primaryModel') === 'default') config.primaryModel = primaryOfApi
  return { config, origins }
}

/**
 * The newest model for code that the official API documents with its lengths, that can switch its thinking off, and
 * that the vendor's coding plan has Claude Code's opus and sonnet stand for; of what is newer, plans differ.
 * Source: the vendor's model pages of 2026-07.
 */
const primaryOfApi = 'GLM-4.7'
