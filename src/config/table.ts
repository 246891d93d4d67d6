import type { Addressed, Destination, Setting } from './setting.ts'
import { answerSettings } from './settings/answers.ts'
import { keySettings } from './settings/keys.ts'
import { logSettings } from './settings/log.ts'
import { modelSettings } from './settings/models.ts'
import { serverSettings } from './settings/server.ts'
import { upstreamSettings } from './settings/upstream.ts'
import type { ValueOf } from './value-kinds.ts'

/** All settings, in the order of the documentation. */
export const settings = {
  ...serverSettings,
  ...keySettings,
  ...modelSettings,
  ...answerSettings,
  ...upstreamSettings,
  ...logSettings,
}

export type SettingName = keyof typeof settings

export type Settings = { [Name in SettingName]: ValueOf<(typeof settings)[Name]['kind']> }

export type NamedSetting = Setting & { name: SettingName }

/** Every setting in the table's order. */
export const settingList: readonly NamedSetting[] = Object.keys(settings)
  .filter(isSettingName)
  .map((name) => ({ ...settings[name], name }))

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

/** The name of the flag without dashes; `undefined` for secrets, which have none. */
export function flagOf(setting: Setting): string | undefined {
  return setting.secret ? undefined : (setting.flag ?? setting.env.toLowerCase().replaceAll('_', '-'))
}

export function tomlKeyOf(setting: Setting): string {
  return setting.toml ?? setting.env.toLowerCase()
}

/** The destination that a credential is sent to; `undefined` if the setting is no credential. */
export function credentialOf({ role }: Setting): Destination | undefined {
  return typeof role === 'object' && 'credentialOf' in role ? role.credentialOf : undefined
}

/** What address a setting decides; `undefined` if it decides none. */
export function addressOf({ role }: Setting): Addressed | undefined {
  return typeof role === 'object' && 'addressOf' in role ? role.addressOf : undefined
}

/** Whether a setting has a value. An empty list counts as none. */
export function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}
