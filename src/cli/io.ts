import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { systemClock } from '../async/system-clock.ts'
import type { Surroundings } from '../config/sources.ts'
import { batchedWriter, type Text } from './batched-writer.ts'
import { readConfigFile } from './config-files.ts'
import { type Losses, output } from './output.ts'

/** All that a command touches of the process it runs in. */
export interface Io extends Surroundings {
  /** Both write the text as it is. */
  stdout(text: string): void
  /** `mayWait` is for lines that may come many at a time: they are out in a moment, in order with all else. */
  stderr(text: Text, mayWait?: boolean): void
  stderrLosses?: Losses
  version: string
}

/** The real process: the only place that reads its environment. */
export function systemIo(version: string): Io {
  const lossy = output(process.stderr)
  const stderr = batchedWriter(lossy.write, systemClock)
  process.on('exit', stderr.flush)
  return {
    env: ownEnvironment(process.cwd()),
    cwd: process.cwd(),
    readFile: readConfigFile,
    realPath: (path) => realPath(path),
    stdout: (text) => void process.stdout.write(text),
    stderr: stderr.write,
    stderrLosses: lossy.losses,
    version,
  }
}

/**
 * The environment the process was started with. When run from source, Bun adds the variables of the `.env` files in the
 * working directory. They are removed again, because they would pass for the user's own, and Bun's requests would use a
 * proxy named there. The executable is built without that feature.
 */
function ownEnvironment(cwd: string): Record<string, string | undefined> {
  const added = isCompiled ? [] : namesAddedTo(process.env, cwd)
  for (const name of added) delete process.env[name]
  return process.env
}

const isCompiled = /^\/\$bunfs\/|[\\/]~BUN[\\/]/.test(import.meta.path)

function namesAddedTo(env: Record<string, string | undefined>, cwd: string): string[] {
  const modes = ['', '.development', '.production', '.test']
  const files = modes.flatMap((mode) => [`.env${mode}`, `.env${mode}.local`])
  const texts = files.flatMap((file) => readFileOr(join(cwd, file), '') || [])
  if (texts.length === 0) return []
  const started = startEnvironment()
  if (started) return Object.keys(env).filter((name) => !started.has(name))
  // Without that list, a variable with the value of the file counts as the file's, and so does one Bun may have expanded.
  const said = texts.flatMap((text) => Object.entries(parseEnv(text)))
  return said.flatMap(([name, value = '']) => (env[name] === value || value.includes('$') ? [name] : []))
}

/** The names of the variables at the start. Only Linux keeps them. */
function startEnvironment(): Set<string> | undefined {
  const text = readFileOr('/proc/self/environ', undefined)
  return text === undefined ? undefined : new Set(text.split('\0').map((entry) => entry.split('=', 1)[0] ?? ''))
}

function readFileOr<Other>(path: string, other: Other): string | Other {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return other
  }
}

/** The limit of Linux; a longer chain is a loop. */
const mostLinks = 40

/** For a missing file, the path it would have, behind however many links. */
export function realPath(path: string, left = mostLinks): string {
  try {
    return realpathSync(path)
  } catch {
    const folder = dirname(path)
    if (folder === path) return path
    const target = linkTarget(path)
    if (target === undefined || left === 0) return join(realPath(folder, left), basename(path))
    return realPath(resolve(realPath(folder, left), target), left - 1)
  }
}

/** Where a symbolic link leads; `undefined` for what is no link, or not there at all. */
export function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
