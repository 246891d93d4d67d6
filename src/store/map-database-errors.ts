import { GatewayError } from '../core/errors.ts'
import { DatabaseError } from '../database/errors.ts'

/** The result of `work`. Errors of the database become `overloaded`, which a client understands. */
export async function mapDatabaseErrors<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (thrown) {
    if (!(thrown instanceof DatabaseError)) throw thrown
    throw storeUnavailable(thrown)
  }
}

/** The error for what cannot be looked up or stored now. It must not look as if nothing were stored. */
export function storeUnavailable(cause: unknown): GatewayError {
  return new GatewayError('overloaded', 'The database of this gateway cannot be used now. Try again soon.', {
    code: 'store_unavailable',
    retryAfterMs: 2_000,
    cause,
  })
}

/** Whether a correct statement has failed, as all do while the database is away. */
export function isDatabaseFailure(thrown: unknown): boolean {
  return thrown instanceof DatabaseError
}
