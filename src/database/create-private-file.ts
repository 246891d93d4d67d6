import { chmodSync, closeSync, openSync, statSync } from 'node:fs'

/**
 * Creates a database's file if it is missing, and makes it readable only by this user. SQLite creates its other files
 * with the mode of this one. On Windows the folder decides who can read it.
 *
 * Calls `warn` if other users can still read the file. Errors: those of the file system if the file cannot be created.
 */
export function createPrivateFile(path: string, warn: (message: string, cause: unknown) => void): void {
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
