import type { Database, Parameter, Sql, TransactionalSql } from './sql.ts'
import { openSqliteFile, type SqliteOptions } from './sqlite-file.ts'

export type { SqliteOptions } from './sqlite-file.ts'

const upkeepMs = 5_000

/**
 * A database in one SQLite file. Statements run synchronously, before the promise is returned. While a transaction is
 * open, statements outside of it wait for its end, because all share one connection.
 *
 * Several processes may use the file: each transaction takes the lock at its beginning (`BEGIN IMMEDIATE`). A killed
 * process loses nothing (WAL). A power failure may lose the last transactions, but never a part of one (`synchronous`
 * NORMAL).
 *
 * A damaged file is renamed, and a new one is created. A file of another program is not touched. While the disk is full
 * or the file cannot be written, the tables for keys, budgets and reservations are kept in memory, and other writes
 * fail. Changes that other processes make in the file meanwhile are used here from the next statement on, and are kept
 * when the file is written again.
 *
 * Errors: throws if the file cannot be opened, is another program's, or was made by a newer version. Statements reject
 * with `DatabaseError`.
 */
export function openSqlite(options: SqliteOptions): Database {
  const { path, clock, warn } = options
  const file = openSqliteFile(options)
  // The transactions, and the statements that wait for them: their number, and the last one.
  let queued = 0
  let last: Promise<unknown> = Promise.resolve()
  // Whether the last attempt to open the file again has failed.
  let isLost = false
  let isClosed = false
  let stopUpkeep = path === ':memory:' ? () => {} : clock.after(upkeepMs, upkeep)

  const sql: Sql = <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) =>
    queued === 0 ? file.runAlone<Row>(text, ...values) : inTurn(() => file.runAlone<Row>(text, ...values))
  const database: TransactionalSql = Object.assign(sql, {
    engine: 'sqlite' as const,
    transaction: <T>(work: (sql: Sql) => Promise<T>) => inTurn(() => file.transact(() => work(file.run))),
  })
  return Object.assign(database, {
    background: database,
    state: () => 'usable' as const,
    isAway: () => false,
    listen: () => () => {},
    close: () =>
      inTurn(async () => {
        if (isClosed) return
        isClosed = true
        stopUpkeep()
        file.close()
      }),
  })

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    queued++
    const result = last.then(work).finally(() => queued--)
    last = result.catch(() => {})
    return result
  }

  function upkeep(): void {
    const work = async () => {
      if (!isClosed) file.checkFile()
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
