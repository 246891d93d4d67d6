import { join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { DatabaseError, databaseError } from './errors.ts'
import type { Database, ServerState } from './sql.ts'
import { openSqlite, type SqliteOptions } from './sqlite.ts'

export interface DatabaseOptions {
  /** `memory`, `sqlite:PATH` or `postgres://…`; `undefined` for a file in `folder`. */
  url: string | undefined
  /** The user's folder for data that outlives a run. Without a folder the database is in memory. */
  folder: string | undefined
  clock: Clock
  /** Fails if the file cannot be used, instead of continuing in memory. */
  isLasting?: true
  warn: (message: string, cause?: unknown) => void
}

/**
 * Opens the database of the gateway and brings it up to date. If the file cannot be written, `warn` is called and the
 * database is in memory. If another process has locked the file, opening waits for some seconds.
 *
 * Errors: an Error for a user if `url` is none of these, a PostgreSQL server cannot be used, a file stays locked, or a
 * newer version of this program made the tables.
 */
export async function openDatabase({ url, folder, clock, isLasting, warn }: DatabaseOptions): Promise<Database> {
  // The value is left out of messages, because it may hold a password.
  if (url !== undefined && serverPattern.test(url)) {
    if (!URL.canParse(url) || brokenPassword.test(url)) throw new Error(unreadableUrl)
    return await openServer(url, clock, warn)
  }
  if (url !== undefined && !/^(memory|sqlite:.+)$/.test(url))
    throw new Error('DATABASE_URL must be memory, sqlite:PATH or postgres://user:password@host/name.')
  const path = pathIn(url, folder)
  try {
    return await openUnlocked({
      ...{ path, clock, warn },
      ...(url === undefined ? { isOwnPlace: true } : {}),
      ...(isLasting ? { isLasting } : {}),
    })
  } catch (thrown) {
    const error = databaseError(thrown)
    const isOfFiles = error instanceof Error && 'syscall' in error
    if (!(error instanceof DatabaseError) && !isOfFiles) throw error
    if (error instanceof DatabaseError && error.problem === 'locked') throw stillLocked(path, error)
    if (isLasting) throw new Error(`The database ${path} cannot be used: ${error.message}`, { cause: error })
    warn(`${path} cannot be used; keys, usage and the list of requests are in memory, gone with the process`, error)
    return openSqlite({ path: ':memory:', clock, warn })
  }
}

const serverPattern = /^postgres(?:ql)?:\/\//
/**
 * A password with `/`, `?` or `#` ends the part of the host. If it begins with digits, they are then the port, and the
 * user is the host.
 */
const brokenPassword = /^[a-z]+:\/\/[^@/?#]*:[^@/?#]*[/?#].*@[^/]*\//s
const unreadableUrl =
  'DATABASE_URL cannot be read as postgres://user:password@host/name. In its user and password, write %23 for #, %2F for /, %3F for ?, %40 for @ and %25 for %.'

/** The total wait for a locked file, the pause between two attempts, and how long an attempt may block this process. */
const lockedMs = 5_000
const tryEveryMs = 250
const openingWaitMs = 100

/**
 * Opens a file once no other process has locked it. It does not continue in memory, because then every key of the file
 * would be refused, and every new key would be lost. Errors: those of `openSqlite`.
 */
async function openUnlocked(options: SqliteOptions): Promise<Database> {
  const { path, clock, warn } = options
  const startedAt = clock.monotonic()
  for (let attempt = 1; ; attempt++) {
    try {
      return openSqlite({ ...options, openingWaitMs })
    } catch (thrown) {
      const error = databaseError(thrown)
      const isLocked = error instanceof DatabaseError && error.problem === 'locked'
      if (!isLocked || clock.monotonic() - startedAt >= lockedMs) throw error
      if (attempt === 1) warn(`${path} is locked by another process; waiting for it, up to ${lockedMs / 1_000} seconds`)
      await new Promise<void>((resolve) => clock.after(tryEveryMs, resolve))
    }
  }
}

function stillLocked(path: string, cause: DatabaseError): Error {
  return new Error(
    `The database ${path} is still locked by another process after ${lockedMs / 1_000} seconds, so its keys and budgets cannot be used. End that process (\`fuser ${path}\` names it), or give DATABASE_URL another file.`,
    { cause },
  )
}

/** The path of the database file if DATABASE_URL is not set. */
const fileName = 'zai2api.sqlite'

/** The path of the SQLite file, or `:memory:`. */
export function pathIn(url: string | undefined, folder: string | undefined): string {
  if (url?.startsWith('sqlite:')) return url.slice('sqlite:'.length)
  return url === 'memory' || folder === undefined ? ':memory:' : join(folder, fileName)
}

const newsOf: Record<ServerState, string> = {
  usable: 'can be reached again, and written',
  'read-only': 'is read-only; what has to be stored waits until it can be written',
  away: 'cannot be reached; what has to be stored waits until it can',
}

async function openServer(url: string, clock: Clock, warn: DatabaseOptions['warn']): Promise<Database> {
  // Loaded only when needed, because loading it makes the start slower.
  const { openPostgres } = await import('./postgres.ts')
  const { host } = new URL(url)
  const onChange = (state: ServerState, cause: unknown) => warn(`the database at ${host} ${newsOf[state]}`, cause)
  const onRefusal = (cause: Error) =>
    warn(`the database at ${host} refuses a part of what it is asked; what depends on it does not work`, cause)
  try {
    return await openPostgres({ url, clock, onChange, onRefusal })
  } catch (cause) {
    const reason = cause instanceof DatabaseError && cause.cause instanceof Error ? cause.cause : cause
    throw new Error(
      `The database of DATABASE_URL at ${host} cannot be used: ${reason instanceof Error ? reason.message : reason}`,
      { cause },
    )
  }
}
