/** The connection URL for the driver, and the parameters of the gateway that were in the original URL. */
export interface PostgresUrl {
  /** For the driver, with `sslmode`, `sslrootcert` and the like as libpq has them. */
  url: string
  /** Connections for requests. */
  poolSize: number
  /** Whether commits wait for the disk of the server. */
  synchronousCommit: 'on' | 'off'
}

/** libpq has no parameter for this, so the name is the one of pgx. */
const poolParameter = 'pool_max_conns'
const usualPool = 8
const largestPool = 200

const commitParameter = 'synchronous_commit'

/**
 * Reads `pool_max_conns` and `synchronous_commit` of a URL. Errors: an Error for a user if the first is not a number
 * from 1 to 200, or the second is neither on nor off.
 */
export function readPostgresUrl(text: string): PostgresUrl {
  const url = new URL(text)
  const written = url.searchParams.get(poolParameter)
  url.searchParams.delete(poolParameter)
  const poolSize = written === null ? usualPool : Number(written)
  if (!Number.isInteger(poolSize) || poolSize < 1 || poolSize > largestPool)
    throw new Error(`${poolParameter} must be a number from 1 to ${largestPool}.`)
  const synchronousCommit = url.searchParams.get(commitParameter) ?? 'off'
  url.searchParams.delete(commitParameter)
  if (synchronousCommit !== 'on' && synchronousCommit !== 'off')
    throw new Error(`${commitParameter} must be on or off.`)
  return { url: url.href, poolSize, synchronousCommit }
}
