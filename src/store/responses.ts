import type { StoredResponse } from '../core/dialect.ts'
import { openSqliteResponses, type SqliteOptions } from './sqlite-responses.ts'

/**
 * Replies that clients may ask for again or continue, each kept for its owner, the `keyId` of a caller: to others it is
 * not there. Nothing rejects, for no reply fails because of it: a store without its database forgets.
 */
export interface ResponseStore {
  /** Once it settles, `get` finds it. */
  put(owner: string, response: StoredResponse): Promise<void>
  get(owner: string, id: string): Promise<StoredResponse | undefined>
  /** Whether there was something to delete. */
  delete(owner: string, id: string): Promise<boolean>
  close(): Promise<void>
}

export interface ResponseStoreOptions extends SqliteOptions {
  /** Hears once what cannot be done, and again only after it could be in between. */
  warn: (message: string, cause: unknown) => void
}

/** Keeps nothing: `STORE=off`. */
export const noResponseStore: ResponseStore = {
  put: async () => {},
  get: async () => undefined,
  delete: async () => false,
  close: async () => {},
}

/** A store in SQLite. A database that is broken, locked or full is reported to `warn`, and requests go on without it. */
export function createResponseStore(options: ResponseStoreOptions): ResponseStore {
  const { path, warn } = options
  const report = (done: string, cause: unknown) =>
    warn(`The store ${path} could not be ${done}; replies are not kept meanwhile.`, cause)
  try {
    return reportFailures(openSqliteResponses(options), report)
  } catch (cause) {
    report('opened', cause)
    return noResponseStore
  }
}

/** What a store that rejects could not do goes to `report`, and is answered as if nothing were stored. */
export function reportFailures(
  store: ResponseStore,
  report: (done: 'written' | 'read' | 'closed', cause: unknown) => void,
): ResponseStore {
  const failing = new Set<string>()
  return {
    put: (owner, response) => attempt('written', undefined, () => store.put(owner, response)),
    get: (owner, id) => attempt('read', undefined, () => store.get(owner, id)),
    delete: (owner, id) => attempt('written', false, () => store.delete(owner, id)),
    close: () => attempt('closed', undefined, () => store.close()),
  }

  async function attempt<T>(done: 'written' | 'read' | 'closed', otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      const result = await work()
      failing.delete(done)
      return result
    } catch (cause) {
      if (!failing.has(done)) report(done, cause)
      failing.add(done)
      return otherwise
    }
  }
}
