import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { systemClock } from '../async/system-clock.ts'
import type { ProcessEnvironment } from '../config/sources.ts'
import type { Terminal } from '../observe/short-lines.ts'
import { type AskUser, askAtTerminal } from './ask-user.ts'
import { batchedWriter, type LazyText } from './batched-writer.ts'
import { readConfigFile } from './config-files.ts'
import { type Losses, output } from './output.ts'
import { terminalStream } from './terminal-stream.ts'

/** Everything that a command uses of its process. */
export interface Io extends ProcessEnvironment {
  /** Writes the text unchanged, as does `stderr`. */
  stdout(text: string): void
  /** With `mayWait`, the text may be delayed by up to 50 ms to be written together with others. The order is kept. */
  stderr(text: LazyText, mayWait?: boolean): void
  stderrLosses?: Losses
  /** What standard error is shown on; absent for a file or a pipe. `stdoutTerminal` likewise. */
  stderrTerminal?: Terminal
  stdoutTerminal?: Terminal
  version: string
  /** The path of the compiled executable; absent when run from source. */
  executable?: string
  /** Absent where nobody sits at a terminal. */
  ask?: AskUser
  /** How this program is called on a command line. Default: `zai2api`. */
  self?: string
}

export interface SystemIo extends Io {
  /** Resolves once a reader has taken everything, or is gone. A pipe takes 64 KB at a time, and `exit` drops the rest. */
  stdoutWritten(): Promise<unknown>
}

/** The `Io` of the real process. Nothing else reads the environment. */
export function systemIo(version: string): SystemIo {
  let lastWrite: Promise<unknown> = Promise.resolve()
  const lossy = output((process.stderr.isTTY ? terminalStream(2, systemClock) : undefined) ?? process.stderr)
  const stderr = batchedWriter(lossy.write, systemClock)
  process.on('exit', stderr.flush)
  // Its reader may have closed it, as `head` does.
  process.stdout.on('error', () => {})
  return {
    env: ownEnvironment(process.cwd()),
    cwd: process.cwd(),
    readFile: readConfigFile,
    realPath: (path) => realPath(path),
    isOpenToAll,
    stdout(text) {
      lastWrite = new Promise((resolve) => process.stdout.write(text, resolve))
    },
    stdoutWritten: () => lastWrite,
    stderr: stderr.write,
    stderrLosses: lossy.losses,
    ...(process.stderr.isTTY ? { stderrTerminal: terminalOf(process.env) } : {}),
    ...(process.stdout.isTTY ? { stdoutTerminal: terminalOf(process.env) } : {}),
    ...(process.stdin.isTTY && process.stdout.isTTY ? { ask: askAtTerminal } : {}),
    ...(isCompiled ? { executable: process.execPath } : {}),
    version,
    self: selfIn(process.env.PATH ?? '', process.cwd()),
  }
}

function selfIn(path: string, cwd: string): string {
  const main = isCompiled ? [] : [relative(cwd, fileURLToPath(new URL('../main.ts', import.meta.url)))]
  if (isCompiled && sameFile(Bun.which('zai2api', { PATH: path, cwd }), process.execPath)) return 'zai2api'
  const near = relative(cwd, nearestBun(cwd))
  // A path without a slash would be looked for on the PATH.
  const executable = near.startsWith('..') ? process.execPath : `.${sep}${near}`
  return [executable, ...main].join(' ')
}

/** The link that npm makes, where it leads to this executable: the file behind it is called `bun.exe` on every system. */
function nearestBun(cwd: string): string {
  const link = join(cwd, 'node_modules', '.bin', 'bun')
  return sameFile(link, process.execPath) ? link : process.execPath
}

function sameFile(one: string | null, other: string): boolean {
  return one !== null && realPath(one) === realPath(other)
}

/** See no-color.org; a dumb terminal shows the codes themselves. */
function terminalOf({ NO_COLOR, TERM }: Io['env']): Terminal {
  return NO_COLOR || TERM === 'dumb' ? 'plain' : 'colour'
}

/**
 * The environment the process was started with. When run from source, Bun adds the variables of the `.env` files in the
 * working directory. They are removed again, because they would count as set by the user, and Bun would use a proxy
 * that is named there. The executable is built without that feature.
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
  // Without that list, a variable counts as added if it has the value of a file, or if Bun may have expanded the value.
  const entries = texts.flatMap((text) => Object.entries(parseEnv(text)))
  return entries.flatMap(([name, value = '']) => (env[name] === value || value.includes('$') ? [name] : []))
}

/** The names of the variables that the process was started with; `undefined` on systems other than Linux. */
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

/** The limit of Linux. A longer chain of links counts as a loop. */
const maxLinks = 40

/** Resolves all symbolic links. For a missing file, the result is the path at which it would be created. */
export function realPath(path: string, left = maxLinks): string {
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

/** Whether every user may read this file, and pass all folders above it. Windows has no such modes. */
export function isOpenToAll(path: string): boolean {
  if (process.platform === 'win32') return false
  try {
    const real = realpathSync(path)
    const stat = statSync(real)
    return (
      stat.isFile() &&
      (stat.mode & 0o004) !== 0 &&
      foldersAbove(real).every((each) => (statSync(each).mode & 0o001) !== 0)
    )
  } catch {
    return false
  }
}

function foldersAbove(path: string): string[] {
  const folder = dirname(path)
  return folder === path ? [] : [folder, ...foldersAbove(folder)]
}

/** The target of a symbolic link; `undefined` if the path is no link or does not exist. */
export function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
