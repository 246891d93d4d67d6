import { closeSync, fstatSync, lstatSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { UsageError } from '../../config/usage-error.ts'
import { removeLeftovers } from '../replace-file.ts'

/** Longer than any download. The number of a process that was killed may belong to another one by now. */
const maxAgeMs = 24 * 3_600_000

/**
 * Does `work` while no other update of `target` runs, and then removes what is left beside it, also when a signal ends
 * this process. A file beside the target holds the number of the process; that of one that is gone counts for nothing.
 * Errors: UsageError if another one works on it; those of the file system.
 */
export async function withUpdateLock<Value>(target: string, work: () => Promise<Value>): Promise<Value> {
  const path = join(dirname(target), `.${basename(target)}.update`)
  const descriptor = acquired(path, target)
  const clear = () => {
    removeLeftovers(target)
    release(path, descriptor)
  }
  const stopListening = onceInterrupted(clear)
  try {
    writeFileSync(descriptor, `${process.pid}\n`)
    return await work()
  } finally {
    stopListening()
    clear()
  }
}

/** Before a signal ends this process, as it does anyway. */
function onceInterrupted(clear: () => void): () => void {
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const handler = () => {
      clear()
      process.exit(128 + constants.signals[signal])
    }
    process.once(signal, handler)
    return () => void process.off(signal, handler)
  })
  return () => {
    for (const stop of handlers) stop()
  }
}

function acquired(path: string, target: string): number {
  try {
    return openSync(path, 'wx', 0o644)
  } catch (cause) {
    if (!isTaken(cause)) throw cause
  }
  const holder = holderOf(path)
  if (holder !== undefined) throw taken(path, target, holder)
  rmSync(path, { force: true })
  try {
    return openSync(path, 'wx', 0o644)
  } catch (cause) {
    throw isTaken(cause) ? taken(path, target, 'unknown') : cause
  }
}

function isTaken(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
}

function taken(path: string, target: string, holder: number | 'unknown'): UsageError {
  const process = holder === 'unknown' ? '' : ` (process ${holder})`
  return new UsageError(
    `another zai2api update replaces ${target}${process}; wait for it, or remove ${path} if there is none`,
  )
}

/** The process that holds the lock, `unknown` if it has not written its number yet; `undefined` if it is gone. */
function holderOf(path: string): number | 'unknown' | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined || Date.now() - stats.mtimeMs > maxAgeMs) return undefined
  if (!stats.isFile() || stats.size > 20) return 'unknown'
  const pid = Number(readFileSync(path, 'utf8').trim())
  if (!Number.isSafeInteger(pid) || pid < 1) return 'unknown'
  return isAlive(pid) ? pid : undefined
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    // It belongs to somebody else.
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM'
  }
}

/** Another process may have taken the lock for one of a process that is gone. */
function release(path: string, descriptor: number): void {
  const own = fstatSync(descriptor)
  closeSync(descriptor)
  if (statSync(path, { throwIfNoEntry: false })?.ino === own.ino) rmSync(path, { force: true })
}
