import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { stateFolder } from '../config/folders.ts'
import { isRecord } from '../core/json.ts'
import type { ClientTarget } from './clients/setup.ts'
import { writePrivateFile } from './write-private-file.ts'

/**
 * A client with a setting that only its own file can change. It runs in a home directory of its own, with its own
 * version of that file.
 */
export interface ClientHome {
  /** The variable that names the home: `GEMINI_CLI_HOME`. */
  variable: string
  /** The client's folder in a home, and its settings in that: `.gemini`, `settings.json`. */
  folder: string
  file: string
  /** The variable names the client's folder itself, and not the home that it is in. */
  isFolder?: true
  /** Takes precedence over the user's settings. */
  settings(target: ClientTarget): Record<string, unknown>
}

type Env = Record<string, string | undefined>

/**
 * Creates the client's home directory in the state folder and returns its path. Its folder links to everything in the
 * user's own folder except the settings, which are copied from the user's and extended with ours. Returns nothing if
 * there is no state folder. Errors: those of the file system.
 */
export function makeClientHome(name: string, home: ClientHome, target: ClientTarget, env: Env): string | undefined {
  const state = stateFolder(env)
  const user = (home.isFolder ? undefined : env[home.variable]) ?? env.HOME ?? env.USERPROFILE
  if (state === undefined || user === undefined) return undefined
  const path = join(state, `${name}-home`)
  const given = home.isFolder && env[home.variable]
  const own = given || join(user, home.folder)
  const folder = home.isFolder ? path : join(path, home.folder)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const entry of entriesOf(own)) if (entry !== home.file) link(join(own, entry), join(folder, entry))
  const settings = merged(readSettings(join(own, home.file)), home.settings(target))
  writePrivateFile(join(folder, home.file), `${JSON.stringify(settings, undefined, 2)}\n`)
  return path
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function link(target: string, path: string): void {
  // Left by an earlier run, or written by the client since.
  if (lstatSync(path, { throwIfNoEntry: false })) return
  try {
    symlinkSync(target, path, lstatSync(target).isDirectory() ? 'junction' : 'file')
  } catch {
    // Windows lets only administrators create links to files, so the client runs without the linked file.
  }
}

/** The file may have comments. One that cannot be read is left out, as the client would refuse it. */
function readSettings(path: string): Record<string, unknown> {
  try {
    const settings: unknown = Bun.JSONC.parse(readFileSync(path, 'utf8'))
    return isRecord(settings) ? settings : {}
  } catch {
    return {}
  }
}

function merged(below: Record<string, unknown>, above: Record<string, unknown>): Record<string, unknown> {
  const members = Object.entries(above).map(([name, value]): [string, unknown] => {
    const other = below[name]
    return [name, isRecord(value) && isRecord(other) ? merged(other, value) : value]
  })
  return { ...below, ...Object.fromEntries(members) }
}
