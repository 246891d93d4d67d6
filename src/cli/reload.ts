import type { Config, LoadedConfig } from '../config/load.ts'
import { lossOf } from '../config/protection.ts'
import type { Destination } from '../config/setting.ts'
import { defaults } from '../config/sources.ts'
import { credentialOf, isGiven, settingList } from '../config/table.ts'
import type { UpstreamInstance } from '../config/upstream-rows.ts'
import { UsageError } from '../config/usage-error.ts'
import type { Log } from '../observe/log.ts'
import { originOf, promptRecipients } from './recipients.ts'

/** Settings that are used once, at the start. All others can change while requests are running. */
const needRestart = new Set<keyof Config>([
  'host',
  'listenPort',
  'reusePort',
  'corsOrigins',
  'store',
  'databaseUrl',
  'metrics',
  'metricsPort',
  'otlpEndpoint',
  'otlpHeaders',
  'logFormat',
])

export interface ReloadOptions {
  loaded: LoadedConfig
  /** Reads the configuration anew. Errors: UsageError. */
  load: () => LoadedConfig
  apply: (config: Config) => void
  log: Log
}

/**
 * Returns a function that loads and applies the configuration, and logs the result. If the new configuration cannot be
 * used, the old one stays in force. With `quietly`, an unchanged configuration is neither applied nor logged.
 */
export function reloader({ loaded, load, apply, log }: ReloadOptions): (quietly: boolean) => void {
  let current = loaded.config
  return (quietly) => {
    try {
      const read = load()
      const wanted = read.config
      const changed = settingList.filter(({ name }) => !Bun.deepEquals(current[name], wanted[name]))
      if (quietly && changed.length === 0) return
      const refusal = refusalOf(current, wanted) ?? lostProtection(current, read)
      if (refusal !== undefined) throw new UsageError(`${refusal}; if that is meant, restart zai2api`)
      const pending = changed.filter(({ name }) => needRestart.has(name))
      apply(wanted)
      current = wanted
      // Only names are logged, because values may be secrets.
      log.info('configuration reloaded', { changed: changed.map(({ env }) => env).join(' ') || 'nothing' })
      if (pending.length > 0)
        log.warn('takes effect after a restart only', { settings: pending.map(({ env }) => env).join(' ') })
    } catch (thrown) {
      const reason = thrown instanceof UsageError ? thrown.message : String(thrown)
      log.error('the new configuration cannot be used; going on with the old one', { reason })
    }
  }
}

/**
 * Why a running server must not apply a configuration; `undefined` if it may. A half-written file looks like one from
 * which settings were removed: it could take the key from a server, or send prompts to another upstream.
 */
function refusalOf(current: Config, wanted: Config): string | undefined {
  const lost = (destination: Destination) =>
    settingList.find(
      (setting) =>
        credentialOf(setting) === destination && isGiven(current[setting.name]) && !isGiven(wanted[setting.name]),
    )?.env
  const key = lost('gateway')
  const cut = settingList.find(
    (setting) =>
      (credentialOf(setting) !== undefined || setting.protects === 'origins') &&
      isCutOff(current[setting.name], wanted[setting.name]),
  )
  if (cut !== undefined) return `${cut.env} is the beginning of what it was, as in a file that is cut off`
  // This holds for every listen address, because a running server stays on the one it is bound to.
  if (key !== undefined) return `${key} is gone, and a server with a key does not go on without it`
  const readers = promptRecipients(wanted)
  const dropped = promptRecipients(current).find((reader) => !readers.includes(reader))
  if (dropped !== undefined && !isFirstAccount(current, wanted))
    return `prompts for ${dropped} would go to ${readers.join(', ')}`
  const account = current.upstreams.map(({ id, row }) => row === undefined && lost(id)).find(Boolean)
  return account ? `${account} is gone, and others would get the prompts that went by it` : undefined
}

/**
 * Whether all prompts go to a site as those of a guest now, and would all go to an account. A half-written file cannot
 * look like this, and guests are advised to make this change.
 */
function isFirstAccount(current: Config, wanted: Config): boolean {
  const hasAccount = (config: Config) => (instance: UpstreamInstance) =>
    instance.row === undefined &&
    settingList.some((setting) => credentialOf(setting) === instance.id && isGiven(config[setting.name]))
  const isGuest = (instance: UpstreamInstance) =>
    instance.row === undefined && originOf(instance, current) !== undefined && !hasAccount(current)(instance)
  return current.upstreams.every(isGuest) && wanted.upstreams.every(hasAccount(wanted))
}

/**
 * Why a configuration would lose a protection; `undefined` if it keeps all. A limit may be raised explicitly, but not
 * because it is missing and the default is higher. Removing a protection altogether needs a restart.
 */
function lostProtection(current: Config, { config: wanted, sources }: LoadedConfig): string | undefined {
  for (const { name, env, protects } of settingList) {
    // A setting that needs a restart keeps its effect until then.
    if (protects === undefined || needRestart.has(name)) continue
    const loss = lossOf(protects, current[name], wanted[name])
    if (loss === 'lifted' || (loss === 'lowered' && sources.get(name) === defaults))
      return `${env} would go from ${current[name]} to ${wanted[name]}, and a running server gives up no protection`
  }
  return undefined
}

/** Whether a value was replaced by its own beginning. Such a key is easier to guess, and it locks out every client. */
function isCutOff(before: unknown, after: unknown): boolean {
  const [old, fresh] = [new Set([before].flat()), new Set([after].flat())]
  const removed = [...old].filter((value) => typeof value === 'string' && !fresh.has(value))
  return [...fresh].some((value) => !old.has(value) && removed.some((whole) => String(whole).startsWith(String(value))))
}
