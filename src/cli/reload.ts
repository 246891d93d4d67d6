import { watch } from 'node:fs'
import { dirname } from 'node:path'
import { settingList } from '../config/table.ts'
import { UsageError } from '../config/usage-error.ts'
import type { Config, LoadedConfig } from '../config.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../observe/log.ts'

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
      const wanted = load().config
      const changed = settingList.filter(({ name }) => !Bun.deepEquals(current[name], wanted[name]))
      if (quietly && changed.length === 0) return
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

/** Editors write a file in several steps, or put another one in its place. */
const settledMs = 300

export interface WatchOptions {
  files: readonly string[]
  clock: Clock
  log: Log
  changed: () => void
}

/**
 * Calls `changed` some time after anything happened in the folders of the files; the returned function ends it.
 * The folders, because a file that is replaced takes its watcher along, and one that is not there yet has none.
 */
export function watchFiles({ files, clock, log, changed }: WatchOptions): () => void {
  let stopTimer: (() => void) | undefined
  const soon = () => {
    stopTimer ??= clock.after(settledMs, () => {
      stopTimer = undefined
      changed()
    })
  }
  const watchers = [...new Set(files.map((file) => dirname(file)))].flatMap((folder) => {
    try {
      const watcher = watch(folder, { persistent: false }, soon)
      watcher.on('error', (cause) =>
        log.warn('changes of the configuration are not noticed any more', { folder, cause }),
      )
      return [watcher]
    } catch (cause) {
      log.warn('changes of the configuration are not noticed; SIGHUP has it read anew', {
        folder,
        cause: String(cause),
      })
      return []
    }
  })
  return () => {
    stopTimer?.()
    for (const watcher of watchers) watcher.close()
  }
}
