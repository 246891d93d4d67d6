import { usualService } from '../../config/api-services.ts'
import type { Config } from '../../config/load.ts'
import { settings } from '../../config/table.ts'
import { rowSetting } from '../../config/upstream-rows.ts'
import { UsageError } from '../../config/usage-error.ts'
import { apiBase } from './base-url.ts'
import { type ErrorSettings, usualSettings } from './errors.ts'

/** The keys of one account of the official API, and the service that they belong to. */
export interface ApiAccount {
  /** The id of the upstream. */
  id: string
  keys: readonly string[]
  /** The address as configured, a name or a URL: `coding`. */
  service: string
  baseUrl: string
  names: ErrorSettings
}

/** The account of ZAI_API_KEY. Errors: UsageError for an invalid address. */
export function usualAccount({ zaiApiKeys, zaiApiBase }: Config): ApiAccount {
  const baseUrl = checked(zaiApiBase, usualSettings.base)
  return { id: 'zai-api', keys: zaiApiKeys, service: zaiApiBase, baseUrl, names: usualSettings }
}

/** The account of a row of `[[upstreams]]`. Errors: UsageError for an invalid address. */
export function accountOfRow({
  id,
  keys,
  base = usualService,
}: {
  id: string
  keys: string[]
  base?: string
}): ApiAccount {
  const names = { keys: rowSetting('keys', id), base: rowSetting('base', id) }
  return { id, keys, service: base, baseUrl: checked(base, names.base), names }
}

function checked(base: string, name: string): string {
  const address = apiBase(base)
  if (address === undefined) throw new UsageError(`${name} must be ${settings.zaiApiBase.kind.allowed}`)
  return address
}
