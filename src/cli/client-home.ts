import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { stateFolder } from '../config/folders.ts'
import { isRecord } from '../core/json.ts'
import type { ClientTarget } from './clients/setup.ts'
import { writePrivateFile } from './write-private-file.ts'

/** A client with a setting that only its own file can change. It gets a home of its own, in which that file is another. */
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
 * Makes the home of a client in the state folder, and returns its path. Everything in the client's folder is the user's
 * own, by links, except the settings: those are the user's with ours on top. Without a state folder there is none.
 * Errors: those of the file system.
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
  // One of an earlier run, or what the client has written there since.
  if (lstatSync(path, { throwIfNoEntry: false })) return
  try {
    symlinkSync(target, path, lstatSync(target).isDirectory() ? 'junction' : 'file')
  } catch {
    // Windows links files for administrators only; the client does without.
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
