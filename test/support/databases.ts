import { systemClock } from '../../src/async/system-clock.ts'
import { openDatabase } from '../../src/database/open.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { Database } from '../../src/database/sql.ts'
import { noPostgres, type Postgres, startPostgres } from './postgres.ts'

// On a machine that is busy with tests, a statement may take longer than a request would wait for it.
const limits = { statementMs: 30_000, graceMs: 1_000 }

/** Databases of both engines, each empty. */
export interface TestDatabases {
  engines: readonly ('SQLite' | 'PostgreSQL')[]
  open(engine: string): Promise<Database>
  /** Closes those that are open: each has a dozen connections to the server. */
  closeAll(): Promise<void>
  stop(): void
}

/** PostgreSQL is left out where it is not installed: see `noPostgres`. */
export async function testDatabases(): Promise<TestDatabases> {
  const server: Postgres | undefined = noPostgres === undefined ? await startPostgres() : undefined
  const opened: Database[] = []
  const keep = (database: Database) => {
    opened.push(database)
    return database
  }
  return {
    engines: server ? ['SQLite', 'PostgreSQL'] : ['SQLite'],
    async open(engine) {
      const warn = (message: string) => {
        throw new Error(message)
      }
      if (engine !== 'PostgreSQL' || server === undefined)
        return keep(await openDatabase({ url: 'memory', folder: undefined, clock: systemClock, warn }))
      const onChange = (state: string) => warn(`the database is ${state}`)
      const onRefusal = ({ message }: Error) => warn(message)
      const url = await server.newDatabase()
      return keep(await openPostgres({ url, clock: systemClock, limits, onChange, onRefusal }))
    },
    async closeAll() {
      await Promise.all(opened.splice(0).map((database) => database.close()))
    },
    stop: () => server?.stop(),
  }
}

/** An empty database on a PostgreSQL of its own, where statements may wait for each other for long. */
export async function patientPostgres(): Promise<{ sql: Database; stop(): Promise<void> }> {
  const server = await startPostgres()
  const sql = await openPostgres({ url: await server.newDatabase(), clock: systemClock, limits })
  return {
    sql,
    async stop() {
      await sql.close()
      server.stop()
    },
  }
}
