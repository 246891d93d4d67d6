import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'

export interface FileAttributes {
  mode: number
  /** Default: this process. Kept as far as the system allows it. */
  owner?: { uid: number; gid: number }
}

/**
 * Writes a new file into the folder of `target` and gives its path, for `putInPlace`. The bytes are on the disk when it
 * returns. Errors: those of the file system; then there is no new file.
 */
export function writeBeside(target: string, bytes: Uint8Array, attributes: FileAttributes): string {
  // With the extension, which Windows wants of a program.
  const path = join(dirname(target), `.${basename(target)}.${randomName()}.new${extname(target)}`)
  // Exclusive: whatever lies in wait under this name, a link above all, is refused and not followed.
  const descriptor = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(descriptor, bytes)
    setAttributes(descriptor, attributes)
    fsyncSync(descriptor)
  } catch (thrown) {
    rmSync(path, { force: true })
    throw thrown
  } finally {
    closeSync(descriptor)
  }
  return path
}

/**
 * Gives a file that `writeBeside` has made the name of its target. There is one of the two under that name at every
 * moment, but on Windows, which does not let a running file be overwritten: there it is moved away before, and back if
 * the new one cannot take its place.
 */
export function putInPlace(fresh: string, target: string, platform: string = process.platform): void {
  if (platform === 'win32' && existsSync(target)) {
    exchange(fresh, target)
    return
  }
  renameSync(fresh, target)
  if (platform !== 'win32') syncFolder(dirname(target))
}

function exchange(fresh: string, target: string): void {
  const old = `${target}.${randomName()}.old`
  renameSync(target, old)
  try {
    renameSync(fresh, target)
  } catch (cause) {
    bringBack(old, target, cause)
  }
  // A file that runs cannot be removed; `removeLeftovers` does it the next time.
  removeIfPossible(old)
}

/** Removes what a process has left beside `target` that was killed, and on Windows the file that ran at that time. */
export function removeLeftovers(target: string): void {
  const name = basename(target)
  for (const each of readdirSync(dirname(target))) {
    const isFresh = each.startsWith(`.${name}.`) && /^\.[0-9a-f]{12}\.new(?:\.exe)?$/.test(each.slice(name.length + 1))
    const isOld = each.startsWith(`${name}.`) && /^\.[0-9a-f]{12}\.old$/.test(each.slice(name.length))
    if (isFresh || isOld) removeIfPossible(join(dirname(target), each))
  }
}

function randomName(): string {
  return randomBytes(6).toString('hex')
}

function setAttributes(descriptor: number, { mode, owner }: FileAttributes): void {
  const now = fstatSync(descriptor)
  let kept = mode
  if (owner !== undefined && (now.uid !== owner.uid || now.gid !== owner.gid))
    try {
      fchownSync(descriptor, owner.uid, owner.gid)
    } catch {
      // Only root gives files away. A bit that lends the rights of the owner must not lend those of another one.
      kept &= 0o777
    }
  // After the owner, whose change takes such bits away.
  fchmodSync(descriptor, kept)
}

/** So that the new name is there after a power failure, too. */
function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } catch {
    // Some file systems cannot do so for folders.
  } finally {
    closeSync(descriptor)
  }
}

function bringBack(old: string, target: string, cause: unknown): never {
  try {
    renameSync(old, target)
  } catch {
    throw new Error(`${old} is what was ${target}; rename it back (${messageOf(cause)})`, { cause })
  }
  throw cause
}

function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {}
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
