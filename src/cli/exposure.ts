import { type LoadedConfig, loadFrom } from '../config/load.ts'
import { lossOf } from '../config/protection.ts'
import { type ConfigSource, defaults } from '../config/sources.ts'
import { credentialOf, type NamedSetting, settingList, settings } from '../config/table.ts'
import { isTrusted, type Owner, ownerOf, rankOf, refusal, type TrustRefusal } from './required-trust.ts'

/**
 * Why a server must not start; `undefined` if it may. The working directory must not admit additional clients to an
 * account of a more trusted source, and no source may weaken a limit that a more trusted one has set. Otherwise a cloned
 * repository could let others spend the user's key. The user's own files may admit clients, wherever the account is named.
 */
export function exposure(loaded: LoadedConfig): TrustRefusal | undefined {
  return openedAccount(loaded) ?? liftedLimit(loaded)
}

function openedAccount(loaded: LoadedConfig): TrustRefusal | undefined {
  const { config, all, sources } = loaded
  const accounts = config.upstreams.flatMap(({ id, row }) => (row === undefined ? [id] : []))
  const owner = ownerOf(
    loaded,
    accounts,
    config.upstreams.some(({ row }) => row?.keys?.length),
  )
  if (owner === undefined) return undefined
  const mayAdmit = (source: ConfigSource) => source.trust !== 'working directory' || isTrusted(source, owner)
  const known = loadFrom(all.filter(mayAdmit), config.upstreamKinds)
  const offending = settingList.find((setting) => {
    const source = sources.get(setting.name)
    return source !== undefined && !mayAdmit(source) && admitsMore(setting, loaded, known)
  })
  if (offending === undefined) return undefined
  const account = `would open the account of ${accountOf(owner, accounts)} to`
  return refusal(loaded, offending, `${account} ${admitted(offending)}`)
}

/** Whom a setting lets in. */
function admitted(setting: NamedSetting): string {
  if (credentialOf(setting) === 'gateway') return 'whoever wrote that key'
  return setting.protects === 'origins' ? 'web pages of other origins' : 'other machines'
}

function admitsMore(setting: NamedSetting, { config }: LoadedConfig, known: LoadedConfig): boolean {
  const { name, protects } = setting
  const [before, after] = [known.config[name], config[name]]
  // The author of a key knows it. ANTHROPIC_API_KEY alone gives no access, so it matters only beside AUTH_TOKEN.
  if (credentialOf(setting) === 'gateway')
    return before !== after && (name === 'adminToken' || config.authToken !== undefined)
  const isAccessRule = protects === 'loopback' || protects === 'origins'
  return isAccessRule && lossOf(protects, before, after) !== undefined
}

function accountOf({ source }: Owner, accounts: readonly string[]): string {
  const credential = settingList.find(
    (setting) => accounts.some((id) => id === credentialOf(setting)) && source?.given(setting) !== undefined,
  )
  return (credential && source?.origin(credential)) ?? source?.origin(settings.upstreams) ?? 'another source'
}

/**
 * The refusal of a weakened limit; `undefined` if none is weakened. Only limits set by a source count: a default protects
 * the machine, not an account, so any source may change it.
 */
function liftedLimit(loaded: LoadedConfig): TrustRefusal | undefined {
  for (const setting of settingList) {
    const { name, protects } = setting
    const source = loaded.sources.get(name)
    if (protects === undefined || source === undefined || source === defaults) continue
    const above = loadFrom(
      loaded.all.filter(({ trust }) => rankOf(trust) > rankOf(source.trust)),
      loaded.config.upstreamKinds,
    )
    if (above.sources.get(name) === defaults) continue
    if (lossOf(protects, above.config[name], loaded.config[name]) === undefined) continue
    return refusal(loaded, setting, `would give up the protection of ${above.origins.get(name)}`)
  }
  return undefined
}
