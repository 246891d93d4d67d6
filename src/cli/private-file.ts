import { chmodSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Writes a file that only this user can read, and replaces it in one step, so that no reader sees half of it. A symbolic
 * link stays, and its target is replaced. Folders that are missing are made. Errors: those of the file system.
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
