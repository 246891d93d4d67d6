import { isLoopback } from '../config/policy.ts'
import { leavesFolder, type Source, type Surroundings, type Trust, trustLevels } from '../config/sources.ts'
import {
  type Addressed,
  addressOf,
  credentialOf,
  type Destination,
  flagOf,
  type NamedSetting,
  settingList,
} from '../config/table.ts'
import { printable, UsageError } from '../config/usage-error.ts'
import { type Config, type LoadedConfig, loadFrom } from '../config.ts'
import { placeOf, promptReaders } from './destinations.ts'
import { urlOf } from './target.ts'

/** What a command is about to send. */
export interface Sending {
  /** Whose credentials. */
  credentialsOf: readonly Destination[]
  /** `passed on` by a server for its clients, `typed` by a user in whatever folder the work is done. */
  prompts: 'none' | 'passed on' | 'typed'
}

/** Credentials of the upstreams that are in use, and what else the command says. */
export function sendingTo({ upstreams }: Config, others: readonly Destination[], prompts: Sending['prompts']): Sending {
  return { credentialsOf: [...upstreams.filter((id) => id !== 'demo'), ...others], prompts }
}

/**
 * The configuration, once no credential and no prompt would go to an address that is named by a source which is
 * trusted less than they are: whoever cloned a repository did not write the `.env` in it.
 *
 * Errors: UsageError, one line: which file and setting, and how to allow it.
 */
export function trusted(loaded: LoadedConfig, surroundings: Surroundings, sending: Sending): LoadedConfig {
  const stray = strayOf(loaded, surroundings, sending)
  if (stray === undefined) return loaded
  throw new UsageError(stray)
}

/** The same as a line to tell, `undefined` where all is well. */
export function strayOf(loaded: LoadedConfig, surroundings: Surroundings, sending: Sending): string | undefined {
  for (const destination of sending.credentialsOf) {
    const stray = strayCredential(loaded, destination)
    if (stray !== undefined) return stray
  }
  if (sending.prompts === 'none') return undefined
  const typed = sending.prompts === 'typed'
  // Guests have no account that would tell whose prompts they are.
  const owner = ownerOf(loaded, ['zai-web', 'zai-api']) ?? (typed ? user : undefined)
  if (owner === undefined) return undefined
  const elsewhere = typed && sending.credentialsOf.includes('gateway') ? strayGateway(loaded) : undefined
  return elsewhere ?? strayPrompts(loaded, owner) ?? strayStore(loaded, surroundings, owner)
}

/** What to tell of prompts that go where only the working directory says, although nothing forbids it. */
export function promptNotice(loaded: LoadedConfig): string | undefined {
  const stray = strayReader(loaded, user)
  return stray && `prompts go to ${stray.reader}, as ${printable(loaded.origins.get(stray.culprit.name) ?? '')} says`
}

/** Whose credentials or prompts they are: how far an address must be trusted, and the file that may name one itself. */
type Owner = Pick<Source, 'demands'> & { source?: Source }

const user: Owner = { demands: 'user folder' }

function strayCredential(loaded: LoadedConfig, destination: Destination): string | undefined {
  const { config, sources, origins } = loaded
  for (const credential of settingList.filter((setting) => credentialOf(setting) === destination)) {
    const source = sources.get(credential.name)
    if (source === undefined || !isGiven(config[credential.name])) continue
    const owner = { demands: source.demands, source }
    const known = asTrusted(loaded, owner)
    const address = placeOf[destination](config)
    if (address === placeOf[destination](known)) continue
    const culprit = culpritOf(loaded, owner, [destination])
    if (culprit === undefined) continue
    return refusal(loaded, culprit, `would send ${origins.get(credential.name)} to ${address}`)
  }
  return undefined
}

/** Whose prompts they are shows in the credentials: those of a user who has one are trusted as much as it is. */
function ownerOf({ all }: LoadedConfig, destinations: readonly Destination[]): Owner | undefined {
  const accounts = settingList.filter((setting) => destinations.some((one) => one === credentialOf(setting)))
  const owners = all.filter((source) => accounts.some((setting) => isWritten(source.given(setting))))
  const [source] = owners.toSorted((a, b) => rankOf(b.demands) - rankOf(a.demands))
  return source && { demands: source.demands, source }
}

function strayPrompts(loaded: LoadedConfig, owner: Owner): string | undefined {
  const stray = strayReader(loaded, owner)
  return stray && refusal(loaded, stray.culprit, `would send prompts to ${stray.reader}`)
}

/** The first who would get prompts and would not by what is trusted, and the setting that says so. */
function strayReader(loaded: LoadedConfig, owner: Owner): { reader: string; culprit: NamedSetting } | undefined {
  const { config } = loaded
  const known = asTrusted(loaded, owner)
  const readers = promptReaders(known)
  for (const [index, reader] of promptReaders(config).entries()) {
    const id = config.upstreams[index]
    if (id === undefined || id === 'demo' || readers.includes(reader)) continue
    const moved = placeOf[id](config) !== placeOf[id](known)
    const culprit = (moved ? culpritOf(loaded, owner, [id]) : undefined) ?? culpritOf(loaded, owner, ['prompts'])
    if (culprit) return { reader, culprit }
  }
  return undefined
}

/** A gateway on this machine proves that it is the user's; one elsewhere cannot. */
function strayGateway(loaded: LoadedConfig): string | undefined {
  const address = urlOf(loaded.config)
  const owner = ownerOf(loaded, ['gateway']) ?? user
  if (isLoopback(hostnameOf(address)) || address === urlOf(asTrusted(loaded, owner))) return undefined
  const culprit = culpritOf(loaded, owner, ['gateway'])
  return culprit && refusal(loaded, culprit, `would send prompts to ${address}`)
}

/** Without the brackets of IPv6. */
function hostnameOf(url: string): string {
  return (URL.canParse(url) ? new URL(url).hostname : '').replace(/^\[|\]$/g, '')
}

/** A folder may keep in itself what is said in it, but not put it elsewhere. */
function strayStore(loaded: LoadedConfig, surroundings: Surroundings, owner: Owner): string | undefined {
  const { config, sources } = loaded
  const source = sources.get('store')
  if (source === undefined || isTrusted(source, owner)) return undefined
  if (config.store === 'memory' || config.store === 'off') return undefined
  // SQLite takes addresses of its own as well as paths.
  if (!config.store.startsWith('file:') && !leavesFolder(config.store, surroundings)) return undefined
  const culprit = culpritOf(loaded, owner, ['conversations'])
  return culprit && refusal(loaded, culprit, `would keep conversations outside of the working directory`)
}

/** The configuration as those sources make it that are trusted enough. */
function asTrusted({ all }: LoadedConfig, owner: Owner): Config {
  return loadFrom(all.filter((source) => isTrusted(source, owner))).config
}

/** The setting by which it goes astray: the first that a source says which would have to be trusted more. */
function culpritOf({ sources }: LoadedConfig, owner: Owner, roles: readonly Addressed[]): NamedSetting | undefined {
  return settingList.find((setting) => {
    const role = addressOf(setting)
    const source = sources.get(setting.name)
    return role !== undefined && roles.includes(role) && source !== undefined && !isTrusted(source, owner)
  })
}

/** The file a key stands in may say where it goes. */
function isTrusted(source: Source, owner: Owner): boolean {
  return source === owner.source || rankOf(source.trust) >= rankOf(owner.demands)
}

function refusal({ origins }: LoadedConfig, culprit: NamedSetting, deed: string): string {
  const where = origins.get(culprit.name) ?? ''
  const allow = `to allow it, pass --${flagOf(culprit)} or set ${culprit.env} in the environment`
  return printable(`${where} ${deed}, and is trusted less than that; ${allow}`)
}

function rankOf(trust: Trust): number {
  return trustLevels.indexOf(trust)
}

function isWritten(given: unknown): boolean {
  return typeof given === 'string' ? given.trim() !== '' : isGiven(given)
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}
