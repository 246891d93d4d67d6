import { Database as Connection, type Statement } from 'bun:sqlite'
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { lruCache } from '../core/lru-cache.ts'
import { createPrivateFile } from './create-private-file.ts'
import { DatabaseError, databaseError } from './errors.ts'
import { markAsOurs, ownerOf, rejectForeign } from './file-ownership.ts'
import { type MemoryFallback, startMemoryFallback } from './memory-fallback.ts'
import { statementsAfter, versionTable } from './migrations.ts'
import { type Parameter, parametersOf, type RowRuns, render, rowRunsOf, type Sql, type SqlValue } from './sql.ts'

export interface SqliteOptions {
  /** A file, or `:memory:`. */
  path: string
  /** No other program has files in this folder, so a file that is not a database counts as damaged. */
  isOwnPlace?: true
  clock: Clock
  /** Called when rows begin to be stored in another place. */
  warn: (message: string, cause?: unknown) => void
  /** Fails if the file is damaged or cannot be written, instead of continuing with a new file or in memory. */
  isLasting?: true
  /** How long each step of opening the file waits for another process's lock. One second if absent. */
  openingWaitMs?: number
  /** The most pages of 4 KB that the file may have. Tests simulate a full disk with it. */
  maxPages?: number
}

/**
 * A connection to a database file, which may be damaged, read-only, deleted or replaced, or on a full disk. Statements
 * and transactions must not overlap, because all share the connection.
 */
export interface SqliteFile {
  /** Runs one statement, within the open transaction if there is one. */
  run: Sql
  /** Runs a statement outside of a transaction. Errors: `DatabaseError` for a failure that cannot be repaired. */
  runAlone: Sql
  /** Runs `work` as one transaction. Errors: those of `work`, and `DatabaseError`. */
  transact<T>(work: () => Promise<T>): Promise<T>
  /** Opens the file again if it was deleted or replaced, and writes rows to it that were kept in memory. */
  checkFile(): void
  close(): void
}

/** The longest wait for another process that writes. Waiting blocks the gateway. */
const lockWaitMs = 1_000
const maxStatements = 200
/** Tables and indexes that the files of all versions have. */
const ownNames = ['schema_version', 'keys', 'budgets_of_key']

/** What belongs to one opening of the file. */
interface OpenedFile {
  connection: Connection
  statements: StatementCache
  /** If the path has another inode, the file was replaced. `undefined` in memory. */
  inode: number | undefined
}

/** Errors: those of `openSqlite`. */
export function openSqliteFile(options: SqliteOptions): SqliteFile {
  const { path, warn, isLasting } = options
  const isFile = path !== ':memory:'
  let opened = openOrReplace(options)
  // Set while the disk is full or the file cannot be written.
  let inMemory: MemoryFallback | undefined

  return {
    run: (text, ...values) => runOn(opened, text, values),
    runAlone: (text, ...values) =>
      retriedAfterRepair(() => {
        followFile()
        return runOn(opened, text, values)
      }),
    transact: (work) =>
      retriedAfterRepair(() => {
        followFile()
        return transactOn(opened, work)
      }),
    checkFile() {
      // Writes to a deleted file succeed, but are lost when the process ends.
      if (opened.inode !== inodeOf(path)) {
        openAgain()
        warn(`${path} was deleted or replaced while it was used; what is there now is used from here on`)
      } else if (inMemory && backToFile()) warn(`${path} can be written again`)
    },
    close() {
      if (inMemory && !backToFile())
        warn(`${path} still cannot be written: what changed of keys and budgets since it could is lost`)
      closeFile(opened)
    },
  }

  /** Runs `work` once more after a failure that can be repaired. */
  async function retriedAfterRepair<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      repair(databaseError(thrown))
    }
    try {
      return await work()
    } catch (thrown) {
      throw databaseError(thrown)
    }
  }

  /** Errors: `error` if it cannot be repaired. */
  function repair(error: unknown): void {
    if (!isFile || isLasting || !(error instanceof DatabaseError)) throw error
    if (error.problem === 'damaged' && opened.inode !== inodeOf(path)) openAgain()
    else if (error.problem === 'damaged') {
      closeFile(opened)
      moveAside(options, error)
      begin(openFile(options))
    } else if ((error.problem === 'full' || error.problem === 'unwritable') && !inMemory) goOnInMemory(error)
    else throw error
  }

  function begin(file: OpenedFile): void {
    opened = file
    inMemory = undefined
  }

  /** Another file is at the path now. Rows that are only in memory are merged with it. */
  function openAgain(): void {
    rejectOthersFile(options)
    const carried = inMemory?.carried
    closeFile(opened)
    begin(openFile(options))
    if (carried === undefined) return
    inMemory = startMemoryFallback(opened.connection, carried)
    backToFile()
  }

  function goOnInMemory(error: DatabaseError): void {
    inMemory = startMemoryFallback(opened.connection)
    // Cached statements would still use the tables of the file.
    opened.statements.clear()
    warn(`${path}: ${error.message}; keys and budgets go on in memory until it can be written again`, error)
  }

  function followFile(): void {
    try {
      inMemory?.follow()
    } catch {
      // The file cannot be read, so only the rows in memory are used until it can.
    }
  }

  /** Returns whether all rows are in the file again. */
  function backToFile(): boolean {
    opened.statements.clear()
    try {
      inMemory?.writeBack()
      inMemory = undefined
    } catch {
      // The disk is still full. The transaction was rolled back, so all rows are still in memory.
    }
    return !inMemory
  }
}

/** A damaged file is moved aside, unless `isLasting`. */
function openOrReplace(options: SqliteOptions): OpenedFile {
  try {
    return openFile(options)
  } catch (thrown) {
    const error = databaseError(thrown)
    const isDamaged = error instanceof DatabaseError && error.problem === 'damaged'
    if (!isDamaged || options.path === ':memory:' || options.isLasting) throw error
    moveAside(options, error)
    return openFile(options)
  }
}

function openFile(options: SqliteOptions): OpenedFile {
  const { path, warn, openingWaitMs = lockWaitMs, maxPages } = options
  const isFile = path !== ':memory:'
  if (isFile) {
    rejectOthersFile(options)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    createPrivateFile(path, warn)
  }
  const connection = new Connection(path, { create: true, strict: true })
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
  return { connection, statements: statementCache(connection), inode: inodeOf(path) }
}

function closeFile({ connection, statements }: OpenedFile): void {
  statements.clear()
  connection.close()
}

function rejectOthersFile({ path, isOwnPlace }: SqliteOptions): void {
  if (!isOwnPlace || ownerOf(path, ownNames) === 'special') rejectForeign(path, ownNames, 'DATABASE_URL')
}

/** Moves `-wal` and `-shm` together with the damaged file, because they hold part of its content. */
function moveAside({ path, clock, warn }: SqliteOptions, error: DatabaseError): void {
  const aside = `${path}.damaged-${new Date(clock.now()).toISOString().replace(/[:.]/g, '-')}`
  for (const suffix of ['', '-wal', '-shm'])
    if (inodeOf(path + suffix) !== undefined) renameSync(path + suffix, aside + suffix)
  warn(`${path} is damaged: it is now ${aside}, and a new one is begun without its keys and usage`, error)
}

async function runOn<Row>(
  { connection, statements }: OpenedFile,
  text: TemplateStringsArray,
  values: readonly Parameter[],
): Promise<Row[]> {
  const statement = statements.of(render(text, values, 'sqlite'))
  const runs = rowRunsOf(values)
  if (runs === undefined) return statement.all(...parametersOf(values)) as Row[]
  const runAll = () => insertAll(statement, runs) as Row[]
  // All rows are inserted, or none.
  return runs.parameters.length === 1 ? runAll() : connection.transaction(runAll)()
}

/** Returns the rows of the statement, or what it asks of the rows that were inserted. */
function insertAll(statement: Statement<unknown, SqlValue[]>, { parameters, told }: RowRuns): unknown[] {
  if (told === undefined) return parameters.flatMap((each) => statement.all(...each))
  const added = parameters.filter((each) => statement.run(...each).changes > 0)
  return added.map((each) => ({ [told.column]: each[told.at] }))
}

async function transactOn<T>({ connection }: OpenedFile, work: () => Promise<T>): Promise<T> {
  connection.run('BEGIN IMMEDIATE')
  try {
    const result = await work()
    connection.run('COMMIT')
    return result
  } catch (thrown) {
    // Some errors, such as a full disk, end the transaction themselves.
    if (connection.inTransaction) connection.run('ROLLBACK')
    throw thrown
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

interface StatementCache {
  of(text: string): Statement<unknown, SqlValue[]>
  clear(): void
}

/** Bun caches 20 statements of a connection and prepares all others each time. */
function statementCache(connection: Connection): StatementCache {
  let cache = lruCache<string, Statement<unknown, SqlValue[]>>({ maxEntries: maxStatements })
  return {
    of(text: string) {
      const known = cache.get(text)
      if (known !== undefined) return known
      const statement = connection.prepare<unknown, SqlValue[]>(text)
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
