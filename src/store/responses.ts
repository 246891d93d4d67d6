import { Database } from 'bun:sqlite'
import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import type { StoredResponse } from '../core/dialect.ts'

/** Replies that clients may ask for again or continue. Never throws: without its database it forgets. */
export interface ResponseStore {
  put(kept: StoredResponse): void
  get(id: string): StoredResponse | undefined
  /** Whether there was something to delete. */
  delete(id: string): boolean
  close(): void
}

export interface ResponseStoreOptions {
  /** A file, or `:memory:`. */
  path: string
  /** Of the texts kept; the file is a little larger. */
  maxBytes: number
  maxRows: number
  maxAgeMs: number
  /** Milliseconds on a clock that lasts as long as the store: for a file, epoch milliseconds. */
  now: () => number
  /** Hears once what cannot be done, and again only after it could be in between. */
  warn: (message: string, cause: unknown) => void
}

/** Keeps nothing: `STORE=off`. */
export const noResponseStore: ResponseStore = { put() {}, get: () => undefined, delete: () => false, close() {} }

// An interface would lack the index signature that bindings need.
type Row = { reply: string; input: string }

/**
 * A bounded store in SQLite: when there is too much of it, the oldest go first.
 *
 * A process that is killed loses nothing it had stored (WAL); a power cut may lose the last few replies, not more
 * (`synchronous` NORMAL). Two gateways may share a file.
 * Errors: none. A database that is broken, locked or full is reported once to `warn`, and requests go on without it.
 */
export function createResponseStore(options: ResponseStoreOptions): ResponseStore {
  const { path, maxBytes, maxRows, maxAgeMs, now, warn } = options
  const failing = new Set<string>()
  const statements = attempt('opened', undefined, () => prepare(path, warn))
  if (!statements) return noResponseStore
  const { database, insert, select, remove, forgetOld, forgetOldest, size } = statements
  const oldest = () => now() - maxAgeMs

  return {
    put({ id, reply, input }) {
      attempt('written', undefined, () => {
        const row = { reply: JSON.stringify(reply), input: JSON.stringify(input) }
        const bytes = Buffer.byteLength(row.reply) + Buffer.byteLength(row.input)
        // Alone it would push out all the others, and then itself.
        if (bytes > maxBytes) return
        database.transaction(() => {
          insert.run({ id, at: now(), bytes, ...row })
          forgetOld.run({ oldest: oldest() })
          makeRoom()
        })()
      })
    },
    get(id) {
      return attempt('read', undefined, () => {
        const row = select.get({ id, oldest: oldest() })
        return row ? { id, reply: JSON.parse(row.reply), input: JSON.parse(row.input) } : undefined
      })
    },
    delete(id) {
      return attempt('written', false, () => remove.run({ id }).changes > 0)
    },
    close() {
      attempt('closed', undefined, () => database.close())
    },
  }

  function makeRoom(): void {
    let { rows, bytes } = size.get() ?? { rows: 0, bytes: 0 }
    while (rows > maxRows || bytes > maxBytes) {
      bytes -= forgetOldest.get()?.bytes ?? bytes
      rows--
    }
  }

  function attempt<T>(done: string, otherwise: T, work: () => T): T {
    try {
      const result = work()
      failing.delete(done)
      return result
    } catch (cause) {
      if (!failing.has(done)) warn(`The store ${path} could not be ${done}; replies are not kept meanwhile.`, cause)
      failing.add(done)
      return otherwise
    }
  }
}

/** How long to wait for another process that writes. Everything here blocks the gateway, so: not long. */
const lockWaitMs = 100

/** A file that was here before may have any mode; on Windows the folder decides who reads it. */
function makePrivate(file: string, warn: ResponseStoreOptions['warn']): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & 0o077) === 0 || process.platform === 'win32') return
  try {
    chmodSync(file, 0o600)
  } catch (cause) {
    warn(`${file} can be read by others on this machine; make it private with chmod 600`, cause)
  }
}

function prepare(path: string, warn: ResponseStoreOptions['warn']) {
  // Conversations are nobody else's business; SQLite's side files take the mode of this one.
  if (path !== ':memory:') {
    closeSync(openSync(path, 'a', 0o600))
    for (const file of [path, `${path}-wal`, `${path}-shm`]) makePrivate(file, warn)
  }
  const database = new Database(path, { create: true, strict: true })
  try {
    for (const statement of [
      `PRAGMA busy_timeout = ${lockWaitMs}`,
      'PRAGMA journal_mode = WAL',
      'PRAGMA synchronous = NORMAL',
      `CREATE TABLE IF NOT EXISTS responses (
        id TEXT PRIMARY KEY,
        at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        reply TEXT NOT NULL,
        input TEXT NOT NULL
      )`,
      // Holds all that the bounds are about, so that they never read the texts.
      'CREATE INDEX IF NOT EXISTS responses_by_age ON responses (at, bytes)',
    ])
      database.run(statement)
    return {
      database,
      insert: database.query<unknown, Row & { id: string; at: number; bytes: number }>(
        'INSERT OR REPLACE INTO responses (id, at, bytes, reply, input) VALUES ($id, $at, $bytes, $reply, $input)',
      ),
      forgetOld: database.query<unknown, { oldest: number }>('DELETE FROM responses WHERE at < $oldest'),
      // By their order and not by their dates: where the date was set back, the newest would be the oldest.
      forgetOldest: database.query<{ bytes: number }, []>(
        'DELETE FROM responses WHERE rowid = (SELECT min(rowid) FROM responses) RETURNING bytes',
      ),
      size: database.query<{ rows: number; bytes: number }, []>(
        'SELECT count(*) AS rows, total(bytes) AS bytes FROM responses',
      ),
      select: database.query<Row, { id: string; oldest: number }>(
        'SELECT reply, input FROM responses WHERE id = $id AND at >= $oldest',
      ),
      remove: database.query<unknown, { id: string }>('DELETE FROM responses WHERE id = $id'),
    }
  } catch (thrown) {
    database.close()
    throw thrown
  }
}
