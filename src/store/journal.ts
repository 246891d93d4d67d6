import { Database as Connection } from 'bun:sqlite'
import type { Clock } from '../core/clock.ts'
import { createPrivateFile } from '../database/create-private-file.ts'
import { markAsOurs, rejectForeign } from '../database/file-ownership.ts'
import type { Sql } from '../database/sql.ts'

/** The data that waits while the database is away: costs of calls, and rows of the request list. */
export type JournalKind = 'costs' | 'requests'

export interface JournalEntry {
  id: string
  /** JSON. */
  text: string
}

/**
 * Entries that outlive the process, until they are removed. Several gateways of one user share the journal, and each
 * may store entries that another has left, so storing an entry twice must have no effect. Entries for another database
 * are not touched.
 */
export interface Journal {
  /** Whether entries outlive the process. */
  readonly isLasting: boolean
  /** Adds an entry, or replaces the one with this id. Above the limit the oldest entries are dropped. */
  add(kind: JournalKind, entry: JournalEntry): void
  /** The oldest entries, at most `limit`. */
  oldest(kind: JournalKind, limit: number): JournalEntry[]
  remove(kind: JournalKind, ids: readonly string[]): void
  count(kind: JournalKind): number
  close(): void
}

export interface JournalOptions {
  /** A file in the user's folder for data that outlives a run. Without a file the entries are in memory. */
  path: string | undefined
  /** The database that the entries wait for: see `databaseId`. */
  database: string
  clock: Clock
  warn: (message: string, cause: unknown) => void
  /** The most entries of each kind. */
  mostEntries?: number
}

/** The id of a database, which is the same at any address. Errors: those of the database. */
export async function databaseId(sql: Sql): Promise<string> {
  const [row] = await sql<{ id: string }>`SELECT id FROM identity`
  if (row === undefined) throw new Error('the database has lost its id: its table identity is empty')
  return row.id
}

const kinds: readonly JournalKind[] = ['costs', 'requests']

/** At most 20 MB of costs, and 100 MB of requests. */
const usualMost = 100_000
/** The database remembers counted costs for a day longer: see `settlementAgeMs`. */
const mostAgeMs = 29 * 24 * 3_600_000
const flushMs = 1_000

/**
 * A SQLite file that only its owner can read. An entry is written to the operating system before `add` returns, so a
 * killed process loses none. It reaches the disk within a second, so a power failure may lose the last second.
 *
 * If the file cannot be used, `warn` is called once, and the entries are in memory.
 */
export function openJournal(options: JournalOptions): Journal {
  const { path, database, clock, warn, mostEntries = usualMost } = options
  let isFailing = false
  let connection = opened(path)
  let isLasting = path !== undefined && connection.filename !== ':memory:'
  write(() => {
    for (const kind of kinds) {
      connection.query(`DELETE FROM ${kind} WHERE at < ?1`).run(clock.now() - mostAgeMs)
      // Older versions did not store which database the entries wait for.
      connection.query(`UPDATE ${kind} SET database = ?1 WHERE database = ''`).run(database)
    }
  })
  let stopFlush: (() => void) | undefined
  let added = 0
  // Counting a hundred thousand entries takes milliseconds.
  const boundEvery = Math.max(1, Math.floor(mostEntries / 1_000))

  return {
    get isLasting() {
      return isLasting
    },
    add(kind, { id, text }) {
      write(() => {
        connection
          .query(`INSERT OR REPLACE INTO ${kind} (id, at, entry, database) VALUES (?1, ?2, ?3, ?4)`)
          .run(id, clock.now(), text, database)
        if (++added % boundEvery === 0) dropOldest(kind)
      })
      stopFlush ??= clock.after(flushMs, flush)
    },
    oldest: (kind, limit) =>
      connection
        .query<JournalEntry, [string, number]>(
          `SELECT id, entry AS text FROM ${kind} WHERE database = ?1 ORDER BY n LIMIT ?2`,
        )
        .all(database, limit),
    remove(kind, ids) {
      const removal = connection.query(`DELETE FROM ${kind} WHERE id = ?1`)
      write(() => connection.transaction(() => ids.map((id) => removal.run(id)))())
      isFailing = false
    },
    count: (kind) =>
      connection.query<{ n: number }, [string]>(`SELECT count(*) AS n FROM ${kind} WHERE database = ?1`).get(database)
        ?.n ?? 0,
    close() {
      stopFlush?.()
      flush()
      connection.close()
    },
  }

  function dropOldest(kind: JournalKind): void {
    // Entries of other databases have numbers in between.
    const { changes } = connection
      .query(`DELETE FROM ${kind} WHERE database = ?2 AND n <=
        (SELECT n FROM ${kind} WHERE database = ?2 ORDER BY n DESC LIMIT 1 OFFSET ?1)`)
      .run(mostEntries, database)
    if (changes > 0) reportOnce(`the database is away for so long that the oldest of ${mostEntries} ${kind} are lost`)
  }

  function opened(at: string | undefined): Connection {
    if (at === undefined) return prepared(new Connection(':memory:'))
    try {
      rejectForeign(at, ['costs'], 'The journal')
      createPrivateFile(at, warn)
      const file = new Connection(at)
      markAsOurs(file)
      return prepared(file)
    } catch (cause) {
      warn(`${at} cannot be used; what waits for the database is in memory, gone with the process`, cause)
      return prepared(new Connection(':memory:'))
    }
  }

  /** Runs `work`. If the file cannot be written, all entries move to memory, and `work` runs there. */
  function write(work: () => void): void {
    try {
      work()
    } catch (cause) {
      if (!isLasting) throw cause
      isLasting = false
      warn(`${path} cannot be written; what waits for the database is in memory, gone with the process`, cause)
      connection = copyInMemory(connection)
      work()
    }
  }

  function reportOnce(message: string): void {
    if (!isFailing) warn(message, undefined)
    isFailing = true
  }

  /** Makes the operating system write its data to the disk. */
  function flush(): void {
    stopFlush = undefined
    try {
      connection.run('PRAGMA wal_checkpoint(PASSIVE)')
    } catch {
      // The next write reports the failure.
    }
  }
}

function prepared(connection: Connection): Connection {
  connection.run('PRAGMA busy_timeout = 500')
  connection.run('PRAGMA journal_mode = WAL')
  connection.run('PRAGMA synchronous = NORMAL')
  for (const kind of kinds) {
    connection.run(`CREATE TABLE IF NOT EXISTS ${kind} (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      at INTEGER NOT NULL,
      entry TEXT NOT NULL
    ) STRICT`)
    addDatabase(connection, kind)
    connection.run(`CREATE INDEX IF NOT EXISTS ${kind}_of_database ON ${kind} (database, n)`)
  }
  return connection
}

/** Files of older versions do not have the column. Another process may add it at the same time. */
function addDatabase(connection: Connection, kind: JournalKind): void {
  const isThere = () => connection.query(`SELECT 1 FROM pragma_table_info('${kind}') WHERE name = 'database'`).get()
  if (isThere()) return
  try {
    connection.run(`ALTER TABLE ${kind} ADD COLUMN database TEXT NOT NULL DEFAULT ''`)
  } catch (thrown) {
    if (!isThere()) throw thrown
  }
}

function copyInMemory(file: Connection): Connection {
  const copy = prepared(new Connection(':memory:'))
  for (const kind of kinds) {
    const insert = copy.query(`INSERT INTO ${kind} (id, at, entry, database) VALUES (?1, ?2, ?3, ?4)`)
    const rows = file.query<{ id: string; at: number; entry: string; database: string }, []>(
      `SELECT id, at, entry, database FROM ${kind} ORDER BY n`,
    )
    copy.transaction(() => {
      for (const { id, at, entry, database } of rows.all()) insert.run(id, at, entry, database)
    })()
  }
  file.close()
  return copy
}
