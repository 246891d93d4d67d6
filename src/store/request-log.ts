import type { Clock } from '../core/clock.ts'
import { isOfValues } from '../database/errors.ts'
import type { TransactionalSql } from '../database/sql.ts'
import type { Journal } from './journal.ts'
import { countRequests, deleteOldestRequests, insertRequests, type NewRequest } from './requests.ts'
import { addUsage, deleteOldUsage } from './usage.ts'

/** Remembers finished requests and what they used. */
export interface RequestLog {
  /** Takes a request. It is stored within a second, and nobody waits for that. */
  add(request: () => NewRequest): void
  /** Stores all that was taken, so that a list has it. Never rejects. */
  flush(): Promise<void>
  /** Requests that could not be stored and are not remembered. */
  dropped(): number
  /** Stores what is left. */
  close(): Promise<void>
}

export interface RequestLogOptions {
  sql: TransactionalSql
  clock: Clock
  /** What is kept; read whenever old rows are deleted. */
  kept: () => Kept
  /** Where requests wait for a server that is away. Usually they wait in memory. */
  journal?: Journal | undefined
  /** Whether the server is known to be away. */
  isAway?: () => boolean
  warn: (message: string, cause: unknown) => void
}

export interface Kept {
  /** Milliseconds. */
  age: number
  rows: number
}

const units = { h: 3_600_000, d: 24 * 3_600_000 }

/** What of LOG_KEEP is meant: `30d,1000000`. Errors: an Error for another form. */
export function keptOf(text: string): Kept {
  const [, count, unit, rows] = keptPattern.exec(text) ?? []
  if (count === undefined || rows === undefined) throw new Error('LOG_KEEP has another form')
  return { age: Number(count) * units[unit === 'h' ? 'h' : 'd'], rows: Number(rows) }
}

const keptPattern = /^(\d{1,5})([hd]),(\d{1,9})$/

/** About 1.5 ms of SQLite's time. */
const batchRows = 100
const flushMs = 1_000
/** How long it waits after a failure. */
const retryMs = 5_000
/** Each that waits holds its record, of about 3 KB. */
const maxWaiting = 10_000
const retentionMs = 10 * 60_000
/** Deleting 500 rows takes SQLite about 2 ms. */
const deletedAtOnce = 500
const pauseMs = 50
const usageAgeMs = 400 * 24 * 60 * 60_000

/**
 * Writes requests in batches, beside the replies. A killed process loses the last second. While the database is away or
 * full, requests are journaled as they come; without a journal the oldest are dropped once `maxWaiting` wait.
 */
export function createRequestLog(options: RequestLogOptions): RequestLog {
  const { sql, clock, kept, journal, isAway = () => false, warn } = options
  const waiting: (() => NewRequest)[] = []
  let dropped = 0
  let isFailing = false
  let isDropping = false
  let writing: Promise<void> | undefined
  let stopTimer: (() => void) | undefined
  let isClosed = false
  let stopRetention = clock.after(flushMs, retention)
  if (journal && journal.count('requests') > 0) schedule(0)

  return {
    add(request) {
      if (journal && (isFailing || isAway())) {
        addTo(journal, request())
        return schedule(retryMs)
      }
      waiting.push(request)
      if (waiting.length > maxWaiting) drop()
      if (waiting.length >= batchRows && !isFailing) schedule(0)
      else schedule(isFailing ? retryMs : flushMs)
    },
    async flush() {
      await write()
    },
    dropped: () => dropped,
    async close() {
      isClosed = true
      stopTimer?.()
      stopRetention()
      await write()
      // One more try for what a failure has left.
      if (waiting.length > 0) await write()
      const left = waiting.length + (journal && !journal.isLasting ? journal.count('requests') : 0)
      if (left > 0) warn(`${left} requests are not in the list: the database could not be written`, undefined)
    },
  }

  function schedule(ms: number): void {
    if (isClosed) return
    if (ms === 0 && stopTimer !== undefined) {
      stopTimer()
      stopTimer = undefined
    }
    stopTimer ??= clock.after(ms, () => {
      stopTimer = undefined
      void write()
    })
  }

  function drop(): void {
    waiting.shift()
    dropped++
    if (!isDropping)
      warn(`the database has not taken requests for so long that the oldest of ${maxWaiting} are forgotten`, undefined)
    isDropping = true
  }

  /** Writes until nothing waits or a batch fails. Calls at the same time are one. */
  function write(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined
    })
    return writing
  }

  async function writeAll(): Promise<void> {
    for (let batch = nextBatch(); batch !== undefined; batch = nextBatch()) {
      if (batch.rows.length === 0) continue
      try {
        await insert(batch.rows)
        removeFrom(journal, batch)
      } catch (cause) {
        if (!isOfValues(cause)) return putBack(batch, cause)
        if (!(await insertEach(batch))) return
      }
    }
  }

  /** Leaves out those that would fail again and hold up all others. Resolves with whether the database takes the rest. */
  async function insertEach({ rows, isJournaled }: LogBatch): Promise<boolean> {
    let left = 0
    let why: unknown
    for (const [index, row] of rows.entries()) {
      try {
        await insert([row])
      } catch (cause) {
        if (!isOfValues(cause)) {
          putBack({ rows: rows.slice(index), isJournaled }, cause)
          return false
        }
        left++
        why = cause
      }
      removeFrom(journal, { rows: [row], isJournaled })
    }
    dropped += left
    if (left > 0) warn(`${left} requests are not in the list: they cannot be stored`, why)
    return true
  }

  /** Taken out of what waits, because others may be dropped meanwhile. */
  function nextBatch(): LogBatch | undefined {
    const taken = waiting.splice(0, batchRows)
    if (taken.length > 0) return { rows: rowsOf(taken), isJournaled: false }
    const rows: NewRequest[] = (journal?.oldest('requests', batchRows) ?? []).map(({ text }) => JSON.parse(text))
    return rows.length > 0 ? { rows, isJournaled: true } : undefined
  }

  function rowsOf(taken: readonly (() => NewRequest)[]): NewRequest[] {
    try {
      return taken.map((request) => request())
    } catch (cause) {
      dropped += taken.length
      warn(`${taken.length} requests are not in the list: they cannot be described`, cause)
      return []
    }
  }

  function putBack({ rows, isJournaled }: LogBatch, cause: unknown): void {
    if (journal && !isJournaled) for (const row of rows) addTo(journal, row)
    else if (!isJournaled) waiting.unshift(...rows.map((row) => () => row))
    if (!isFailing) warn('the database does not take the list of requests; they wait until it does', cause)
    isFailing = true
    schedule(retryMs)
  }

  async function insert(rows: readonly NewRequest[]): Promise<void> {
    await sql.transaction(async (inside) => {
      // A batch may have arrived although its answer did not.
      const inserted = await insertRequests(inside, rows)
      await addUsage(
        inside,
        rows.filter(({ id }) => inserted.has(id)),
      )
    })
    isFailing = false
    isDropping = false
  }

  function retention(): void {
    void deleteOld()
      // Whatever is wrong with the database, writing says it.
      .catch(() => {})
      .finally(() => {
        if (!isClosed) stopRetention = clock.after(retentionMs, retention)
      })
  }

  async function deleteOld(): Promise<void> {
    const { age, rows } = kept()
    const now = clock.now()
    await repeat(() => deleteOldestRequests(sql, deletedAtOnce, now - age))
    await repeat(() => deleteOldUsage(sql, deletedAtOnce, now - usageAgeMs))
    let excess = (await countRequests(sql)) - rows
    await repeat(async () => {
      if (excess <= 0) return 0
      const deleted = await deleteOldestRequests(sql, Math.min(deletedAtOnce, excess))
      excess -= deleted
      return deleted
    })
  }

  /** Deletes piece by piece until a piece is not whole, with pauses for others. */
  async function repeat(remove: () => Promise<number>): Promise<void> {
    while (!isClosed && (await remove()) === deletedAtOnce)
      await new Promise<void>((resolve) => {
        clock.after(pauseMs, resolve)
      })
  }
}

interface LogBatch {
  rows: NewRequest[]
  isJournaled: boolean
}

function addTo(journal: Journal, row: NewRequest): void {
  journal.add('requests', { id: row.id, text: JSON.stringify(row) })
}

function removeFrom(journal: Journal | undefined, { rows, isJournaled }: LogBatch): void {
  if (!isJournaled) return
  journal?.remove(
    'requests',
    rows.map(({ id }) => id),
  )
}
