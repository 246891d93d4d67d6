import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Clock } from '../core/clock.ts'
import type { Captured, CaptureFiles } from './capture.ts'

export interface CaptureFilesOptions {
  /** Made when the first file is written, for the user alone. */
  folder: string
  /** How old files become, in milliseconds, and how many are kept. */
  retention: () => { age: number; rows: number }
  clock: Clock
  warn: (message: string, cause: unknown) => void
}

const sweepEveryMs = 60 * 60_000
const ending = '.json.gz'

/**
 * The bodies of requests as files, one for each request, that only the user can read. What fails is told to the log once
 * and costs no request.
 */
export function createCaptureFiles({ folder, retention, clock, warn }: CaptureFilesOptions): CaptureFiles {
  let isReady: Promise<void> | undefined
  let hasWarned = false
  let stopTimer = clock.after(0, () => void sweep())
  let isClosed = false

  return {
    async write(id, captured) {
      const path = pathOf(id)
      if (path === undefined) return
      try {
        isReady ??= mkdir(folder, { recursive: true, mode: 0o700 }).then(() => chmod(folder, 0o700))
        await isReady
        const temporary = `${path}.new`
        await writeFile(temporary, Bun.gzipSync(Buffer.from(JSON.stringify(captured))), { mode: 0o600 })
        await rename(temporary, path)
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
        return JSON.parse(gunzipSync(await readFile(path)).toString()) as Captured
      } catch {
        return undefined // there is no such file, or it is none of ours
      }
    },
    async close() {
      isClosed = true
      stopTimer()
    },
  }

  /** An id that could lead elsewhere has no file. */
  function pathOf(id: string): string | undefined {
    return /^[\w-]{1,100}$/.test(id) ? join(folder, id + ending) : undefined
  }

  /** Removes what is too old or too much, the oldest first. */
  async function sweep(): Promise<void> {
    try {
      const { age, rows } = retention()
      const names = (await readdir(folder)).filter((name) => name.endsWith(ending))
      const files = await Promise.all(
        names.map(async (name) => ({ path: join(folder, name), at: (await stat(join(folder, name))).mtimeMs })),
      )
      const oldestAt = clock.now() - age
      const newestFirst = files.toSorted((left, right) => right.at - left.at)
      for (const [index, { path, at }] of newestFirst.entries())
        if (index >= rows || at < oldestAt) await rm(path, { force: true })
    } catch {
      // Without the folder there is nothing to remove; another run tries again.
    }
    if (!isClosed) stopTimer = clock.after(sweepEveryMs, () => void sweep())
  }
}
