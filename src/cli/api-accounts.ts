import type { Config } from '../config/load.ts'
import { settings } from '../config/table.ts'
import type { UpstreamInstance } from '../config/upstream-rows.ts'
import { UsageError } from '../config/usage-error.ts'
import { type SettingNames, usualSettings } from '../upstreams/zai-api/errors.ts'
import { apiBase } from '../upstreams/zai-api/index.ts'

/** The keys of one account of the official API, and the service that they belong to. */
export interface ApiAccount {
  upstream: string
  keys: readonly string[]
  /** As configured, a name or a URL: `coding`. */
  service: string
  baseUrl: string
  names: SettingNames
}

/** The account of one upstream; `undefined` for an upstream of another kind. Errors: UsageError for an invalid address. */
export function apiAccount({ id, row }: UpstreamInstance, config: Config): ApiAccount | undefined {
  if (row?.kind === 'zai-api') {
    const { keys, base = 'general' } = row
    const names = { keys: `keys of ${id} in [[upstreams]]`, base: `base of ${id} in [[upstreams]]` }
    return { upstream: id, keys, service: base, baseUrl: checked(base, names.base), names }
  }
  if (row || id !== 'zai-api') return undefined
  const { zaiApiKeys: keys, zaiApiBase: service } = config
  return { upstream: id, keys, service, baseUrl: apiBaseOf(config), names: usualSettings }
}

/** The accounts of all upstreams. The account of ZAI_API_KEY is included even if its upstream is not in use. */
export function apiAccounts(config: Config): ApiAccount[] {
  const used = config.upstreams.flatMap((instance) => apiAccount(instance, config) ?? [])
  const usual = apiAccount({ id: 'zai-api' }, config)
  return usual === undefined || used.some(({ upstream }) => upstream === usual.upstream) ? used : [usual, ...used]
}

/** The base URL of ZAI_API_BASE. Errors: UsageError for an invalid address. */
export function apiBaseOf({ zaiApiBase }: Config): string {
  return checked(zaiApiBase, usualSettings.base)
}

function checked(base: string, name: string): string {
  const address = apiBase(base)
  if (address === undefined) throw new UsageError(`${name} must be ${settings.zaiApiBase.kind.allowed}`)
  return address
}
