import { systemClock } from '../../src/async/system-clock.ts'
import { openDatabase } from '../../src/database/open.ts'
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
