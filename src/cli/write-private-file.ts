import { chmodSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Writes a file that only this user can read. It is replaced in one step, so that no reader sees half of it; of a
 * symbolic link, the target is replaced. Missing folders are created. Errors: those of the file system.
 */
export function writePrivateFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const target = targetOf(path)
  const fresh = `${target}.${process.pid}`
  try {
    writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' })
    // The umask may have removed bits of the mode.
    chmodSync(fresh, 0o600)
    renameSync(fresh, target)
  } finally {
    rmSync(fresh, { force: true })
  }
}

function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
