import type { CapacityReport, CapacityShare, SharedCapacity } from '../core/shared-capacity.ts'
import { type Database, newRows, part, type Sql, type SqlPart } from '../database/sql.ts'
import { databaseCooldowns } from './cooldowns.ts'
import { type Capacity, type CapacityLease, decideShare, turnOf, wantedBy } from './decide-share.ts'
import { modelOf, storedModel } from './model-names.ts'

export interface CapacityOptions {
  /** A database on PostgreSQL. */
  sql: Database
  /** The id of this process among those that share the database. */
  node: string
  /** The upstream's id. Credentials of two upstreams may have the same id. */
  upstream: string
}

/**
 * How long a gateway that has stopped keeps its share. It is measured by the database's clock, so differences between
 * the gateways' clocks do not matter.
 */
export const leaseMs = 15_000

const channel = 'zai2api_capacity'
const hourMs = 3_600_000

/**
 * The limits of credentials and each gateway's shares, in the database of the gateways. An exchange is one transaction
 * of about six round trips for all credentials of an upstream.
 *
 * All exchanges lock rows in the same order, so they wait for each other and cannot deadlock: credential by credential,
 * first the row for all its models. Whoever has locked that row may lock the other rows of the credential in any order.
 */
export function databaseCapacity({ sql, node, upstream }: CapacityOptions): SharedCapacity {
  const prefix = `${upstream}/`
  const stored = (credential: string) => prefix + credential
  const storedName = <Name extends { credential: string; model: string }>(name: Name): Name => ({
    ...name,
    credential: stored(name.credential),
    model: storedModel(name.model),
  })
  return {
    async exchange(ids, reported) {
      const credentials = ids.map(stored)
      const reports = reported.map(storedName)
      const shares = await sql.transaction(async (inside) => {
        await lockReported(inside, reports)
        const capacities = await lockedCapacities(inside, credentials)
        const now = capacities[0]?.now ?? 0
        const leases = await leasesOf(inside, credentials, now)
        const changes = capacities.map((row) => changeOf(row, { node, leases, reports, now }))
        await write(inside, changes, { node, credentials, now })
        return changes.map(({ share }) => share)
      })
      return shares.map((share) => ({
        ...share,
        credential: share.credential.slice(prefix.length),
        model: modelOf(share.model),
      }))
    },
    watch: (changed) =>
      sql.listen(channel, (payload) => {
        if (payload === undefined || payload.split(' ').includes(node)) changed()
      }),
    ...databaseCooldowns({ sql, node, prefix }),
    isAway: sql.isAway,
    async leave(ids, leases) {
      const own = part`credential IN ${listOf(ids.map(stored))}`
      const held = leases.map(storedName)
      await sql.transaction(async (inside) => {
        await lockedCapacities(inside, ids.map(stored))
        await inside`DELETE FROM leases WHERE node = ${node} AND (credential, model, fence) IN (
          SELECT credential, model, fence FROM json_populate_recordset(NULL::leases, ${JSON.stringify(held)}::text::json))`
        await inside`DELETE FROM capacities WHERE ${own} AND lim IS NULL AND NOT EXISTS (SELECT 1 FROM leases WHERE ${own})`
      })
    },
  }
}

interface CapacityRow {
  credential: string
  model: string
  lim: number | null
  limited_at: number | null
  /** The fence of the newest lease. */
  fence: number
  now: number
}

interface LeaseRow {
  credential: string
  model: string
  node: string
  share: number
  in_flight: number
  wants: string
  turn: number
  fence: number
}

interface CapacityChange {
  row: CapacityRow
  capacity: Capacity
  lease: CapacityLease
  fence: number
  share: CapacityShare
  wake: string[]
}

/**
 * Creates missing rows and locks existing ones. Without the lock, another gateway could delete a row, and the report
 * about it would be lost.
 */
async function lockReported(sql: Sql, reports: readonly CapacityReport[]): Promise<void> {
  if (reports.length === 0) return
  const rows = reports.map(({ credential, model, startLimit = null }) => ({ credential, model, lim: startLimit }))
  // The row may have been deleted before, and its fences must not be used again. So a new row begins with the time in
  // milliseconds, which grows faster than a fence does: a grant takes longer than a millisecond.
  await sql`
    INSERT INTO capacities (credential, model, lim, used, fence)
    SELECT DISTINCT ON (credential, model) credential, model, lim, (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
      (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    FROM json_populate_recordset(NULL::capacities, ${JSON.stringify(rows)}::text::json) ORDER BY credential, model
    ON CONFLICT (credential, model) DO UPDATE SET used = excluded.used
      WHERE capacities.used < excluded.used - ${hourMs}`
}

function lockedCapacities(sql: Sql, credentials: readonly string[]): Promise<CapacityRow[]> {
  return sql<CapacityRow>`SELECT credential, model, lim, limited_at, fence,
      (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
    FROM capacities WHERE credential IN ${listOf(credentials)}
    ORDER BY credential, model FOR UPDATE`
}

function leasesOf(sql: Sql, credentials: readonly string[], now: number): Promise<LeaseRow[]> {
  return sql<LeaseRow>`SELECT credential, model, node, share, in_flight, wants, turn, fence FROM leases
    WHERE credential IN ${listOf(credentials)}
      AND expires > ${now}`
}

interface Exchange {
  node: string
  leases: readonly LeaseRow[]
  reports: readonly CapacityReport[]
  now: number
}

function changeOf(row: CapacityRow, { node, leases, reports, now }: Exchange): CapacityChange {
  const { credential, model } = row
  const isSame = (other: { credential: string; model: string }) =>
    other.credential === credential && other.model === model
  const all = leases.filter(isSame)
  const others = all.filter((lease) => lease.node !== node).map(leaseOf)
  const before = all.find((lease) => lease.node === node)
  const reported = reports.find(isSame)
  // Without a report, nothing depends on the lease.
  const isHeld = before !== undefined && (reported === undefined || reported.fence === before.fence)
  const isStale = reported?.fence !== undefined && !isHeld
  const known = isStale ? undefined : before && leaseOf(before)
  // The calls count, whatever lease they began under. Under an ended lease their results do not, because others had the
  // slots at that time.
  const { inFlight = 0, wants = {}, ...results } = reported ?? {}
  const report = isStale ? { answered: 0 } : { answered: 0, ...results }
  const wasShort = known !== undefined && wantedBy(known) > known.share
  const own: CapacityLease = {
    ...{ node, share: known?.share ?? 0, inFlight, wants },
    turn: turnOf(known?.turn ?? 0, wasShort, others),
  }
  const { capacity, lease, answer, wake } = decideShare(
    { limit: row.lim, limitedAt: row.limited_at },
    own,
    others,
    report,
    now,
  )
  const fence = isHeld ? before.fence : row.fence + 1
  const isGranted = isUsed({ capacity, lease })
  const share = { credential, model, ...answer, fence: isGranted ? fence : undefined, isStale }
  return { row, capacity, lease, fence, share, wake }
}

async function write(
  sql: Sql,
  changes: readonly CapacityChange[],
  { node, credentials, now }: { node: string; credentials: readonly string[]; now: number },
): Promise<void> {
  for (const { row, capacity, fence } of changes)
    if (capacity.limit !== row.lim || capacity.limitedAt !== row.limited_at || fence > row.fence)
      await sql`UPDATE capacities SET lim = ${capacity.limit}, limited_at = ${capacity.limitedAt},
          fence = greatest(fence, ${fence}::bigint)
        WHERE credential = ${row.credential} AND model = ${row.model}`
  await sql`DELETE FROM leases WHERE expires <= ${now}
    AND credential IN ${listOf(credentials)}`
  const { used = [], unused = [] } = Object.groupBy(changes, (change) => (isUsed(change) ? 'used' : 'unused'))
  for (const { row } of unused) {
    // Unused rows are not kept, because clients invent names of models.
    const own = part`credential = ${row.credential} AND model = ${row.model}`
    await sql`DELETE FROM leases WHERE ${own} AND node = ${node}`
    await sql`DELETE FROM capacities WHERE ${own} AND NOT EXISTS (SELECT 1 FROM leases WHERE ${own})`
  }
  const rows = used.map(({ row, lease, fence }) => ({
    ...{ credential: row.credential, model: row.model, node, share: lease.share, in_flight: lease.inFlight },
    ...{ wants: JSON.stringify(lease.wants), turn: lease.turn, expires: now + leaseMs, fence },
  }))
  if (rows.length > 0)
    await sql`INSERT INTO ${newRows('leases', leaseColumns, rows)}
      ON CONFLICT (credential, model, node) DO UPDATE SET share = excluded.share, in_flight = excluded.in_flight,
        wants = excluded.wants, turn = excluded.turn, expires = excluded.expires, fence = excluded.fence`
  const woken = [...new Set(changes.flatMap(({ wake }) => wake))]
  if (woken.length > 0) await sql`SELECT pg_notify(${channel}, ${woken.join(' ')})`
}

/** Whether the row has to be kept: it has a limit, or calls that count at the first refusal. */
function isUsed({ capacity, lease }: Pick<CapacityChange, 'capacity' | 'lease'>): boolean {
  return capacity.limit !== null || lease.inFlight > 0 || wantedBy(lease) > 0
}

/** A list for the right side of IN, as one parameter. */
function listOf(texts: readonly string[]): SqlPart {
  return part`(SELECT json_array_elements_text(${JSON.stringify(texts)}::text::json))`
}

const leaseColumns = [
  ...(['credential', 'model', 'node', 'share', 'in_flight', 'wants', 'turn', 'expires', 'fence'] as const),
] as const

function leaseOf({ node, share, in_flight, wants, turn }: LeaseRow): CapacityLease {
  return { node, share, inFlight: in_flight, wants: JSON.parse(wants), turn }
}
