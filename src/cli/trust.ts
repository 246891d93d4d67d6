import type { Config, LoadedConfig } from '../config/load.ts'
import { isOnLoopback } from '../config/policy.ts'
import { leavesFolder, type Surroundings } from '../config/sources.ts'
import {
  type Addressed,
  addressOf,
  credentialOf,
  type Destination,
  isGiven,
  type NamedSetting,
  settingList,
} from '../config/table.ts'
import type { UpstreamInstance } from '../config/upstream-rows.ts'
import { printable, UsageError } from '../config/usage-error.ts'
import { urlOf } from './client-target.ts'
import { addressIn, promptReaders } from './destinations.ts'
import { exposure } from './exposure.ts'
import { asTrusted, isTrusted, type Owner, ownerOf, refusal, user } from './owner.ts'

/** What a command sends. */
export interface Sending {
  /** The destinations whose credentials are sent. */
  credentialsOf: readonly Destination[]
  /** `passed on`: a server's clients send them. `typed`: the user types them in any folder, such as a cloned one. */
  prompts: 'none' | 'passed on' | 'typed'
}

/** The credentials of the upstreams in use and of `others`. */
export function sendingTo({ upstreams }: Config, others: readonly Destination[], prompts: Sending['prompts']): Sending {
  // A row holds the keys beside the address they are for.
  const usual = upstreams.flatMap(({ id, row }) => (row === undefined && id !== 'demo' ? [id] : []))
  return { credentialsOf: [...usual, ...others], prompts }
}

/**
 * Returns the configuration if every credential and prompt goes to an address whose source is trusted as much as the
 * source of the credential. Otherwise a cloned repository could send the user's key anywhere by its own `.env`.
 *
 * Errors: UsageError, one line with the file, the setting and how to allow it.
 */
export function trusted(loaded: LoadedConfig, surroundings: Surroundings, sending: Sending): LoadedConfig {
  const stray = strayOf(loaded, surroundings, sending)
  if (stray === undefined) return loaded
  throw new UsageError(stray)
}

/** The message of that error, `undefined` where there is none. */
export function strayOf(loaded: LoadedConfig, surroundings: Surroundings, sending: Sending): string | undefined {
  for (const destination of sending.credentialsOf) {
    const stray = strayCredential(loaded, destination)
    if (stray !== undefined) return stray
  }
  if (sending.prompts === 'none') return undefined
  const typed = sending.prompts === 'typed'
  // Guests have no credential, so the prompts of a typing user count as those of the user folder.
  const owner = ownerOf(loaded, ['zai-web', 'zai-api'], true) ?? (typed ? user : undefined)
  const elsewhere = typed && sending.credentialsOf.includes('gateway') ? strayGateway(loaded) : undefined
  return (
    elsewhere ??
    (typed ? undefined : exposure(loaded)) ??
    (owner && strayPrompts(loaded, owner)) ??
    // It would be the user's file that is written, whoever is served.
    strayStore(loaded, surroundings, owner ?? user)
  )
}

/** A notice for prompts that go, allowed, to an address that only the working directory names. */
export function promptNotice(loaded: LoadedConfig): string | undefined {
  const stray = strayReader(loaded, user)
  return stray && `prompts go to ${stray.reader}, as ${printable(loaded.origins.get(stray.culprit.name) ?? '')} says`
}

function strayCredential(loaded: LoadedConfig, destination: Destination): string | undefined {
  const { config, sources, origins } = loaded
  for (const credential of settingList.filter((setting) => credentialOf(setting) === destination)) {
    const source = sources.get(credential.name)
    if (source === undefined || !isGiven(config[credential.name])) continue
    const owner = { demands: source.demands, source }
    const { config: known } = asTrusted(loaded, owner)
    const address = addressIn[destination](config)
    if (address === addressIn[destination](known)) continue
    const culprit = culpritOf(loaded, owner, [destination])
    if (culprit === undefined) continue
    return refusal(loaded, culprit, `would send ${origins.get(credential.name)} to ${address}`)
  }
  return undefined
}

function strayPrompts(loaded: LoadedConfig, owner: Owner): string | undefined {
  const stray = strayReader(loaded, owner)
  return stray && refusal(loaded, stray.culprit, `would send prompts to ${stray.reader}`)
}

/** The first receiver of prompts that the trusted sources alone do not name, and the setting that names it. */
function strayReader(loaded: LoadedConfig, owner: Owner): { reader: string; culprit: NamedSetting } | undefined {
  const { config } = loaded
  const { config: known } = asTrusted(loaded, owner)
  const readers = promptReaders(known)
  for (const [index, reader] of promptReaders(config).entries()) {
    const instance = config.upstreams[index]
    if (instance === undefined || instance.id === 'demo' || readers.includes(reader)) continue
    const culprit = movedBy(instance) ?? culpritOf(loaded, owner, ['prompts'])
    if (culprit) return { reader, culprit }
  }
  return undefined

  /** The address itself, where a setting of its own names another than the trusted sources do. */
  function movedBy({ id, row }: UpstreamInstance): NamedSetting | undefined {
    if (row !== undefined || id === 'demo' || addressIn[id](config) === addressIn[id](known)) return undefined
    return culpritOf(loaded, owner, [id])
  }
}

/** A gateway on this machine can prove that it is the user's. One on another machine cannot. */
function strayGateway(loaded: LoadedConfig): string | undefined {
  const address = urlOf(loaded.config)
  const owner = ownerOf(loaded, ['gateway'], false) ?? user
  if (isOnLoopback(address) || address === urlOf(asTrusted(loaded, owner).config)) return undefined
  const culprit = culpritOf(loaded, owner, ['gateway'])
  return culprit && refusal(loaded, culprit, `would send prompts to ${address}`)
}

/** A working directory may name a store inside itself, but none elsewhere. */
function strayStore(loaded: LoadedConfig, surroundings: Surroundings, owner: Owner): string | undefined {
  const { config, sources } = loaded
  const source = sources.get('store')
  if (source === undefined || isTrusted(source, owner)) return undefined
  if (config.store === 'memory' || config.store === 'off') return undefined
  // SQLite also accepts `file:` URIs.
  if (!config.store.startsWith('file:') && !leavesFolder(config.store, surroundings)) return undefined
  const culprit = culpritOf(loaded, owner, ['conversations'])
  return culprit && refusal(loaded, culprit, `would keep conversations outside of the working directory`)
}

/** The first setting of these roles whose source is not trusted enough. */
function culpritOf({ sources }: LoadedConfig, owner: Owner, roles: readonly Addressed[]): NamedSetting | undefined {
  return settingList.find((setting) => {
    const role = addressOf(setting)
    const source = sources.get(setting.name)
    return role !== undefined && roles.includes(role) && source !== undefined && !isTrusted(source, owner)
  })
}
