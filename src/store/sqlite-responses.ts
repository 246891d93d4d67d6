import { Database } from 'bun:sqlite'
import { masterKeyId } from '../core/caller.ts'
import type { StoredResponse, StoredResponseJson } from '../core/stored-conversation.ts'
import { createPrivateFile } from '../database/create-private-file.ts'
import { markAsOurs, rejectForeign } from '../database/file-ownership.ts'
import { jsonOf } from './response-json.ts'
import type { ResponseChange, ResponseStore } from './responses.ts'

export interface SqliteResponsesOptions {
  /** A file, or `:memory:`. */
  path: string
  /** The most bytes of all stored texts. The file is a little larger. */
  maxBytes: number
  maxRows: number
  maxAgeMs: number
  /** The time in milliseconds. The clock must last as long as the store: for a file, epoch milliseconds. */
  now: () => number
  /** Called for files that other users can read. */
  warn: (message: string, cause: unknown) => void
}

// These are types and not interfaces, because the bindings of queries need an index signature.
type Row = { reply: string; input: string }
type Named = { id: string; owner: string }

/**
 * A bounded store in SQLite. When it is full, the oldest reply of the owner who has the most is deleted, so that nobody can
 * displace what others have stored within their share. All work is done synchronously, before a method returns its
 * promise.
 *
 * A killed process loses nothing that was stored (WAL). A power failure may lose the last few replies, but no others
 * (`synchronous` NORMAL). Two gateways may share a file, even if one is of an older version.
 * Errors: throws if the database cannot be opened, `ForeignFileError` if it is not this program's. Methods reject with the errors of SQLite.
 */
export function openSqliteResponses(options: SqliteResponsesOptions): ResponseStore {
  const { path, maxBytes, maxRows, maxAgeMs, now, warn } = options
  const { database, insert, select, remove, deleteExpired, largest, deleteOldest, size } = prepare(path, warn)
  const oldest = () => now() - maxAgeMs

  const find = (owner: string, id: string): StoredResponse | undefined => {
    const row = select.get({ id, owner, oldest: oldest() })
    return row ? { id, reply: JSON.parse(row.reply), input: JSON.parse(row.input) } : undefined
  }
  const write = database.transaction((owner: string, response: StoredResponse, json?: StoredResponseJson) => {
    const { id } = response
    const row = json ?? jsonOf(response)
    const bytes = Buffer.byteLength(row.reply) + Buffer.byteLength(row.input)
    // A reply larger than the store would displace all others and then itself.
    if (bytes > maxBytes) return
    insert.run({ id, owner, at: now(), bytes, ...row })
    deleteExpired.run({ oldest: oldest() })
    makeRoom()
  })
  const rewrite = database.transaction((owner: string, id: string, change: ResponseChange) => {
    const stored = find(owner, id)
    if (stored === undefined) return undefined
    const changed = change(stored)
    write(owner, changed)
    return changed
  })

  return {
    put: async (owner, response, json) => write(owner, response, json),
    change: async (owner, id, change) => rewrite.immediate(owner, id, change),
    get: async (owner, id) => find(owner, id),
    delete: async (owner, id) => remove.run({ id, owner }).changes > 0,
    close: async () => database.close(),
  }

  function makeRoom(): void {
    let { rows, bytes } = size.get() ?? { rows: 0, bytes: 0 }
    while (rows > maxRows || bytes > maxBytes) {
      const { owner = '' } = largest.get({ byRows: rows > maxRows ? 1 : 0 }) ?? {}
      bytes -= deleteOldest.get({ owner })?.bytes ?? bytes
      rows--
    }
  }
}

/** The time to wait while another process writes. It is short, because waiting blocks the gateway. */
const lockWaitMs = 100

function prepare(path: string, warn: SqliteResponsesOptions['warn']) {
  if (path !== ':memory:') {
    rejectForeign(path, ['responses', 'responses_by_age'], 'STORE')
    createPrivateFile(path, warn)
  }
  const database = new Database(path, { create: true, strict: true })
  try {
    database.run(`PRAGMA busy_timeout = ${lockWaitMs}`)
    if (path !== ':memory:') markAsOurs(database)
    for (const statement of [
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
      // The index has all columns that the limits need, so that enforcing them does not read the texts.
      'CREATE INDEX IF NOT EXISTS responses_by_age ON responses (at, bytes)',
    ])
      database.run(statement)
    addOwners(database)
    database.run('CREATE INDEX IF NOT EXISTS responses_by_owner ON responses (owner, bytes)')
    return {
      database,
      insert: database.query<unknown, Row & Named & { at: number; bytes: number }>(
        'INSERT OR REPLACE INTO responses (id, at, bytes, reply, input, owner) VALUES ($id, $at, $bytes, $reply, $input, $owner)',
      ),
      deleteExpired: database.query<unknown, { oldest: number }>('DELETE FROM responses WHERE at < $oldest'),
      largest: database.query<{ owner: string }, { byRows: number }>(
        'SELECT owner FROM responses GROUP BY owner ORDER BY iif($byRows, count(*), total(bytes)) DESC LIMIT 1',
      ),
      // In the order of insertion. By date, the newest reply would be deleted after the clock was set back.
      deleteOldest: database.query<{ bytes: number }, { owner: string }>(
        'DELETE FROM responses WHERE rowid = (SELECT min(rowid) FROM responses WHERE owner = $owner) RETURNING bytes',
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
 * Adds the column for owners to a file of an older version. The replies in it, and those that an older gateway still
 * writes to the file, belong to the operator.
 */
function addOwners(database: Database): void {
  const column = database.query("SELECT 1 FROM pragma_table_info('responses') WHERE name = 'owner'")
  if (column.get() !== null) return
  // A transaction with a second check, because another gateway may do the same at this moment.
  database
    .transaction(() => {
      if (column.get() === null)
        database.run(`ALTER TABLE responses ADD COLUMN owner TEXT NOT NULL DEFAULT '${masterKeyId}'`)
    })
    .immediate()
}
