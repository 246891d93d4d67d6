import type { Batch, BatchOutcome, BatchResult } from '../core/batch.ts'
import { GatewayError } from '../core/errors.ts'
import type { PageQuery } from '../core/page-query.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { type Database, newRows, part, type Sql, type SqlValue } from '../database/sql.ts'
import { overloadedWhereAway } from './database-away.ts'

/**
 * Batches of requests, and what became of each. Each belongs to an owner, the `keyId` of a caller, and does not exist for
 * others. Errors of all methods: `overloaded` while the database is away.
 */
export interface BatchStore {
  /** Whether batches outlive the process, and other gateways may see them. */
  readonly isLasting: boolean
  /** Errors: `rate-limited` for an owner with too many that are not over, `too-large` or `overloaded` where there is no room. */
  create(batch: NewBatch, yieldIfLong?: YieldIfLong): Promise<Batch>
  get(owner: string, id: string): Promise<Batch | undefined>
  list(owner: string, page: PageQuery): Promise<{ batches: Batch[]; hasMore: boolean }>
  /** The batch afterwards, which is as it was if it is over. */
  cancel(owner: string, id: string): Promise<Batch | undefined>
  /** Only of a batch that is over. Resolves with whether there was one. */
  delete(owner: string, id: string): Promise<boolean>
  /** In the order of the requests, from behind the position `after` on. */
  results(id: string, after: number, limit: number): Promise<BatchResult[]>
  /**
   * The batches that are not over and that this gateway works on from now on, for a while: those it had already, and those
   * that no other gateway works on. Deletes what is too old.
   */
  claim(): Promise<ClaimedBatch[]>
  /** Requests without an outcome, in their order, from behind the position `after` on. */
  pending(id: string, after: number, limit: number): Promise<PendingRequest[]>
  /** Stores an outcome, unless there is one already. */
  settle(id: string, n: number, outcome: BatchOutcome, response: string): Promise<void>
  /** Ends a batch: what has no outcome gets this one. */
  end(id: string, rest: BatchOutcome): Promise<Batch | undefined>
  close(): Promise<void>
}

export interface NewBatch {
  id: string
  owner: string
  dialect: string
  /** Headers that belong to each of its requests. */
  headers: readonly (readonly [string, string])[]
  entries: readonly NewBatchRequest[]
}

export interface NewBatchRequest {
  name: string
  /** JSON. */
  body: string
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
  /** Epoch milliseconds; that of the database where several gateways share it. */
  now: () => number
  /** Names this process. */
  node: string
}

/** The store for `STORE=off`, which takes none. */
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
  delete: async () => false,
  results: async () => [],
  claim: async () => [],
  pending: async () => [],
  settle: async () => {},
  end: async () => undefined,
  close: async () => {},
}

const dayMs = 24 * 60 * 60 * 1000
/** As long as Anthropic keeps results. */
const keptMs = 29 * dayMs
/** A gateway that does not claim its batches again for so long has stopped. */
const leaseMs = 15_000
const usualMaxOpen = 100
/** Rows of one statement, and characters if they are more than one. A batch may have a hundred thousand requests. */
const rowsAtOnce = 200
const charactersAtOnce = 1_000_000
/** Characters whose bytes take a tenth of a millisecond to count. */
const longBody = 100_000
/** How long the requests of a batch may take to be stored or deleted; then others delete what is left of it. */
const unfinishedMs = 10 * 60_000
const slowMs = 20_000

interface BatchRow {
  id: string
  key: string
  at: number
  expires: number
  cancelled: number | null
  ended: number | null
  size: number
  succeeded: number
  errored: number
  canceled: number
  expired: number
  dialect: string
  headers: string
}

export function createBatchStore(options: BatchStoreOptions): BatchStore {
  const { isLasting, maxBytes, maxOpen = usualMaxOpen, now, node } = options
  let opened: Database | undefined
  const database = () => {
    opened ??= options.open()
    return opened
  }

  return whereAway({
    isLasting,
    async create({ id, owner, dialect, headers, entries }, yieldIfLong) {
      const at = now()
      let bytes = 0
      for (const { body } of entries) {
        bytes += Buffer.byteLength(body)
        if (body.length > longBody) await yieldIfLong?.()
      }
      if (bytes > maxBytes) throw tooLarge(bytes, maxBytes)
      const row = {
        ...{ id, key: owner, at, expires: at + dayMs, cancelled: null, ended: null, size: entries.length, bytes },
        ...{ dialect, headers: JSON.stringify(headers), succeeded: 0, errored: 0, canceled: 0, expired: 0 },
        ...{ node, leased: at + unfinishedMs, hidden: 1 },
      }
      const removed = await database().transaction(async (inside) => {
        await refuseMoreThan(maxOpen, owner, inside)
        const hidden = await makeRoom(bytes, owner, inside)
        await inside`INSERT INTO ${newRows('batches', batchColumns, [row])}`
        return hidden
      })
      try {
        for (const other of removed) await clear(other)
        // Not in one transaction: all other statements on SQLite would wait for its end.
        await insertRequests(id, entries, yieldIfLong)
        await database()`UPDATE batches SET hidden = 0, leased = ${now() + leaseMs} WHERE id = ${id}`
        return batchOf(row)
      } catch (thrown) {
        await clear(id).catch(leftForLater)
        throw thrown
      }
    },
    async get(owner, id) {
      const [row] = await database()<BatchRow>`SELECT * FROM batches
        WHERE id = ${id} AND key = ${owner} AND hidden = 0`
      return row && batchOf(row)
    },
    async list(owner, { limit, after, before }) {
      const isBackwards = after === undefined && before !== undefined
      const from = await placeOf(owner, after ?? before)
      if ((after ?? before) !== undefined && from === undefined) return { batches: [], hasMore: false }
      const newer = part`AND (at, id) > (${from?.at ?? 0}, ${from?.id ?? ''}) ORDER BY at, id`
      const older = part`AND (at, id) < (${from?.at ?? 0}, ${from?.id ?? ''}) ORDER BY at DESC, id DESC`
      const wanted = from === undefined ? part`ORDER BY at DESC, id DESC` : isBackwards ? newer : older
      const rows = await database()<BatchRow>`SELECT * FROM batches 
        WHERE key = ${owner} AND hidden = 0 ${wanted} LIMIT ${limit + 1}`
      const page = rows.slice(0, limit).map(batchOf)
      return { batches: isBackwards ? page.reverse() : page, hasMore: rows.length > limit }
    },
    async cancel(owner, id) {
      await database()`UPDATE batches SET cancelled = ${now()}
        WHERE id = ${id} AND key = ${owner} AND hidden = 0 AND ended IS NULL AND cancelled IS NULL`
      const [row] = await database()<BatchRow>`SELECT * FROM batches
        WHERE id = ${id} AND key = ${owner} AND hidden = 0`
      return row && batchOf(row)
    },
    async delete(owner, id) {
      const hidden = await database()`UPDATE batches SET hidden = 1, bytes = 0, leased = ${now() + unfinishedMs}
        WHERE id = ${id} AND key = ${owner} AND hidden = 0 AND ended IS NOT NULL RETURNING id`
      if (hidden.length > 0) await clear(id).catch(leftForLater)
      return hidden.length > 0
    },
    async results(id, after, limit) {
      const rows = await database()<ResultRow>`SELECT n, name, outcome, response FROM batch_requests
        WHERE batch = ${id} AND n > ${after} AND outcome IS NOT NULL ORDER BY n LIMIT ${limit}`
      return rows.map(({ response, ...row }) => ({ ...row, response: response ?? undefined }))
    },
    async claim() {
      const at = now()
      const rows = await database()<BatchRow>`UPDATE batches SET node = ${node}, leased = ${at + leaseMs}
        WHERE ended IS NULL AND hidden = 0 AND (node = ${node} OR leased < ${at}) RETURNING *`
      await deleteOld(at)
      return rows
        .toSorted((left, right) => left.at - right.at)
        .map((row) => ({
          ...batchOf(row),
          ...{ owner: row.key, dialect: row.dialect, headers: JSON.parse(row.headers) },
        }))
    },
    async pending(id, after, limit) {
      return await database()<{ n: number; body: string }>`SELECT n, body FROM batch_requests
        WHERE batch = ${id} AND n > ${after} AND outcome IS NULL ORDER BY n LIMIT ${limit}`
    },
    async settle(id, n, outcome, response) {
      await database().transaction(async (inside) => {
        const settled = await inside`UPDATE batch_requests SET outcome = ${outcome}, response = ${response}
          WHERE batch = ${id} AND n = ${n} AND outcome IS NULL RETURNING n`
        if (settled.length === 0) return
        await inside`UPDATE batches SET bytes = bytes + ${Buffer.byteLength(response)} WHERE id = ${id}`
      }, slowMs)
    },
    async end(id, rest) {
      await inPortions(
        () => database().background`UPDATE batch_requests SET outcome = ${rest} WHERE batch = ${id} AND n IN
          (SELECT n FROM batch_requests WHERE batch = ${id} AND outcome IS NULL LIMIT ${rowsAtOnce}) RETURNING n`,
      )
      return await database().transaction(async (inside) => {
        const counted = await inside<{ outcome: BatchOutcome; n: number }>`SELECT outcome, count(*) AS n
          FROM batch_requests WHERE batch = ${id} GROUP BY outcome`
        const of = (wanted: BatchOutcome) => counted.find(({ outcome }) => outcome === wanted)?.n ?? 0
        const [row] = await inside<BatchRow>`UPDATE batches SET ended = ${now()}, succeeded = ${of('succeeded')},
          errored = ${of('errored')}, canceled = ${of('canceled')}, expired = ${of('expired')}
          WHERE id = ${id} AND ended IS NULL RETURNING *`
        return row && batchOf(row)
      }, slowMs)
    },
    async close() {
      // Others use the database of the gateway, too.
      if (!isLasting) await opened?.close()
    },
  })

  async function insertRequests(
    id: string,
    entries: readonly NewBatchRequest[],
    yieldIfLong: YieldIfLong | undefined,
  ): Promise<void> {
    for (let from = 0, to = 0; from < entries.length; from = to) {
      to = endOfPortion(entries, from)
      const rows = entries
        .slice(from, to)
        .map(({ name, body }, index) => ({ batch: id, n: from + index, name, body, outcome: null, response: null }))
      await database().background`INSERT INTO ${newRows('batch_requests', requestColumns, rows)}`
      await yieldIfLong?.()
    }
  }

  async function placeOf(owner: string, id: string | undefined) {
    if (id === undefined) return undefined
    const [place] = await database()<{ at: number; id: string }>`SELECT at, id FROM batches
      WHERE id = ${id} AND key = ${owner} AND hidden = 0`
    return place
  }

  /**
   * Batches that are over make room, the oldest of whoever has the most first. An owner with more than half of the room
   * has only its own deleted for that: otherwise, the batches that it sends would drive out the results of all others.
   * Returns those whose requests are still to be deleted.
   */
  async function makeRoom(bytes: number, owner: string, inside: Sql): Promise<string[]> {
    const hidden: string[] = []
    for (;;) {
      const [kept] = await inside<{ all: number; own: number }>`SELECT coalesce(sum(bytes), 0) AS "all",
        coalesce(sum(CASE WHEN key = ${owner} THEN bytes ELSE 0 END), 0) AS own FROM batches`
      const { all, own } = kept ?? { all: 0, own: 0 }
      if (all + bytes <= maxBytes) return hidden
      const mayBeOthers = own + bytes <= maxBytes / 2
      const others = mayBeOthers ? part`` : part`AND key = ${owner}`
      const [oldest] = await inside<{ id: string }>`SELECT id FROM batches
        WHERE ended IS NOT NULL AND hidden = 0 AND key =
          (SELECT key FROM batches WHERE ended IS NOT NULL AND hidden = 0 ${others} GROUP BY key ORDER BY sum(bytes) DESC LIMIT 1)
        ORDER BY at, id LIMIT 1`
      if (oldest === undefined) throw full()
      await inside`UPDATE batches SET hidden = 1, bytes = 0, leased = ${now() + unfinishedMs} WHERE id = ${oldest.id}`
      hidden.push(oldest.id)
    }
  }

  /** Deletes one batch that is too old, or that a gateway stored or deleted only in part before it stopped. */
  async function deleteOld(at: number): Promise<void> {
    const [old] = await database()<{
      id: string
    }>`UPDATE batches SET hidden = 1, bytes = 0, leased = ${at + unfinishedMs}
      WHERE id = (SELECT id FROM batches
        WHERE (hidden = 0 AND ended < ${at - keptMs}) OR (hidden = 1 AND leased < ${at}) LIMIT 1) RETURNING id`
    if (old !== undefined) await clear(old.id)
  }

  /** Deletes a batch that is hidden. */
  async function clear(id: string): Promise<void> {
    await inPortions(
      () => database().background`DELETE FROM batch_requests WHERE batch = ${id} AND n IN
        (SELECT n FROM batch_requests WHERE batch = ${id} ORDER BY n LIMIT ${rowsAtOnce}) RETURNING n`,
    )
    await database()`DELETE FROM batches WHERE id = ${id}`
  }
}

/** Runs a statement that changes and returns up to `rowsAtOnce` rows until it finds no more. Others have their turn between. */
async function inPortions(statement: () => Promise<unknown[]>): Promise<void> {
  while ((await statement()).length === rowsAtOnce) await new Promise((resolve) => setImmediate(resolve))
}

/** After a failed `clear`: the batch stays hidden, and `deleteOld` deletes it later. */
function leftForLater(): void {}

function endOfPortion(entries: readonly NewBatchRequest[], from: number): number {
  let to = from
  let length = 0
  while (to < entries.length && to - from < rowsAtOnce && (to === from || length < charactersAtOnce))
    length += entries[to++]?.body.length ?? 0
  return to
}

const batchColumns = [
  ...(['id', 'key', 'at', 'expires', 'cancelled', 'ended', 'size', 'bytes', 'dialect', 'headers'] as const),
  ...(['succeeded', 'errored', 'canceled', 'expired', 'node', 'leased', 'hidden'] as const),
] as const
const requestColumns = ['batch', 'n', 'name', 'body', 'outcome', 'response'] as const

type ResultRow = Record<string, SqlValue> & { n: number; name: string; outcome: BatchOutcome; response: string | null }

function batchOf({ id, at, expires, cancelled, ended, size, succeeded, errored, canceled, expired }: BatchRow): Batch {
  return {
    ...{
      id,
      createdAt: at,
      expiresAt: expires,
      cancelledAt: cancelled ?? undefined,
      endedAt: ended ?? undefined,
      size,
    },
    counts: { succeeded, errored, canceled, expired },
  }
}

async function refuseMoreThan(most: number, owner: string, inside: Sql): Promise<void> {
  const [open] = await inside<{ n: number }>`SELECT count(*) AS n FROM batches WHERE key = ${owner} AND ended IS NULL`
  if ((open?.n ?? 0) < most) return
  throw new GatewayError(
    'rate-limited',
    `This key already has ${most} batches that are not over, as many as it may have. Send another when one is.`,
    { code: 'too_many_batches', retryAfterMs: 60_000 },
  )
}

function tooLarge(bytes: number, most: number): GatewayError {
  return new GatewayError(
    'too-large',
    `The batch has ${bytes} bytes, and this gateway keeps at most ${most}. Divide it into smaller ones.`,
    { code: 'batch_too_large' },
  )
}

function full(): GatewayError {
  return new GatewayError(
    'overloaded',
    'This gateway keeps as many batches as it can. Delete some that are over, or wait until others are.',
    { code: 'batches_full', retryAfterMs: 60_000 },
  )
}

/** The store with errors of the database turned into `overloaded`, which a client understands. */
function whereAway(store: BatchStore): BatchStore {
  return {
    isLasting: store.isLasting,
    create: (batch, yieldIfLong) => overloadedWhereAway(store.create(batch, yieldIfLong)),
    get: (owner, id) => overloadedWhereAway(store.get(owner, id)),
    list: (owner, page) => overloadedWhereAway(store.list(owner, page)),
    cancel: (owner, id) => overloadedWhereAway(store.cancel(owner, id)),
    delete: (owner, id) => overloadedWhereAway(store.delete(owner, id)),
    results: (id, after, limit) => overloadedWhereAway(store.results(id, after, limit)),
    claim: () => overloadedWhereAway(store.claim()),
    pending: (id, after, limit) => overloadedWhereAway(store.pending(id, after, limit)),
    settle: (id, n, outcome, response) => overloadedWhereAway(store.settle(id, n, outcome, response)),
    end: (id, rest) => overloadedWhereAway(store.end(id, rest)),
    close: () => store.close(),
  }
}
