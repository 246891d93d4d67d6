import { existsSync, watch as fsWatch } from 'node:fs'
import { basename, dirname, resolve, sep } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../observe/log.ts'
import { linkTarget } from './io.ts'

/** Editors write a file in several steps or replace it. It counts as written after this time without an event. */
const settledMs = 300

interface Watcher {
  on(event: 'error', listener: (cause: unknown) => void): unknown
  close(): void
}

export interface WatchOptions {
  files: readonly string[]
  clock: Clock
  log: Log
  changed: () => void
  /** `name` is the name of the changed entry, or `null` if the system does not tell it. */
  watch?: (folder: string, onEvent: (name: string | null) => void) => Watcher
}

/**
 * Calls `changed` 300 ms after the last event of one of the files; the returned function stops watching.
 *
 * The folders are watched, because the watcher of a file is lost when the file is replaced, and a file that does not
 * exist cannot be watched. Events count only for the files' own names and for symbolic links on the way to them: a log
 * file in the same folder would otherwise cause a reload, and the log line of the reload the next one.
 */
export function watchFiles({ files, clock, log, changed, watch = watchFolder }: WatchOptions): () => void {
  const watched = new Map<string, { names: ReadonlySet<string>; close: () => void }>()
  const unwatchable = new Set<string>()
  let stopTimer = () => {}
  follow()
  return () => {
    stopTimer()
    for (const { close } of watched.values()) close()
  }

  function onEvent(folder: string, name: string | null): void {
    if (name !== null && !watched.get(folder)?.names.has(name)) return
    stopTimer()
    stopTimer = clock.after(settledMs, () => {
      // A link may have a new target. Watching begins before the files are read, so that no change is missed.
      follow()
      changed()
    })
  }

  function follow(): void {
    const wanted = entriesOf(files)
    for (const [folder, { close }] of watched) {
      if (wanted.has(folder)) continue
      close()
      watched.delete(folder)
    }
    for (const [folder, names] of wanted) {
      const close = watched.get(folder)?.close ?? start(folder)
      if (close) watched.set(folder, { names, close })
    }
  }

  function start(folder: string): (() => void) | undefined {
    try {
      const watcher = watch(folder, (name) => onEvent(folder, name))
      watcher.on('error', (cause) =>
        log.warn('changes of the configuration are not noticed any more', { folder, cause: String(cause) }),
      )
      return () => watcher.close()
    } catch (cause) {
      if (!unwatchable.has(folder))
        log.warn('changes of the configuration are not noticed; SIGHUP has it read anew', {
          folder,
          cause: String(cause),
        })
      unwatchable.add(folder)
      return undefined
    }
  }
}

function watchFolder(folder: string, onEvent: (name: string | null) => void): Watcher {
  return fsWatch(folder, { persistent: false }, (_event, name) => onEvent(name))
}

/** Maps each folder to the names in it that lead to one of the files. */
function entriesOf(files: readonly string[]): Map<string, Set<string>> {
  const entries = new Map<string, Set<string>>()
  for (const [folder, name] of files.flatMap((file) => [...entriesTo(file, maxLinks)])) {
    const names = entries.get(folder) ?? new Set()
    entries.set(folder, names.add(name))
  }
  return entries
}

/** The limit of Linux. A longer chain of links counts as a loop. */
const maxLinks = 40

/**
 * Yields every directory entry that decides what a path leads to: each symbolic link on the way, and the file itself or
 * the first missing folder. Example: `/etc/app/.env` → `..data/.env`, `..data` → `..2026_11_30`.
 */
function* entriesTo(path: string, left: number): Generator<[folder: string, name: string]> {
  const parts = path.split(sep)
  for (let length = 2; length <= parts.length; length++) {
    const prefix = parts.slice(0, length).join(sep)
    const target = linkTarget(prefix)
    if (target === undefined && length < parts.length && existsSync(prefix)) continue
    yield [dirname(prefix), basename(prefix)]
    if (target !== undefined && left > 0)
      yield* entriesTo(resolve(dirname(prefix), target, ...parts.slice(length)), left - 1)
    return
  }
}
