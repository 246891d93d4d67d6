import type { Batch, BatchOutcome, BatchResult } from '../core/batch.ts'
import { GatewayError } from '../core/errors.ts'
import type { PageQuery } from '../core/page-query.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { type Database, forUpdate, newRows, part, type Sql, type SqlValue, skipLocked } from '../database/sql.ts'
import { type BatchLimits, makeRoom, rejectLargerThan, rejectMoreThan } from './batch-limits.ts'
import { bytesOf, deleteHidden, insertBatchRequests, type NewBatchRequest, settleRest } from './batch-requests.ts'
import { type BatchRow, batchColumns, batchOf, unfinishedMs } from './batch-rows.ts'
import { mapDatabaseErrors } from './map-database-errors.ts'

/**
 * Batches of requests and their outcomes. Each batch belongs to an owner, the `keyId` of a caller, and does not exist
 * for others. Errors of all methods: `overloaded` while the database is away.
 */
export interface BatchStore {
  /** Whether batches outlive the process and are visible to other gateways. */
  readonly isLasting: boolean
  /**
   * Errors: `rate-limited` for an owner with too many batches that are not over, `too-large` or `overloaded` if there
   * is no room.
   */
  create(batch: NewBatch, yieldIfLong?: YieldIfLong): Promise<Batch>
  get(owner: string, id: string): Promise<Batch | undefined>
  list(owner: string, page: PageQuery): Promise<{ batches: Batch[]; hasMore: boolean }>
  /** Resolves with the batch afterwards. A batch that is over does not change. */
  cancel(owner: string, id: string): Promise<Batch | undefined>
  /** Calls `run` when a batch was cancelled on any gateway. Returns a function that ends this. */
  onCancel(run: () => void): () => void
  /** Deletes a batch that is over. Resolves with whether there was one. */
  delete(owner: string, id: string): Promise<boolean>
  /** In the order of the requests, beginning after the position `after`. */
  results(id: string, after: number, limit: number): Promise<BatchResult[]>
  /**
   * Claims batches that are not over for this gateway, for a limited time: its own, and those that no other gateway
   * works on. Also deletes batches that are too old.
   */
  claim(): Promise<ClaimedBatch[]>
  /** Requests without an outcome, in their order, beginning after the position `after`. */
  pending(id: string, after: number, limit: number): Promise<PendingRequest[]>
  /** Stores an outcome, unless there is one already. */
  storeOutcome(id: string, n: number, outcome: BatchOutcome, response: string): Promise<void>
  /** Ends a batch. Requests without an outcome get this one. */
  end(id: string, rest: BatchOutcome): Promise<Batch | undefined>
  close(): Promise<void>
}

export interface NewBatch {
  id: string
  owner: string
  dialect: string
  /** Headers that apply to each of its requests. */
  headers: readonly (readonly [string, string])[]
  entries: readonly NewBatchRequest[]
}

export interface ClaimedBatch extends Batch, Pick<NewBatch, 'owner' | 'dialect' | 'headers'> {}

export interface PendingRequest {
  n: number
  body: string
}

export interface BatchStoreOptions {
  /** Opened at the first use. */
  open: () => Database
  isLasting: boolean
  /** Bytes of all requests and responses. */
  maxBytes: number
  /** The most batches of one owner at a time. */
  maxOpen?: number
  /** Epoch milliseconds, by the clock of the database if several gateways share it. */
  now: () => number
  /** Names this process. */
  node: string
}

/** The store for `STORE=off`, which accepts no batches. */
export const noBatchStore: BatchStore = {
  isLasting: false,
  async create() {
    throw new GatewayError('invalid-request', 'This gateway keeps nothing (STORE=off), so it takes no batches.', {
      code: 'store_off',
    })
  },
  get: async () => undefined,
  list: async () => ({ batches: [], hasMore: false }),
  cancel: async () => undefined,
  onCancel: () => () => {},
  delete: async () => false,
  results: async () => [],
  claim: async () => [],
  pending: async () => [],
  storeOutcome: async () => {},
  end: async () => undefined,
  close: async () => {},
}

const dayMs = 24 * 60 * 60 * 1000
/** As long as Anthropic keeps results. */
const keptMs = 29 * dayMs
/** A gateway that has not renewed its claims for this long counts as stopped. */
const leaseMs = 15_000
const usualMaxOpen = 100
const slowMs = 20_000
const channel = 'zai2api_batches'

export function createBatchStore(options: BatchStoreOptions): BatchStore {
  const { isLasting, now, node } = options
  const limits = { maxBytes: options.maxBytes, maxOpen: options.maxOpen ?? usualMaxOpen }
  let opened: Database | undefined
  const database = () => {
    opened ??= options.open()
    return opened
  }

  return withMappedErrors({
    isLasting,
    async create(batch, yieldIfLong) {
      return await createBatch(batch, { database: database(), limits, now, node, yieldIfLong })
    },
    get: async (owner, id) => await batchIn(database(), owner, id),
    list: async (owner, page) => await listBatches(database(), owner, page),
    async cancel(owner, id) {
      const sql = database()
      const cancelled = await sql`UPDATE batches SET cancelled = ${now()}
        WHERE id = ${id} AND key = ${owner} AND hidden = 0 AND ended IS NULL AND cancelled IS NULL RETURNING id`
      // The gateway that works on it looks for that every few seconds, so the message may be lost.
      if (cancelled.length > 0 && sql.engine === 'postgres')
        await sql`SELECT pg_notify(${channel}, '')::text AS notified`.catch(() => {})
      return await batchIn(database(), owner, id)
    },
    onCancel: (run) => (isLasting ? database().listen(channel, run) : () => {}),
    async delete(owner, id) {
      const hidden = await database()`UPDATE batches SET hidden = 1, bytes = 0, leased = ${now() + unfinishedMs}
        WHERE id = ${id} AND key = ${owner} AND hidden = 0 AND ended IS NOT NULL RETURNING id`
      if (hidden.length > 0) await deleteHidden(database(), id).catch(leftForLater)
      return hidden.length > 0
    },
    async results(id, after, limit) {
      const rows = await database().background<ResultRow>`SELECT n, name, outcome, response FROM batch_requests
        WHERE batch = ${id} AND n > ${after} AND outcome IS NOT NULL ORDER BY n LIMIT ${limit}`
      return rows.map(({ response, ...row }) => ({ ...row, response: response ?? undefined }))
    },
    claim: async () => await claimBatches(database(), node, now()),
    async pending(id, after, limit) {
      return await database().background<{ n: number; body: string }>`SELECT n, body FROM batch_requests
        WHERE batch = ${id} AND n > ${after} AND outcome IS NULL ORDER BY n LIMIT ${limit}`
    },
    async storeOutcome(id, n, outcome, response) {
      await database().transaction(async (inside) => {
        const settled = await inside`UPDATE batch_requests SET outcome = ${outcome}, response = ${response}
          WHERE batch = ${id} AND n = ${n} AND outcome IS NULL RETURNING n`
        if (settled.length === 0) return
        await inside`UPDATE batches SET bytes = bytes + ${Buffer.byteLength(response)} WHERE id = ${id}`
      }, slowMs)
    },
    async end(id, rest) {
      await settleRest(database(), id, rest)
      return await database().transaction((inside) => endBatch(inside, id, now()), slowMs)
    },
    async close() {
      // Does nothing, because others use the database of the gateway, too.
      if (!isLasting) await opened?.close()
    },
  })
}

interface CreateOptions {
  database: Database
  limits: BatchLimits
  now: () => number
  node: string
  yieldIfLong: YieldIfLong | undefined
}

/** The batch is hidden until all of its requests are stored. */
async function createBatch(
  { id, owner, dialect, headers, entries }: NewBatch,
  { database, limits, now, node, yieldIfLong }: CreateOptions,
): Promise<Batch> {
  const at = now()
  const bytes = await bytesOf(entries, yieldIfLong)
  rejectLargerThan(limits, bytes)
  const row = {
    ...{ id, key: owner, at, expires: at + dayMs, cancelled: null, ended: null, size: entries.length, bytes },
    ...{ dialect, headers: JSON.stringify(headers), succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    ...{ node, leased: at + unfinishedMs, hidden: 1 },
  }
  const removed = await database.transaction(async (inside) => {
    await rejectMoreThan(limits, owner, inside)
    const hidden = await makeRoom(limits, { bytes, owner, at: now() }, inside)
    await inside`INSERT INTO ${newRows('batches', batchColumns, [row])}`
    return hidden
  })
  try {
    for (const other of removed) await deleteHidden(database, other)
    await insertBatchRequests(database, id, entries, yieldIfLong)
    await database`UPDATE batches SET hidden = 0, leased = ${now() + leaseMs} WHERE id = ${id}`
    return batchOf(row)
  } catch (thrown) {
    await deleteHidden(database, id).catch(leftForLater)
    throw thrown
  }
}

async function batchIn(sql: Sql, owner: string, id: string): Promise<Batch | undefined> {
  const [row] = await sql<BatchRow>`SELECT * FROM batches WHERE id = ${id} AND key = ${owner} AND hidden = 0`
  return row && batchOf(row)
}

async function listBatches(
  sql: Sql,
  owner: string,
  { limit, after, before }: PageQuery,
): Promise<{ batches: Batch[]; hasMore: boolean }> {
  const isBackwards = after === undefined && before !== undefined
  const from = await placeOf(sql, owner, after ?? before)
  if ((after ?? before) !== undefined && from === undefined) return { batches: [], hasMore: false }
  const newer = part`AND (at, id) > (${from?.at ?? 0}, ${from?.id ?? ''}) ORDER BY at, id`
  const older = part`AND (at, id) < (${from?.at ?? 0}, ${from?.id ?? ''}) ORDER BY at DESC, id DESC`
  const wanted = from === undefined ? part`ORDER BY at DESC, id DESC` : isBackwards ? newer : older
  const rows = await sql<BatchRow>`SELECT * FROM batches
    WHERE key = ${owner} AND hidden = 0 ${wanted} LIMIT ${limit + 1}`
  const page = rows.slice(0, limit).map(batchOf)
  return { batches: isBackwards ? page.reverse() : page, hasMore: rows.length > limit }
}

async function placeOf(sql: Sql, owner: string, id: string | undefined) {
  if (id === undefined) return undefined
  const [place] = await sql<{ at: number; id: string }>`SELECT at, id FROM batches
    WHERE id = ${id} AND key = ${owner} AND hidden = 0`
  return place
}

/** Renews the claim of this gateway to its batches, and takes over those that no other gateway works on. */
async function claimBatches(database: Database, node: string, at: number): Promise<ClaimedBatch[]> {
  // Batches of this gateway may be locked for a moment while an outcome is stored, so it waits for them. Batches that
  // another gateway is claiming are skipped.
  const rows = await database<BatchRow>`
    WITH own AS (
      SELECT id FROM batches WHERE ended IS NULL AND hidden = 0 AND node = ${node} ORDER BY id ${forUpdate}
    ), left_over AS (
      SELECT id FROM batches WHERE ended IS NULL AND hidden = 0 AND node <> ${node} AND leased < ${at} ${skipLocked}
    )
    UPDATE batches SET node = ${node}, leased = ${at + leaseMs}
    WHERE id IN (SELECT id FROM own UNION ALL SELECT id FROM left_over) RETURNING *`
  await deleteOld(database, at)
  return rows
    .toSorted((left, right) => left.at - right.at)
    .map((row) => ({
      ...batchOf(row),
      ...{ owner: row.key, dialect: row.dialect, headers: JSON.parse(row.headers) },
    }))
}

/** Deletes one batch that is too old, or that a gateway stored or deleted only in part before it stopped. */
async function deleteOld(database: Database, at: number): Promise<void> {
  const [old] = await database<{
    id: string
  }>`UPDATE batches SET hidden = 1, bytes = 0, leased = ${at + unfinishedMs}
    WHERE id = (SELECT id FROM batches
      WHERE (hidden = 0 AND ended < ${at - keptMs}) OR (hidden = 1 AND leased < ${at}) LIMIT 1 ${skipLocked})
    RETURNING id`
  if (old !== undefined) await deleteHidden(database, old.id)
}

/** Ends a batch if all of its requests have an outcome. */
async function endBatch(inside: Sql, id: string, at: number): Promise<Batch | undefined> {
  const counted = await inside<{ outcome: BatchOutcome; n: number }>`SELECT outcome, count(*) AS n
    FROM batch_requests WHERE batch = ${id} GROUP BY outcome`
  const of = (wanted: BatchOutcome) => counted.find(({ outcome }) => outcome === wanted)?.n ?? 0
  const [row] = await inside<BatchRow>`UPDATE batches SET ended = ${at}, succeeded = ${of('succeeded')},
    errored = ${of('errored')}, canceled = ${of('canceled')}, expired = ${of('expired')}
    WHERE id = ${id} AND ended IS NULL RETURNING *`
  return row && batchOf(row)
}

/** After a failed deletion: the batch stays hidden, and `deleteOld` deletes it later. */
function leftForLater(): void {}

type ResultRow = Record<string, SqlValue> & { n: number; name: string; outcome: BatchOutcome; response: string | null }

/** Wraps a store. Errors of the database become `overloaded`, which a client understands. */
function withMappedErrors(store: BatchStore): BatchStore {
  return {
    isLasting: store.isLasting,
    create: (batch, yieldIfLong) => mapDatabaseErrors(store.create(batch, yieldIfLong)),
    get: (owner, id) => mapDatabaseErrors(store.get(owner, id)),
    list: (owner, page) => mapDatabaseErrors(store.list(owner, page)),
    cancel: (owner, id) => mapDatabaseErrors(store.cancel(owner, id)),
    onCancel: (run) => store.onCancel(run),
    delete: (owner, id) => mapDatabaseErrors(store.delete(owner, id)),
    results: (id, after, limit) => mapDatabaseErrors(store.results(id, after, limit)),
    claim: () => mapDatabaseErrors(store.claim()),
    pending: (id, after, limit) => mapDatabaseErrors(store.pending(id, after, limit)),
    storeOutcome: (id, n, outcome, response) => mapDatabaseErrors(store.storeOutcome(id, n, outcome, response)),
    end: (id, rest) => mapDatabaseErrors(store.end(id, rest)),
    close: () => store.close(),
  }
}
