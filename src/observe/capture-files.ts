import type { Stats } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Clock } from '../core/clock.ts'
import type { Captured, CaptureFiles } from './capture.ts'

export interface CaptureFilesOptions {
  /** Created when the first file is written, readable only by this user. */
  folder: string
  /** How old files become, in milliseconds, how many are kept, and their bytes together. */
  retention: () => { age: number; rows: number; bytes: number }
  clock: Clock
  warn: (message: string, cause: unknown) => void
}

const sweepEveryMs = 60 * 60_000
const ending = '.json.gz'
/** The ending of a file that is being written. A file that keeps it was left by a process that was killed. */
const unfinished = `${ending}.new`
const unfinishedMs = 10 * 60_000
/** The share of the space that a sweep leaves in use, so that not every new file needs another sweep. */
const sweptShare = 0.9
/** The least that a file takes on most disks. */
const blockBytes = 4_096

/**
 * The bodies of requests as files, one for each request, that only the user can read. What fails is told to the log once
 * and costs no request.
 */
export function createCaptureFiles({ folder, retention, clock, warn }: CaptureFilesOptions): CaptureFiles {
  let isReady: Promise<void> | undefined
  let hasWarned = false
  let stopTimer = clock.after(0, sweepRegularly)
  let isClosed = false
  /** The size as far as it is known; each sweep measures it again. */
  let usedBytes = 0
  let sweeping: Promise<void> | undefined

  return {
    async write(id, captured) {
      const path = pathOf(id)
      if (path === undefined) return
      try {
        isReady ??= mkdir(folder, { recursive: true, mode: 0o700 }).then(() => chmod(folder, 0o700))
        await isReady
        const temporary = path.slice(0, -ending.length) + unfinished
        const bytes = Bun.gzipSync(Buffer.from(JSON.stringify(captured)))
        await writeFile(temporary, bytes, { mode: 0o600 })
        await rename(temporary, path)
        usedBytes += roomOf(bytes.length)
        if (usedBytes > retention().bytes) await sweepOnce()
      } catch (cause) {
        isReady = undefined
        if (!hasWarned) warn('captured bodies cannot be written', cause)
        hasWarned = true
        throw cause
      }
    },
    async read(id) {
      const path = pathOf(id)
      if (path === undefined) return undefined
      try {
        const captured: Captured = JSON.parse(gunzipSync(await readFile(path)).toString())
        // Files of earlier versions have another shape.
        return Array.isArray(captured.bodies) ? captured : undefined
      } catch {
        return undefined // there is no such file, or it is none of ours
      }
    },
    usedBytes: () => usedBytes,
    async close() {
      isClosed = true
      stopTimer()
    },
  }

  /** An id that could lead elsewhere has no file. */
  function pathOf(id: string): string | undefined {
    return /^[\w-]{1,100}$/.test(id) ? join(folder, id + ending) : undefined
  }

  function sweepRegularly(): void {
    void sweepOnce().finally(() => {
      if (!isClosed) stopTimer = clock.after(sweepEveryMs, sweepRegularly)
    })
  }

  function sweepOnce(): Promise<void> {
    sweeping ??= sweep().finally(() => {
      sweeping = undefined
    })
    return sweeping
  }

  /** Removes what is too old or too much, the oldest first. Never rejects. */
  async function sweep(): Promise<void> {
    try {
      const { age, rows, bytes } = retention()
      const names = await readdir(folder)
      const files = await Promise.all(names.map(async (name) => ({ name, stats: await stat(join(folder, name)) })))
      const now = clock.now()
      for (const { name, stats } of files)
        if (name.endsWith(unfinished) && stats.mtimeMs < now - unfinishedMs) await remove(name)
      const ours = files.filter(({ name }) => name.endsWith(ending))
      const total = ours.reduce((sum, { stats }) => sum + roomOf(stats.size), 0)
      const room = total > bytes ? bytes * sweptShare : bytes
      usedBytes = 0
      let isFull = false
      for (const [index, { name, stats }] of ours.toSorted(byAge).entries()) {
        isFull ||= index >= rows || stats.mtimeMs < now - age || usedBytes + roomOf(stats.size) > room
        if (isFull) await remove(name)
        else usedBytes += roomOf(stats.size)
      }
    } catch {
      // Without the folder there is nothing to remove; another run tries again.
    }
  }

  function remove(name: string): Promise<void> {
    return rm(join(folder, name), { force: true })
  }
}

function roomOf(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes
}

/** The newest first. */
function byAge({ stats: one }: { stats: Stats }, { stats: other }: { stats: Stats }): number {
  return other.mtimeMs - one.mtimeMs
}
