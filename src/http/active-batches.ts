import type { BatchFormat } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import type { BatchStore, ClaimedBatch, PendingRequest } from '../store/batches.ts'

/** One batch that is worked on. */
export interface ActiveBatch {
  batch: ClaimedBatch
  dialect: Dialect
  format: BatchFormat
  /** Requests that were read and not begun. */
  queue: QueuedRequest[]
  /** The position of the last request that was read, and whether it is the last of all. */
  readTo: number
  isRead: boolean
  running: Map<number, AbortController>
  /** Monotonic time before which no request of it begins, because one was refused for a reason that passes. */
  pausedUntil: number
}

export interface QueuedRequest extends PendingRequest {
  failures: number
}

/** The batches that this gateway works on. Owners take turns, and the batches of one are worked off in their order. */
export interface ActiveBatches {
  /**
   * Takes over the batches that the store has given to this gateway, new ones only with `addsNew`, and lets go of all
   * others: another gateway has taken them over.
   */
  update(claimed: readonly ClaimedBatch[], options: { addsNew: boolean }): void
  /**
   * Those with no request under way that are cancelled, expired or done. Each is taken out when the loop goes on to the
   * next one, so that it stays where the loop ends with an error.
   */
  finished(): Generator<ActiveBatch>
  /** The request whose turn it is; `undefined` where none may begin now. Errors: those of the store. */
  next(): Promise<{ active: ActiveBatch; request: QueuedRequest } | undefined>
  abortAll(): void
  readonly size: number
  /** Milliseconds until the first pause of a batch is over; infinite without pauses. */
  pauseMs(): number
}

export interface ActiveBatchesOptions {
  store: BatchStore
  dialects: readonly Dialect[]
  clock: Clock
}

/** How many requests of one batch are read at a time: several long ones together would hold up everybody else. */
const pageSize = 1

export function activeBatches({ store, dialects, clock }: ActiveBatchesOptions): ActiveBatches {
  const batches = new Map<string, ActiveBatch>()
  // Owners, in the order in which they were last served.
  let owners: string[] = []

  return {
    update(claimed, { addsNew }) {
      const ids = new Set(claimed.map(({ id }) => id))
      for (const [id, active] of batches) {
        if (ids.has(id)) continue
        abort(active)
        batches.delete(id)
      }
      for (const batch of claimed) {
        const known = batches.get(batch.id)
        if (known) known.batch = batch
        else if (addsNew) add(batch)
      }
    },
    *finished() {
      for (const active of batches.values()) {
        if (isCancelled(active)) abort(active)
        if (active.running.size > 0 || !(isCancelled(active) || isExpired(active, clock) || isDone(active))) continue
        yield active
        batches.delete(active.batch.id)
      }
      const left = new Set([...batches.values()].map(({ batch }) => batch.owner))
      owners = owners.filter((owner) => left.has(owner))
    },
    async next() {
      for (const owner of owners) {
        const found = await nextOf(owner)
        if (found === undefined) continue
        owners = [...owners.filter((other) => other !== owner), owner]
        return found
      }
      return undefined
    },
    abortAll() {
      for (const active of batches.values()) abort(active)
    },
    get size() {
      return batches.size
    },
    pauseMs() {
      const now = clock.monotonic()
      const pauses = [...batches.values()].map(({ pausedUntil }) => pausedUntil - now).filter((ms) => ms > 0)
      return Math.min(Number.POSITIVE_INFINITY, ...pauses)
    },
  }

  function add(batch: ClaimedBatch): void {
    const dialect = dialects.find(({ id }) => id === batch.dialect)
    if (dialect?.batches === undefined) return
    const progress = { queue: [], readTo: -1, isRead: false, running: new Map(), pausedUntil: 0 }
    batches.set(batch.id, { batch, dialect, format: dialect.batches, ...progress })
    if (!owners.includes(batch.owner)) owners.push(batch.owner)
  }

  async function nextOf(owner: string): Promise<{ active: ActiveBatch; request: QueuedRequest } | undefined> {
    for (const active of batches.values()) {
      if (active.batch.owner !== owner || isWaiting(active, clock)) continue
      if (active.queue.length === 0 && !active.isRead) await readNextPage(active, store)
      // A refusal during the read has paused the batch.
      if (isWaiting(active, clock)) continue
      const request = active.queue.shift()
      if (request !== undefined) return { active, request }
    }
    return undefined
  }
}

async function readNextPage(active: ActiveBatch, store: BatchStore): Promise<void> {
  const page = await store.pending(active.batch.id, active.readTo, pageSize)
  active.readTo = page.at(-1)?.n ?? active.readTo
  active.isRead = page.length < pageSize
  active.queue.push(...page.map((request) => ({ ...request, failures: 0 })))
}

export function isCancelled({ batch }: ActiveBatch): boolean {
  return batch.cancelledAt !== undefined
}

function isExpired({ batch }: ActiveBatch, clock: Clock): boolean {
  return clock.now() >= batch.expiresAt
}

function isDone({ isRead, queue, running }: ActiveBatch): boolean {
  return isRead && queue.length === 0 && running.size === 0
}

function isWaiting(active: ActiveBatch, clock: Clock): boolean {
  return active.pausedUntil > clock.monotonic() || isCancelled(active) || isExpired(active, clock)
}

function abort(active: ActiveBatch): void {
  for (const running of active.running.values()) running.abort()
}
