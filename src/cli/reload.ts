import type { Config, LoadedConfig } from '../config/load.ts'
import { lossOf } from '../config/protection.ts'
import { defaults } from '../config/sources.ts'
import { credentialOf, type Destination, isGiven, settingList } from '../config/table.ts'
import { UsageError } from '../config/usage-error.ts'
import type { Log } from '../observe/log.ts'
import { promptReaders } from './destinations.ts'

/** What is built once, at the start. Everything else can change while answers run. */
const needRestart = new Set<keyof Config>([
  'host',
  'listenPort',
  'corsOrigins',
  'store',
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
 * Goes by the configuration as it is now, or stays with the old one where the new one cannot be used, and says so.
 * `quietly` says nothing where nothing has changed, and changes nothing then.
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
      const late = changed.filter(({ name }) => needRestart.has(name))
      apply(wanted)
      current = wanted
      // Names alone: values may be secrets.
      log.info('configuration reloaded', { changed: changed.map(({ env }) => env).join(' ') || 'nothing' })
      if (late.length > 0)
        log.warn('takes effect after a restart only', { settings: late.map(({ env }) => env).join(' ') })
    } catch (thrown) {
      const reason = thrown instanceof UsageError ? thrown.message : String(thrown)
      log.error('the new configuration cannot be used; going on with the old one', { reason })
    }
  }
}

/**
 * Why a running server must not take over this configuration, `undefined` where it may. A half-written file looks like
 * one from which settings were removed: it would open a server with a key to everybody, or send prompts elsewhere.
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
  // The wanted address does not matter: the server stays on the one that it is bound to.
  if (key !== undefined) return `${key} is gone, and a server with a key does not go on without it`
  const readers = promptReaders(wanted)
  const gone = promptReaders(current).find((reader) => !readers.includes(reader))
  if (gone !== undefined) return `prompts for ${gone} would go to ${readers.join(', ')}`
  const account = current.upstreams.map(({ id, row }) => row === undefined && id !== 'demo' && lost(id)).find(Boolean)
  return account ? `${account} is gone, and others would get the prompts that went by it` : undefined
}

/**
 * The same of what holds back clients and the spending of accounts. A limit may be raised by one that is said, but not by
 * one that is missing; whatever is lifted waits for a restart.
 */
function lostProtection(current: Config, { config: wanted, sources }: LoadedConfig): string | undefined {
  for (const { name, env, protects } of settingList) {
    // What needs a restart is as it was until then.
    if (protects === undefined || needRestart.has(name)) continue
    const loss = lossOf(protects, current[name], wanted[name])
    if (loss === 'lifted' || (loss === 'lowered' && sources.get(name) === defaults))
      return `${env} would go from ${current[name]} to ${wanted[name]}, and a running server gives up no protection`
  }
  return undefined
}

/** Whether a value was replaced by its own beginning, which is easier to guess and locks out every client. */
function isCutOff(before: unknown, after: unknown): boolean {
  const [old, fresh] = [new Set([before].flat()), new Set([after].flat())]
  const gone = [...old].filter((value) => typeof value === 'string' && !fresh.has(value))
  return [...fresh].some((value) => !old.has(value) && gone.some((whole) => String(whole).startsWith(String(value))))
}
