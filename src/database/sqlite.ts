import { Database as Connection, type Statement } from 'bun:sqlite'
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { lruCache } from '../core/lru-cache.ts'
import { DatabaseError, databaseError } from './errors.ts'
import { statementsAfter, versionTable } from './migrations.ts'
import { markAsOurs, ownerOf, rejectForeign } from './own-file.ts'
import { makePrivateFile } from './private-file.ts'
import { type Database, type Parameter, render, runsOf, type Sql, type TransactionalSql, type Value } from './sql.ts'
import { type StateInMemory, startInMemory } from './state-in-memory.ts'

export interface SqliteOptions {
  /** A file, or `:memory:`. */
  path: string
  /** No other program has files here, so that whatever is no database is a damaged one. */
  isOwnPlace?: true
  clock: Clock
  /** Is told of whatever changes where rows are kept. */
  warn: (message: string, cause?: unknown) => void
  /** Fails where the file is damaged or cannot be written, instead of going on with a new one or in memory. */
  isLasting?: true
  /** How long each step of opening the file waits while another process holds its lock; a second where absent. */
  openingWaitMs?: number
  /** Pages of 4 KB that the file may have: a full disk, for tests. */
  maxPages?: number
}

/** The time to wait while another process writes. Waiting blocks the gateway. */
const lockWaitMs = 1_000
const upkeepMs = 5_000
const maxStatements = 200
/** What the files of all versions have. */
const ownNames = ['schema_version', 'keys', 'budgets_of_key']

/**
 * A database in one SQLite file. Statements run synchronously, before the promise is returned, except while a transaction
 * is open: what is not part of it waits for its end, since all share one connection.
 *
 * Several processes may use the file: each transaction takes the lock at its beginning (`BEGIN IMMEDIATE`). A killed
 * process loses nothing (WAL). A power failure may lose the last transactions, but no half of one (`synchronous` NORMAL).
 *
 * A damaged file is moved aside and a new one begun; one that this program has not made is left alone. Where the disk is full or the file cannot be written any more, the
 * tables that decisions depend on go on in memory until it can be, and other writes fail. What other processes change in
 * the file meanwhile holds here from the next statement on, and is still there when the file is written again.
 *
 * Errors: throws if the file cannot be opened, is not this program's, or a newer version made it. Statements reject with `DatabaseError`.
 */
export function openSqlite(options: SqliteOptions): Database {
  const { path, isOwnPlace, clock, warn, isLasting, openingWaitMs = lockWaitMs, maxPages } = options
  const isFile = path !== ':memory:'
  let connection: Connection
  let statements: ReturnType<typeof statementCache>
  let inode: number | undefined
  /** The disk was full, or the file could not be written. */
  let inMemory: StateInMemory | undefined
  /** What is there now cannot be opened. */
  let isLost = false
  let isClosed = false
  /** What waits for the end of a transaction, and the transaction itself. */
  let queued = 0
  let last: Promise<unknown> = Promise.resolve()
  try {
    open()
  } catch (thrown) {
    const error = databaseError(thrown)
    if (!isFile || isLasting || !(error instanceof DatabaseError) || error.problem !== 'damaged') throw error
    moveAside(error)
    open()
  }
  let stopUpkeep = isFile ? clock.after(upkeepMs, upkeep) : () => {}

  const run: Sql = async <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) => {
    const statement = statements.of(render(text, values, 'sqlite'))
    const runs = runsOf(values)
    const runAll = () => runs.flatMap((parameters) => statement.all(...parameters) as Row[])
    // All rows are inserted, or none.
    return runs.length === 1 ? runAll() : connection.transaction(runAll)()
  }
  const sql: Sql = <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) => {
    const work = () =>
      retriedAfterRepair(() => {
        followFile()
        return run<Row>(text, ...values)
      })
    return queued === 0 ? work() : inTurn(work)
  }
  const database: TransactionalSql = Object.assign(sql, {
    engine: 'sqlite' as const,
    transaction: <T>(work: (sql: Sql) => Promise<T>) =>
      inTurn(() => retriedAfterRepair(() => transact(() => work(run)))),
  })
  return Object.assign(database, {
    background: database,
    isAway: () => false,
    listen: () => () => {},
    close: () =>
      inTurn(async () => {
        if (isClosed) return
        isClosed = true
        stopUpkeep()
        if (inMemory && !backToFile())
          warn(`${path} still cannot be written: what changed of keys and budgets since it could is lost`)
        statements.clear()
        connection.close()
      }),
  })

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    queued++
    const result = last.then(work).finally(() => queued--)
    last = result.catch(() => {})
    return result
  }

  async function transact<T>(work: () => Promise<T>): Promise<T> {
    followFile()
    connection.run('BEGIN IMMEDIATE')
    try {
      const result = await work()
      connection.run('COMMIT')
      return result
    } catch (thrown) {
      // Some errors, such as a full disk, have ended it already.
      if (connection.inTransaction) connection.run('ROLLBACK')
      throw thrown
    }
  }

  /** Runs `work` once more after a failure that can be repaired. */
  async function retriedAfterRepair<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      const error = databaseError(thrown)
      if (!isFile || isLasting || !(error instanceof DatabaseError)) throw error
      if (error.problem === 'damaged' && inode !== inodeOf(path)) openAgain()
      else if (error.problem === 'damaged') {
        statements.clear()
        connection.close()
        moveAside(error)
        open()
      } else if ((error.problem === 'full' || error.problem === 'unwritable') && !inMemory) goOnInMemory(error)
      else throw error
    }
    try {
      return await work()
    } catch (thrown) {
      throw databaseError(thrown)
    }
  }

  function open(): void {
    if (isFile) {
      rejectOthersFile()
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      makePrivateFile(path, warn)
    }
    connection = new Connection(path, { create: true, strict: true })
    try {
      connection.run(`PRAGMA busy_timeout = ${openingWaitMs}`)
      if (isFile) markAsOurs(connection)
      for (const pragma of [
        ...(isFile ? ['journal_mode = WAL', 'synchronous = NORMAL', 'journal_size_limit = 16777216'] : []),
        'temp_store = MEMORY',
      ])
        connection.run(`PRAGMA ${pragma}`)
      migrate(connection)
      connection.run(`PRAGMA busy_timeout = ${lockWaitMs}`)
      if (maxPages !== undefined) connection.run(`PRAGMA max_page_count = ${maxPages}`)
    } catch (thrown) {
      connection.close()
      throw thrown
    }
    statements = statementCache(connection)
    inode = inodeOf(path)
    inMemory = undefined
  }

  function rejectOthersFile(): void {
    if (!isOwnPlace || ownerOf(path, ownNames) === 'special') rejectForeign(path, ownNames, 'DATABASE_URL')
  }

  /** Moves `-wal` and `-shm` together with the damaged file, because they hold part of its content. */
  function moveAside(error: DatabaseError): void {
    const aside = `${path}.damaged-${new Date(clock.now()).toISOString().replace(/[:.]/g, '-')}`
    for (const suffix of ['', '-wal', '-shm'])
      if (inodeOf(path + suffix) !== undefined) renameSync(path + suffix, aside + suffix)
    warn(`${path} is damaged: it is now ${aside}, and a new one is begun without its keys and usage`, error)
  }

  function goOnInMemory(error: DatabaseError): void {
    inMemory = startInMemory(connection)
    // Statements of the file's tables would stay with them.
    statements.clear()
    warn(`${path}: ${error.message}; keys and budgets go on in memory until it can be written again`, error)
  }

  function followFile(): void {
    try {
      inMemory?.follow()
    } catch {
      // What is in memory is all there is, until the file can be read again.
    }
  }

  /** Returns whether the file has everything again. */
  function backToFile(): boolean {
    statements.clear()
    try {
      inMemory?.writeBack()
      inMemory = undefined
    } catch {
      // It is still full. The transaction has left all in memory.
    }
    return !inMemory
  }

  /** Another file is there now. What was only in memory is merged with it. */
  function openAgain(): void {
    rejectOthersFile()
    const carried = inMemory?.carried
    statements.clear()
    connection.close()
    open()
    if (carried === undefined) return
    inMemory = startInMemory(connection, carried)
    backToFile()
  }

  function upkeep(): void {
    const work = async () => {
      if (isClosed) return
      // Writes to a deleted file succeed, and are lost with the process.
      if (inode !== inodeOf(path)) {
        openAgain()
        warn(`${path} was deleted or replaced while it was used; what is there now is used from here on`)
      } else if (inMemory && backToFile()) warn(`${path} can be written again`)
    }
    void inTurn(work)
      .then(() => {
        isLost = false
      })
      .catch((cause) => {
        if (!isLost) warn(`${path} could not be opened again`, cause)
        isLost = true
      })
      .finally(() => {
        if (!isClosed) stopUpkeep = clock.after(upkeepMs, upkeep)
      })
  }
}

function migrate(connection: Connection): void {
  connection
    .transaction(() => {
      connection.run(versionTable)
      const found = connection
        .query<{ version: number | null }, []>('SELECT max(version) AS version FROM schema_version')
        .get()
      for (const statement of statementsAfter(found?.version ?? 0, 'sqlite')) connection.run(statement)
    })
    .immediate()
}

/** Bun keeps 20 statements of a connection, and would prepare all others each time. */
function statementCache(connection: Connection) {
  let cache = lruCache<string, Statement<unknown, Value[]>>({ maxEntries: maxStatements })
  return {
    of(text: string) {
      const known = cache.get(text)
      if (known !== undefined) return known
      const statement = connection.prepare<unknown, Value[]>(text)
      cache.set(text, statement)
      return statement
    },
    clear() {
      cache = lruCache({ maxEntries: maxStatements })
    },
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}
