import { chmodSync, closeSync, openSync, statSync } from 'node:fs'

/**
 * Creates the file of a database if it is missing, or takes all others' rights from it: only the user may read it. SQLite
 * creates its other files with the mode of this one. On Windows the folder decides who can read it.
 *
 * Errors: those of the file system if it cannot be created. `warn` is told of files that stay readable.
 */
export function makePrivateFile(path: string, warn: (message: string, cause: unknown) => void): void {
  closeSync(openSync(path, 'a', 0o600))
  for (const file of [path, `${path}-wal`, `${path}-shm`]) makePrivate(file, warn)
}

function makePrivate(file: string, warn: (message: string, cause: unknown) => void): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & 0o077) === 0 || process.platform === 'win32') return
  try {
    chmodSync(file, 0o600)
  } catch (cause) {
    warn(`${file} can be read by others on this machine; make it private with chmod 600`, cause)
  }
}
