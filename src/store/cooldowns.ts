import { type CooldownReport, type SharedCapacity, type ShareLease, wholeCredential } from '../core/shared-capacity.ts'
import { type Database, part, type SqlPart } from '../database/sql.ts'
import { modelOf, storedModel } from './model-names.ts'

export interface CooldownOptions {
  /** A database on PostgreSQL. */
  sql: Database
  /** The id of this process among those that share the database. */
  node: string
  /** The upstream's prefix for the ids of its credentials. */
  prefix: string
}

const channel = 'zai2api_cooldowns'

interface Row {
  credential: string
  model: string
  suspended: number
  failures: number
  left: number
  dated: number
  error: string
}

/** Cooldowns in the database of the gateways, by its clock. */
export function databaseCooldowns({
  sql,
  node,
  prefix,
}: CooldownOptions): Pick<SharedCapacity, 'coolDown' | 'endCooldown' | 'cooldowns' | 'watchCooldowns'> {
  /** Whether this gateway still has the lease. A cooldown without a lease is always accepted. */
  const isHeld = (lease: ShareLease | undefined): SqlPart =>
    lease === undefined
      ? part`true`
      : part`EXISTS (SELECT 1 FROM leases WHERE leases.credential = ${prefix + lease.credential}
          AND leases.model = ${wholeCredential} AND node = ${node} AND fence = ${lease.fence}
          AND leases.expires > (extract(epoch FROM clock_timestamp()) * 1000)::bigint)`
  return {
    async coolDown({ credential, model, isSuspended, consecutiveFailures, forMs, hasDate, error }, isTriedNow, lease) {
      const notified = await sql`
        WITH clock AS MATERIALIZED (
            SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now WHERE ${isHeld(lease)}
          ), written AS (
            INSERT INTO cooldowns (credential, model, suspended, failures, ends, dated, error)
            SELECT ${prefix + credential}, ${storedModel(model)}, ${Number(isSuspended)}, ${consecutiveFailures},
              now + ${Math.round(forMs)}::bigint, ${Number(hasDate)}, ${JSON.stringify(error)} FROM clock
            ON CONFLICT (credential, model) DO UPDATE SET suspended = excluded.suspended, failures = excluded.failures,
              ends = excluded.ends, dated = excluded.dated, error = excluded.error
            WHERE excluded.ends >= cooldowns.ends OR excluded.suspended > cooldowns.suspended OR ${Number(isTriedNow)} = 1
          )
        SELECT pg_notify(${channel}, ${node}) FROM clock`
      return notified.length > 0
    },
    async endCooldown(credential, model, lease) {
      const [found] = await sql<{ held: number }>`
        WITH lease AS MATERIALIZED (SELECT 1 AS held WHERE ${isHeld(lease)}), ended AS (
          DELETE FROM cooldowns USING lease WHERE cooldowns.credential = ${prefix + credential}
            AND cooldowns.model = ${storedModel(model)} RETURNING 1
        )
        SELECT held, (SELECT pg_notify(${channel}, ${node})::text FROM ended) AS notified FROM lease`
      return found !== undefined
    },
    async cooldowns() {
      const rows = await sql<Row>`SELECT credential, model, suspended, failures, dated, error,
          ends - (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS left
        FROM cooldowns WHERE starts_with(credential, ${prefix})`
      return rows.map((row) => reportOf(row, prefix))
    },
    watchCooldowns: (changed) =>
      sql.listen(channel, (payload) => {
        if (payload !== node) changed(payload === undefined)
      }),
  }
}

function reportOf({ credential, model, suspended, failures, left, dated, error }: Row, prefix: string): CooldownReport {
  return {
    ...{
      credential: credential.slice(prefix.length),
      model: modelOf(model),
      isSuspended: suspended !== 0,
      consecutiveFailures: failures,
    },
    ...{ forMs: left, hasDate: dated !== 0, error: JSON.parse(error) },
  }
}
