import type { Config, LoadedConfig } from '../config/load.ts'
import { isOnLoopback } from '../config/policy.ts'
import type { Addressed, Destination } from '../config/setting.ts'
import { leavesFolder, type ProcessEnvironment } from '../config/sources.ts'
import { addressOf, credentialOf, isGiven, type NamedSetting, settingList, settings } from '../config/table.ts'
import { builtInUpstreams, type UpstreamInstance } from '../config/upstream-rows.ts'
import { printable, UsageError } from '../config/usage-error.ts'
import { urlOf } from './client-target.ts'
import { exposure } from './exposure.ts'
import { originOf, promptRecipients, recipientOf } from './recipients.ts'
import { asTrusted, isTrusted, type Owner, ownerOf, refusal, type TrustRefusal, user } from './required-trust.ts'

/** What a command sends over the network. */
export interface Sending {
  /** The destinations whose credentials are sent. */
  credentialsOf: readonly Destination[]
  /** `passed on`: a server's clients send them. `typed`: the user types them in any folder, such as a cloned one. */
  prompts: 'none' | 'passed on' | 'typed'
}

/** The credentials of the upstreams in use and of `others`. */
export function sendingTo({ upstreams }: Config, others: readonly Destination[], prompts: Sending['prompts']): Sending {
  // A row of [[upstreams]] holds its keys and its address together, so it needs no check.
  const builtIn = upstreams.flatMap(({ id, row }) => (row === undefined ? [id] : []))
  return { credentialsOf: [...builtIn, ...others], prompts }
}

/**
 * Returns the configuration if every credential and prompt goes to an address whose source is trusted as much as the
 * source of the credential. Without this check, the `.env` of a cloned repository could send the user's key anywhere.
 *
 * Errors: UsageError, one line with the file, the setting and how to allow it.
 */
export function trusted(loaded: LoadedConfig, surroundings: ProcessEnvironment, sending: Sending): LoadedConfig {
  const refused = trustProblem(loaded, surroundings, sending)
  if (refused === undefined) return loaded
  throw new UsageError(refused.problem, refused)
}

/** The error that `trusted` throws; `undefined` if it throws none. */
export function trustProblem(
  loaded: LoadedConfig,
  surroundings: ProcessEnvironment,
  sending: Sending,
): TrustRefusal | undefined {
  for (const destination of sending.credentialsOf) {
    const problem = credentialProblem(loaded, destination)
    if (problem !== undefined) return problem
  }
  if (sending.prompts === 'none') return undefined
  const typed = sending.prompts === 'typed'
  // Guests have no credential, so prompts count as those of the user folder.
  const owner = ownerOf(loaded, builtInUpstreams, true) ?? user
  const elsewhere = typed && sending.credentialsOf.includes('gateway') ? gatewayProblem(loaded) : undefined
  return (
    elsewhere ??
    (typed ? undefined : exposure(loaded)) ??
    promptProblem(loaded, owner) ??
    storeProblem(loaded, surroundings, owner, !typed)
  )
}

/** A notice for prompts that go to an address that only the working directory names, although that is allowed. */
export function promptNotice(loaded: LoadedConfig): string | undefined {
  const found = untrustedReader(loaded, user)
  return found && `prompts go to ${found.reader}, as ${printable(loaded.origins.get(found.setting.name) ?? '')} says`
}

function credentialProblem(loaded: LoadedConfig, destination: Destination): TrustRefusal | undefined {
  const { config, sources, origins } = loaded
  for (const credential of settingList.filter((setting) => credentialOf(setting) === destination)) {
    const source = sources.get(credential.name)
    if (source === undefined || !isGiven(config[credential.name])) continue
    const owner = { demands: source.demands, source }
    const { config: trustedConfig } = asTrusted(loaded, owner)
    const address = recipientOf(destination, config)
    if (address === recipientOf(destination, trustedConfig)) continue
    const setting = untrustedSetting(loaded, owner, [destination])
    if (setting === undefined) continue
    return refusal(loaded, setting, `would send ${origins.get(credential.name)} to ${address}`)
  }
  return undefined
}

function promptProblem(loaded: LoadedConfig, owner: Owner): TrustRefusal | undefined {
  const found = untrustedReader(loaded, owner)
  return found && refusal(loaded, found.setting, `would send prompts to ${found.reader}`)
}

/** The first receiver of prompts that is not named by a trusted source, and the setting that names it. */
function untrustedReader(loaded: LoadedConfig, owner: Owner): { reader: string; setting: NamedSetting } | undefined {
  const { config } = loaded
  const { config: trustedConfig } = asTrusted(loaded, owner)
  const readers = promptRecipients(trustedConfig)
  for (const [index, reader] of promptRecipients(config).entries()) {
    const instance = config.upstreams[index]
    if (instance === undefined || originOf(instance, config) === undefined || readers.includes(reader)) continue
    const setting = addressSetting(instance) ?? untrustedSetting(loaded, owner, ['prompts'])
    if (setting) return { reader, setting }
  }
  return undefined

  /** The setting with the upstream's address, if the address differs from that of the trusted sources. */
  function addressSetting({ id, row }: UpstreamInstance): NamedSetting | undefined {
    if (row !== undefined || recipientOf(id, config) === recipientOf(id, trustedConfig)) return undefined
    return untrustedSetting(loaded, owner, [id])
  }
}

/** Refuses gateways on other machines that no trusted source names. A gateway on this machine can prove that it is the user's. */
function gatewayProblem(loaded: LoadedConfig): TrustRefusal | undefined {
  const address = urlOf(loaded.config)
  const owner = ownerOf(loaded, ['gateway'], false) ?? user
  if (isOnLoopback(address) || address === urlOf(asTrusted(loaded, owner).config)) return undefined
  const setting = untrustedSetting(loaded, owner, ['gateway'])
  return setting && refusal(loaded, setting, `would send prompts to ${address}`)
}

/** Refuses a store or a database outside of the working directory that an untrusted source names. */
function storeProblem(
  loaded: LoadedConfig,
  surroundings: ProcessEnvironment,
  owner: Owner,
  opensDatabase: boolean,
): TrustRefusal | undefined {
  const { sources } = loaded
  for (const { setting, what, isOutside } of keptBy(loaded.config)) {
    const source = sources.get(setting.name)
    if (source === undefined || isTrusted(source, owner) || !isOutside(surroundings)) continue
    if (setting.name === 'databaseUrl' && !opensDatabase) continue
    return refusal(loaded, setting, `would keep ${what} outside of the working directory`)
  }
  return undefined
}

/** The settings that say where something is kept. */
function keptBy({ store, databaseUrl = 'memory' }: Config) {
  const file = databaseUrl.startsWith('sqlite:') ? databaseUrl.slice('sqlite:'.length) : undefined
  return [
    {
      setting: { ...settings.store, name: 'store' as const },
      what: 'conversations',
      isOutside: (surroundings: ProcessEnvironment) =>
        !['memory', 'off'].includes(store) && (store === 'database' || leaves(store, surroundings)),
    },
    {
      setting: { ...settings.databaseUrl, name: 'databaseUrl' as const },
      what: 'keys and usage',
      isOutside: (surroundings: ProcessEnvironment) =>
        databaseUrl !== 'memory' && (file === undefined || leaves(file, surroundings)),
    },
  ]
}

/** SQLite also accepts `file:` URIs. */
function leaves(path: string, surroundings: ProcessEnvironment): boolean {
  return path.startsWith('file:') || leavesFolder(path, surroundings)
}

/** The first setting of these roles whose source is not trusted enough. */
function untrustedSetting(
  { sources }: LoadedConfig,
  owner: Owner,
  roles: readonly Addressed[],
): NamedSetting | undefined {
  return settingList.find((setting) => {
    const role = addressOf(setting)
    const source = sources.get(setting.name)
    return role !== undefined && roles.includes(role) && source !== undefined && !isTrusted(source, owner)
  })
}
