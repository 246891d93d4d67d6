import { GatewayError } from '../core/errors.ts'
import type { StoredResponse, StoredResponseJson } from '../core/stored-conversation.ts'
import { ForeignFileError } from '../database/file-ownership.ts'
import { storeUnavailable } from './map-database-errors.ts'
import { openSqliteResponses, type SqliteResponsesOptions } from './sqlite-responses.ts'

/**
 * Stored replies, which clients may read again or continue. Each belongs to an owner, the `keyId` of a caller, and does
 * not exist for others. Errors of all methods but `close`: `overloaded` while the store cannot be used, which is not the
 * same as a reply that is not there.
 */
export interface ResponseStore {
  /** Stores a reply, of which the JSON may be given. `get` finds it once the promise has resolved. */
  put(owner: string, response: StoredResponse, json?: StoredResponseJson): Promise<void>
  get(owner: string, id: string): Promise<StoredResponse | undefined>
  /** Replaces a reply by the result of `change`, in one step. Resolves with the new reply, if there was an old one. */
  change(owner: string, id: string, change: ResponseChange): Promise<StoredResponse | undefined>
  /** Resolves with whether there was something to delete. */
  delete(owner: string, id: string): Promise<boolean>
  close(): Promise<void>
}

/** Cuts work on a long reply into steps, between which other requests are answered. */
export interface LongSteps {
  /** Resolves after other requests have had their turn. */
  pause(): Promise<void>
  json(response: StoredResponse): Promise<StoredResponseJson>
}

/** May run more than once. Its errors are passed on. */
export type ResponseChange = (stored: StoredResponse) => StoredResponse

export interface ResponseStoreOptions extends SqliteResponsesOptions {
  /** Called at the first failure of each operation, and again only after the operation has succeeded in between. */
  warn: (message: string, cause: unknown) => void
}

/** The store for `STORE=off`, which keeps nothing. */
export const noResponseStore: ResponseStore = {
  put: async () => {},
  get: async () => undefined,
  change: async () => undefined,
  delete: async () => false,
  close: async () => {},
}

/**
 * A store in SQLite. A database that is broken, locked or full is reported to `warn`, and requests that need nothing of
 * it continue. Errors: `ForeignFileError` for a file that is not this program's.
 */
export function createResponseStore(options: ResponseStoreOptions): ResponseStore {
  const { path, warn } = options
  const report = (operation: string, cause: unknown) =>
    warn(`The store ${path} could not be ${operation}; replies are not kept meanwhile.`, cause)
  try {
    return reportFailures(openSqliteResponses(options), report)
  } catch (cause) {
    if (cause instanceof ForeignFileError) throw cause
    report('opened', cause)
    return unusableStore(cause)
  }
}

function unusableStore(cause: unknown): ResponseStore {
  const fail = async () => {
    throw storeUnavailable(cause)
  }
  return { put: fail, get: fail, change: fail, delete: fail, close: async () => {} }
}

/** Wraps a store that may reject. Failures are passed to `report`, and become errors that a client understands. */
export function reportFailures(
  store: ResponseStore,
  report: (operation: 'written' | 'read' | 'closed', cause: unknown) => void,
): ResponseStore {
  const attempt = failureReporter(report)
  return {
    put: (owner, response, json) => attempt('written', () => store.put(owner, response, json)),
    change: (owner, id, change) => attempt('written', () => store.change(owner, id, change)),
    get: (owner, id) => attempt('read', () => store.get(owner, id)),
    delete: (owner, id) => attempt('written', () => store.delete(owner, id)),
    close: () => attempt('closed', () => store.close()).catch(ignoreUnavailable),
  }
}

/**
 * Returns a function that runs work. The first failure of each operation is passed to `report`, and the next one only
 * after the operation has succeeded in between. Errors: `overloaded` for a failure; those that `change` throws.
 */
export function failureReporter<Operation extends string>(report: (operation: Operation, cause: unknown) => void) {
  const failing = new Set<Operation>()
  return async <T>(operation: Operation, work: () => Promise<T>): Promise<T> => {
    try {
      const result = await work()
      failing.delete(operation)
      return result
    } catch (cause) {
      // An error that `change` has thrown.
      if (cause instanceof GatewayError) throw cause
      if (!failing.has(operation)) report(operation, cause)
      failing.add(operation)
      throw storeUnavailable(cause)
    }
  }
}

/** For what goes on without the store. Its failures are reported already. Errors: any other one. */
export function ignoreUnavailable(thrown: unknown): undefined {
  if (!(thrown instanceof GatewayError)) throw thrown
}
