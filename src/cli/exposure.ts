import { type LoadedConfig, loadFrom } from '../config/load.ts'
import { lossOf } from '../config/protection.ts'
import { defaults } from '../config/sources.ts'
import { credentialOf, type NamedSetting, settingList, settings } from '../config/table.ts'
import { asTrusted, isTrusted, type Owner, ownerOf, rankOf, refusal } from './required-trust.ts'

/**
 * Why a server must not start, as one line; `undefined` if it may. A source that is trusted less than the account's
 * must not admit additional clients, and must not weaken a limit that a more trusted source has set. Otherwise a cloned
 * repository could let others spend the user's key.
 */
export function exposure(loaded: LoadedConfig): string | undefined {
  return openedAccount(loaded) ?? liftedLimit(loaded)
}

function openedAccount(loaded: LoadedConfig): string | undefined {
  const accounts = loaded.config.upstreams.flatMap(({ id, row }) => (row === undefined ? [id] : []))
  const owner = ownerOf(
    loaded,
    accounts,
    loaded.config.upstreams.some(({ row }) => row?.keys?.length),
  )
  if (owner === undefined) return undefined
  const known = asTrusted(loaded, owner)
  const offending = settingList.find((setting) => {
    const source = loaded.sources.get(setting.name)
    return source !== undefined && !isTrusted(source, owner) && admitsMore(setting, loaded, known)
  })
  return offending && refusal(loaded, offending, `would let others use the account of ${accountOf(owner, accounts)}`)
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
 * A weakened limit. Only limits set by a source count: a default protects the machine, not an account, so any source may
 * change it.
 */
function liftedLimit(loaded: LoadedConfig): string | undefined {
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
