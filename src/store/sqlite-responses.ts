import { Database } from 'bun:sqlite'
import { masterKeyId } from '../core/caller.ts'
import type { StoredResponse, StoredResponseJson } from '../core/stored-conversation.ts'
import { createPrivateFile } from '../database/create-private-file.ts'
import { markAsOurs, rejectForeign } from '../database/file-ownership.ts'
import { jsonOf, responseOf } from './response-json.ts'
import type { LongSteps, ResponseChange, ResponseStore } from './responses.ts'

export interface SqliteResponsesOptions {
  /** A file, or `:memory:`. */
  path: string
  /** The most bytes of all stored texts. The file is a little larger. */
  maxBytes: number
  maxRows: number
  maxAgeMs: number
  /** The time in milliseconds. The clock must last as long as the store: for a file, epoch milliseconds. */
  now: () => number
  /** Absent: long replies are read and changed in one step. */
  longSteps?: LongSteps | undefined
  /** Called for files that other users can read. */
  warn: (message: string, cause: unknown) => void
}

// These are types and not interfaces, because the bindings of queries need an index signature.
type StoredTexts = { reply: string; input: string }
/** Each time a reply is stored it gets a new version. */
type Stored = { bytes: number; version: number }
type Row = StoredTexts & Stored
type Named = { id: string; owner: string }

/**
 * A bounded store in SQLite. When it is full, the oldest reply of the owner who has the most is deleted, so that nobody can
 * displace what others have stored within their share. Work on short replies is done synchronously, before a method
 * returns its promise.
 *
 * A killed process loses nothing that was stored (WAL). A power failure may lose the last few replies, but no others
 * (`synchronous` NORMAL). Two gateways may share a file, even if one is of an older version.
 * Errors: throws if the database cannot be opened, `ForeignFileError` if it is not this program's. Methods reject with the errors of SQLite.
 */
export function openSqliteResponses(options: SqliteResponsesOptions): ResponseStore {
  const { path, maxBytes, maxRows, maxAgeMs, now, longSteps, warn } = options
  const { database, insert, select, storedOf, remove, deleteExpired, largest, deleteOldest, size } = prepare(path, warn)
  const oldest = () => now() - maxAgeMs

  const rowOf = (owner: string, id: string): Row | undefined => select.get({ id, owner, oldest: oldest() }) ?? undefined
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
    const row = rowOf(owner, id)
    if (row === undefined) return undefined
    const changed = change(responseOf(id, row))
    write(owner, changed)
    return changed
  })
  /** Writes nothing if the reply is another one by now. */
  const replace = database.transaction(
    (version: number, owner: string, changed: StoredResponse, json: StoredResponseJson) => {
      if (storedOf.get({ id: changed.id, owner })?.version !== version) return false
      write(owner, changed, json)
      return true
    },
  )

  return {
    put: async (owner, response, json) => write(owner, response, json),
    async change(owner, id, change) {
      const known = storedOf.get({ id, owner })
      const steps = known && isLong(known) ? longSteps : undefined
      return steps ? await rewriteInSteps(owner, id, change, steps) : rewrite.immediate(owner, id, change)
    },
    async get(owner, id) {
      const row = rowOf(owner, id)
      if (row && isLong(row)) await longSteps?.pause()
      return row && responseOf(id, row)
    },
    delete: async (owner, id) => remove.run({ id, owner }).changes > 0,
    close: async () => database.close(),
  }

  /** Begins again if the reply was changed meanwhile. Whoever changed it has finished, so it comes to an end. */
  async function rewriteInSteps(
    owner: string,
    id: string,
    change: ResponseChange,
    steps: LongSteps,
  ): Promise<StoredResponse | undefined> {
    for (;;) {
      const row = rowOf(owner, id)
      if (row === undefined) return undefined
      await steps.pause()
      const stored = responseOf(id, row)
      await steps.pause()
      const changed = change(stored)
      const json = await steps.json(changed)
      if (replace.immediate(row.version, owner, changed, json)) return changed
    }
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

/** Bytes of a reply that takes longer than about 5 ms to be read or written. */
const longBytes = 1_000_000

function isLong({ bytes }: Stored): boolean {
  return bytes > longBytes
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
      insert: database.query<unknown, StoredTexts & Named & { at: number; bytes: number }>(
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
        'SELECT reply, input, bytes, rowid AS version FROM responses WHERE id = $id AND owner = $owner AND at >= $oldest',
      ),
      storedOf: database.query<Stored, Named>(
        'SELECT bytes, rowid AS version FROM responses WHERE id = $id AND owner = $owner',
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
