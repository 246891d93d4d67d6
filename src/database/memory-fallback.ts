import type { Database as Connection } from 'bun:sqlite'
import { type StateTable, stateTables } from './migrations.ts'
import { type Row, rowId, type StateRows, threeWayMerge } from './three-way-merge.ts'

/**
 * Keeps the tables for keys, budgets and reservations in memory while their file cannot be written. They are temporary
 * tables, which statements find before those of the file. Changes that other processes make in the file are merged in.
 */
export interface MemoryFallback {
  /** Merges in what other processes have changed in the file. Errors: those of the engine if it cannot be read. */
  follow(): void
  /**
   * Writes the changes to the file and drops the temporary tables. Errors: those of the engine; all rows then stay in
   * memory.
   */
  writeBack(): void
  /** The state for `startMemoryFallback` on another connection, if this one has to be closed. */
  readonly carried: Carried
}

/** The state when rows began to be kept in memory, and the state now. */
export interface Carried {
  base: StateRows
  ours: StateRows
}

/** `carried` comes from a file that was replaced. It is merged with the rows of this file. */
export function startMemoryFallback(connection: Connection, carried?: Carried): MemoryFallback {
  // Read before the rows, so that `follow` finds a change that is made in between.
  let version = versionOf(connection)
  let base: StateRows
  connection.transaction(() => {
    base = rowsOf(connection, 'main')
    for (const table of stateTables) {
      const { sql } = connection
        .query<{ sql: string }, [string]>("SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ?1")
        .get(table) ?? { sql: '' }
      connection.run(sql.replace('CREATE TABLE', 'CREATE TEMP TABLE'))
    }
    store(connection, 'temp', carried ? threeWayMerge(carried.base, carried.ours, base) : base)
  })()

  return {
    follow() {
      const found = versionOf(connection)
      if (found === version) return
      connection.transaction(merge)()
      version = found
    },
    writeBack() {
      const before = base
      try {
        connection
          .transaction(() => {
            merge()
            store(connection, 'main', rowsOf(connection, 'temp'))
            for (const table of stateTables) connection.run(`DROP TABLE temp.${table}`)
          })
          .immediate()
      } catch (thrown) {
        base = before
        throw thrown
      }
    },
    get carried() {
      return { base, ours: rowsOf(connection, 'temp') }
    },
  }

  function merge(): void {
    const theirs = rowsOf(connection, 'main')
    store(connection, 'temp', threeWayMerge(base, rowsOf(connection, 'temp'), theirs))
    base = theirs
  }
}

/** A number that grows when another connection changes the file. */
function versionOf(connection: Connection): number | undefined {
  return connection.query<{ data_version: number }, []>('PRAGMA main.data_version').get()?.data_version
}

function rowsOf(connection: Connection, schema: 'main' | 'temp'): StateRows {
  const rows = (table: StateTable) => {
    const all = connection.query<Row, []>(`SELECT * FROM ${schema}.${table}`).all()
    return new Map(all.map((row) => [rowId(row), row]))
  }
  return { keys: rows('keys'), budgets: rows('budgets'), reservations: rows('reservations') }
}

/** Writes only the rows that differ. */
function store(connection: Connection, schema: 'main' | 'temp', wanted: StateRows): void {
  const stored = rowsOf(connection, schema)
  for (const table of stateTables) {
    const remove = (row: Row) =>
      connection.run(
        `DELETE FROM ${schema}.${table} WHERE id = ?1 ${'budget' in row ? 'AND budget = ?2' : ''}`,
        'budget' in row ? [row.id ?? null, row.budget ?? null] : [row.id ?? null],
      )
    // All removals come before all insertions, because a secret may have moved from one key to another.
    const changed = [...wanted[table]].filter(([id, row]) => !Bun.deepEquals(row, stored[table].get(id)))
    for (const [id, row] of stored[table]) if (!wanted[table].has(id)) remove(row)
    for (const [id, row] of changed) if (stored[table].has(id)) remove(row)
    for (const [, row] of changed) {
      const names = Object.keys(row)
      const places = names.map((_name, index) => `?${index + 1}`)
      connection.run(
        `INSERT INTO ${schema}.${table} (${names.join(', ')}) VALUES (${places.join(', ')})`,
        Object.values(row),
      )
    }
  }
}
