import { Database } from 'bun:sqlite'
import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import { masterKeyId } from '../core/caller.ts'
import type { ResponseStore } from './responses.ts'

export interface SqliteOptions {
  /** A file, or `:memory:`. */
  path: string
  /** Of the texts kept; the file is a little larger. */
  maxBytes: number
  maxRows: number
  maxAgeMs: number
  /** Milliseconds on a clock that lasts as long as the store: for a file, epoch milliseconds. */
  now: () => number
  /** Hears of files that others can read. */
  warn: (message: string, cause: unknown) => void
}

// Interfaces would lack the index signature that bindings need.
type Row = { reply: string; input: string }
type Named = { id: string; owner: string }

/**
 * A bounded store in SQLite: when there is too much of it, the oldest go first. All work is done before a method
 * returns, so a promise of it costs no turn of the event loop.
 *
 * A process that is killed loses nothing it had stored (WAL); a power cut may lose the last few replies, not more
 * (`synchronous` NORMAL). Two gateways may share a file, one of them of an older version.
 * Errors: throws where it cannot be opened; methods reject with what SQLite throws.
 */
export function openSqliteResponses(options: SqliteOptions): ResponseStore {
  const { path, maxBytes, maxRows, maxAgeMs, now, warn } = options
  const { database, insert, select, remove, forgetOld, forgetOldest, size } = prepare(path, warn)
  const oldest = () => now() - maxAgeMs

  return {
    async put(owner, { id, reply, input }) {
      const row = { reply: JSON.stringify(reply), input: JSON.stringify(input) }
      const bytes = Buffer.byteLength(row.reply) + Buffer.byteLength(row.input)
      // Alone it would push out all the others, and then itself.
      if (bytes > maxBytes) return
      database.transaction(() => {
        insert.run({ id, owner, at: now(), bytes, ...row })
        forgetOld.run({ oldest: oldest() })
        makeRoom()
      })()
    },
    async get(owner, id) {
      const row = select.get({ id, owner, oldest: oldest() })
      return row ? { id, reply: JSON.parse(row.reply), input: JSON.parse(row.input) } : undefined
    },
    delete: async (owner, id) => remove.run({ id, owner }).changes > 0,
    close: async () => database.close(),
  }

  function makeRoom(): void {
    let { rows, bytes } = size.get() ?? { rows: 0, bytes: 0 }
    while (rows > maxRows || bytes > maxBytes) {
      bytes -= forgetOldest.get()?.bytes ?? bytes
      rows--
    }
  }
}

/** How long to wait for another process that writes. Everything here blocks the gateway, so: not long. */
const lockWaitMs = 100

/** A file that was here before may have any mode; on Windows the folder decides who reads it. */
function makePrivate(file: string, warn: SqliteOptions['warn']): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & 0o077) === 0 || process.platform === 'win32') return
  try {
    chmodSync(file, 0o600)
  } catch (cause) {
    warn(`${file} can be read by others on this machine; make it private with chmod 600`, cause)
  }
}

function prepare(path: string, warn: SqliteOptions['warn']) {
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
        input TEXT NOT NULL,
        owner TEXT NOT NULL DEFAULT '${masterKeyId}'
      )`,
      // Holds all that the bounds are about, so that they never read the texts.
      'CREATE INDEX IF NOT EXISTS responses_by_age ON responses (at, bytes)',
    ])
      database.run(statement)
    addOwners(database)
    return {
      database,
      insert: database.query<unknown, Row & Named & { at: number; bytes: number }>(
        'INSERT OR REPLACE INTO responses (id, at, bytes, reply, input, owner) VALUES ($id, $at, $bytes, $reply, $input, $owner)',
      ),
      forgetOld: database.query<unknown, { oldest: number }>('DELETE FROM responses WHERE at < $oldest'),
      // By their order and not by their dates: where the date was set back, the newest would be the oldest.
      forgetOldest: database.query<{ bytes: number }, []>(
        'DELETE FROM responses WHERE rowid = (SELECT min(rowid) FROM responses) RETURNING bytes',
      ),
      size: database.query<{ rows: number; bytes: number }, []>(
        'SELECT count(*) AS rows, total(bytes) AS bytes FROM responses',
      ),
      select: database.query<Row, Named & { oldest: number }>(
        'SELECT reply, input FROM responses WHERE id = $id AND owner = $owner AND at >= $oldest',
      ),
      remove: database.query<unknown, Named>('DELETE FROM responses WHERE id = $id AND owner = $owner'),
    }
  } catch (thrown) {
    database.close()
    throw thrown
  }
}

/**
 * Files of versions that knew no callers have no owners. What is in them, and what such a version still writes beside
 * this one, is the operator's own.
 */
function addOwners(database: Database): void {
  const column = database.query("SELECT 1 FROM pragma_table_info('responses') WHERE name = 'owner'")
  if (column.get() !== null) return
  // Another gateway may do the same at this moment.
  database
    .transaction(() => {
      if (column.get() === null)
        database.run(`ALTER TABLE responses ADD COLUMN owner TEXT NOT NULL DEFAULT '${masterKeyId}'`)
    })
    .immediate()
}
