import { type LoadedConfig, loadFrom } from '../config/load.ts'
import { lossOf } from '../config/protection.ts'
import { defaults } from '../config/sources.ts'
import { credentialOf, type NamedSetting, settingList, settings } from '../config/table.ts'
import { asTrusted, isTrusted, type Owner, ownerOf, rankOf, refusal } from './owner.ts'

/**
 * Why a server must not start, as one line: a setting of a source that is trusted less lets in whom the owner of the
 * account does not, or takes back a limit of the user's. Otherwise a cloned repository could have others spend the user's
 * key. `undefined` where there is no such setting.
 */
export function exposure(loaded: LoadedConfig): string | undefined {
  return openedAccount(loaded) ?? liftedLimit(loaded)
}

function openedAccount(loaded: LoadedConfig): string | undefined {
  const accounts = loaded.config.upstreams.flatMap(({ id, row }) => (row === undefined && id !== 'demo' ? [id] : []))
  const owner = ownerOf(
    loaded,
    accounts,
    loaded.config.upstreams.some(({ row }) => row?.keys?.length),
  )
  if (owner === undefined) return undefined
  const known = asTrusted(loaded, owner)
  const culprit = settingList.find((setting) => {
    const source = loaded.sources.get(setting.name)
    return source !== undefined && !isTrusted(source, owner) && letsIn(setting, loaded, known)
  })
  return culprit && refusal(loaded, culprit, `would let others use the account of ${accountOf(owner, accounts)}`)
}

function letsIn(setting: NamedSetting, { config }: LoadedConfig, known: LoadedConfig): boolean {
  const { name, protects } = setting
  const [before, after] = [known.config[name], config[name]]
  // Whoever wrote it knows the key. One for the Anthropic API alone opens nothing.
  if (credentialOf(setting) === 'gateway') return before !== after && config.authToken !== undefined
  const isDoor = protects === 'loopback' || protects === 'origins'
  return isDoor && lossOf(protects, before, after) !== undefined
}

function accountOf({ source }: Owner, accounts: readonly string[]): string {
  const credential = settingList.find(
    (setting) => accounts.some((id) => id === credentialOf(setting)) && source?.given(setting) !== undefined,
  )
  return (credential && source?.origin(credential)) ?? source?.origin(settings.upstreams) ?? 'another source'
}

/** One that nobody has set is there for the machine's sake, and any source may change it. */
function liftedLimit(loaded: LoadedConfig): string | undefined {
  for (const setting of settingList) {
    const { name, protects } = setting
    const source = loaded.sources.get(name)
    if (protects === undefined || source === undefined || source === defaults) continue
    const above = loadFrom(loaded.all.filter(({ trust }) => rankOf(trust) > rankOf(source.trust)))
    if (above.sources.get(name) === defaults) continue
    if (lossOf(protects, above.config[name], loaded.config[name]) === undefined) continue
    return refusal(loaded, setting, `would give up the protection of ${above.origins.get(name)}`)
  }
  return undefined
}
