import { afterAll, afterEach, beforeAll } from 'bun:test'
import { type Postgres, startPostgres } from './postgres.ts'

export interface UsedPostgres {
  /** Started before the first test. */
  readonly server: Postgres
  /** Has something closed after the test that runs. */
  closeLater(close: () => Promise<unknown>): void
  /** Closes it already now. */
  closeAll(): Promise<void>
}

/** A server for the tests of the `describe` that this is called in. */
export function usePostgres(): UsedPostgres {
  let server: Postgres | undefined
  const closing: (() => Promise<unknown>)[] = []
  const closeAll = async () => {
    await Promise.all(closing.splice(0).map((close) => close()))
  }
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterEach(closeAll)
  afterAll(() => server?.stop())
  return {
    get server() {
      if (server === undefined) throw new Error('the server is started before the first test')
      return server
    },
    closeLater: (close) => void closing.push(close),
    closeAll,
  }
}
