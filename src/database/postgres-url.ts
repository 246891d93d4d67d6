/** The connection parameters of a URL, with what is the gateway's own taken out of it. */
export interface PostgresUrl {
  /** For the driver, with `sslmode`, `sslrootcert` and the like as libpq has them. */
  url: string
  /** Connections for requests. */
  poolSize: number
}

/** libpq has no name for it; this is that of pgx. */
const poolParameter = 'pool_max_conns'
const usualPool = 8
const largestPool = 200

/** Reads `pool_max_conns` of a URL. Errors: an Error for a user if it is no number from 1 to 200. */
export function readPostgresUrl(text: string): PostgresUrl {
  const url = new URL(text)
  const written = url.searchParams.get(poolParameter)
  url.searchParams.delete(poolParameter)
  const poolSize = written === null ? usualPool : Number(written)
  if (!Number.isInteger(poolSize) || poolSize < 1 || poolSize > largestPool)
    throw new Error(`${poolParameter} must be a number from 1 to ${largestPool}.`)
  return { url: url.href, poolSize }
}
