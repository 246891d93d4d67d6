import { systemClock } from '../../src/async/system-clock.ts'
import { openDatabase } from '../../src/database/open.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { Database } from '../../src/database/sql.ts'
import { noPostgres, type Postgres, startPostgres } from './postgres.ts'

/** Databases of both engines, each empty. */
export interface TestDatabases {
  engines: readonly ('SQLite' | 'PostgreSQL')[]
  open(engine: string): Promise<Database>
  stop(): void
}

/** PostgreSQL is left out where it is not installed: see `noPostgres`. */
export async function testDatabases(): Promise<TestDatabases> {
  const server: Postgres | undefined = noPostgres === undefined ? await startPostgres() : undefined
  return {
    engines: server ? ['SQLite', 'PostgreSQL'] : ['SQLite'],
    async open(engine) {
      const url = engine === 'PostgreSQL' ? await server?.newDatabase() : 'memory'
      const warn = (message: string) => {
        throw new Error(message)
      }
      return await openDatabase({ url, folder: undefined, clock: systemClock, warn })
    },
    stop: () => server?.stop(),
  }
}

/** An empty database on a PostgreSQL of its own, where statements may wait for each other for long. */
export async function patientPostgres(): Promise<{ sql: Database; stop(): Promise<void> }> {
  const server = await startPostgres()
  const sql = await openPostgres({
    ...{ url: await server.newDatabase(), clock: systemClock },
    limits: { statementMs: 30_000, graceMs: 1_000 },
  })
  return {
    sql,
    async stop() {
      await sql.close()
      server.stop()
    },
  }
}
