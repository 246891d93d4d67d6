import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { printable, UsageError } from '../../config/usage-error.ts'
import { putInPlace, removeLeftovers, writeBeside } from '../replace-file.ts'
import { withUpdateLock } from './lock.ts'

/** A file as it is before it is replaced. */
export interface ExecutableFile {
  /** Without links. */
  path: string
  stats: Stats
}

export interface Replacement {
  version: string
  /** Gets the executable, once it is known that no other update is at work. */
  bytes(): Promise<Uint8Array>
  /** Runs a file and gives what it prints as its version. Rejects with a reason if it does not run. */
  versionOf(path: string): Promise<string>
}

/** Errors: UsageError if there is no such file. */
export function executableFile(path: string): ExecutableFile {
  try {
    const real = realpathSync(path)
    return { path: real, stats: statSync(real) }
  } catch (cause) {
    // Linux gives the path of a running file that has been replaced with a word behind it.
    const name = path.replace(/ \(deleted\)$/, '')
    throw new UsageError(`${name} is not there any more; another program may have replaced it just now`, { cause })
  }
}

/**
 * Puts another executable in the place of one that may be running, with its owner and mode, after the new one has said
 * its version under another name. Until then, and after every failure, the old one stays.
 *
 * Errors: UsageError if another update runs, the folder may not be written to, or the new executable does not run.
 */
export async function replaceExecutable(file: ExecutableFile, replacement: Replacement): Promise<void> {
  try {
    await withUpdateLock(file.path, () => replaceAlone(file, replacement))
  } catch (cause) {
    throw cause instanceof UsageError ? cause : new UsageError(failure(file.path, cause), { cause })
  }
}

async function replaceAlone({ path, stats }: ExecutableFile, { version, bytes, versionOf }: Replacement) {
  // Of an update that was killed.
  removeLeftovers(path)
  const fresh = writeBeside(path, await bytes(), { mode: stats.mode & 0o7777, owner: stats })
  await mustSay(version, fresh, versionOf)
  const now = statSync(path, { throwIfNoEntry: false })
  if (now?.ino !== stats.ino || now.mtimeMs !== stats.mtimeMs)
    throw new UsageError(`${path} has been replaced by another program meanwhile; nothing was changed`)
  putInPlace(fresh, path)
}

async function mustSay(version: string, path: string, versionOf: Replacement['versionOf']): Promise<void> {
  const refusal = (reason: string) =>
    new UsageError(`the new executable does not say that it is ${version}, so the old one stays: ${reason}`)
  const output = await versionOf(path).catch((cause: unknown) => {
    throw refusal(messageOf(cause))
  })
  if (output.trim() !== `zai2api ${version}`) throw refusal(`it says ${printable(output.trim()) || 'nothing'}`)
}

/** What to do, by the code of the system. */
function failure(path: string, cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const folder = dirname(path)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return `there is no room for the new executable in ${folder}, so the old one stays`
  if (code === 'EACCES' || code === 'EPERM')
    return `you may not write to ${folder}, so the old one stays; start the update as ${process.platform === 'win32' ? 'administrator' : 'root (sudo)'}`
  if (code === 'EROFS') return `${folder} is on a file system that is read-only, so the old one stays`
  return `${path} cannot be replaced: ${messageOf(cause)}`
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
