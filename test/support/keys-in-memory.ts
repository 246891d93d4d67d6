import { systemClock } from '../../src/async/system-clock.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { dialects } from '../../src/dialects/index.ts'
import { openKeys } from '../../src/keys/open-keys.ts'
import { modelTable } from '../../src/models/table.ts'

const policy = {}

/** The keys of a server over a database in memory, and what they warn of. */
export async function keysInMemory({ table = modelTable(), upstreams = ['demo'] } = {}) {
  const database = openSqlite({ path: ':memory:', clock: systemClock, warn: () => {} })
  const warnings: string[] = []
  const served = await openKeys({
    ...{ database, clock: systemClock, dialects: dialects.map(({ id }) => id), upstreams: () => upstreams },
    ...{ table: () => table, policy: () => policy, info: () => {} },
    random: (bytes) => crypto.getRandomValues(bytes),
    warn: (message, cause) => void warnings.push(`${message}: ${cause}`),
  })
  return {
    ...{ database, served, warnings },
    async close() {
      await served.close()
      await database.close()
    },
  }
}
