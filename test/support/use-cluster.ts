import { afterAll, beforeAll } from 'bun:test'
import { type Cluster, startCluster } from './cluster.ts'
import { type Postgres, startPostgres } from './postgres.ts'

export interface UsedCluster {
  readonly server: Postgres
  /** The URL of the database of the gateways. */
  readonly database: string
  readonly cluster: Cluster
}

/** A server and so many gateways for the tests of the `describe` that this is called in, started before the first one. */
export function useCluster(count: number): UsedCluster {
  let used: UsedCluster | undefined
  let server: Postgres | undefined
  beforeAll(async () => {
    server = await startPostgres()
    const database = await server.newDatabase()
    used = { server, database, cluster: await startCluster(database, count) }
  }, 60_000)
  afterAll(async () => {
    await used?.cluster.stop()
    server?.stop()
  })
  const started = () => {
    if (used === undefined) throw new Error('the gateways are started before the first test')
    return used
  }
  return {
    get server() {
      return started().server
    },
    get database() {
      return started().database
    },
    get cluster() {
      return started().cluster
    },
  }
}
