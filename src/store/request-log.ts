import type { Clock } from '../core/clock.ts'
import { DatabaseError } from '../database/errors.ts'
import type { TransactionalSql } from '../database/sql.ts'
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
/** After a failure. */
const retryMs = 5_000
/** Each that waits holds its record, of about 3 KB. */
const maxWaiting = 10_000
const retentionMs = 10 * 60_000
/** Deleting 500 rows takes SQLite about 2 ms. */
const deletedAtOnce = 500
const pauseMs = 50
const usageAgeMs = 400 * 24 * 60 * 60_000

/**
 * Writes requests in batches, beside the replies. A killed process loses the last second; a database that is away or full
 * costs nothing until `maxWaiting` requests wait for it, of which the oldest are then dropped.
 */
export function createRequestLog({ sql, clock, kept, warn }: RequestLogOptions): RequestLog {
  const waiting: (() => NewRequest)[] = []
  let dropped = 0
  let isFailing = false
  let isDropping = false
  let writing: Promise<void> | undefined
  let stopTimer: (() => void) | undefined
  let isClosed = false
  let stopRetention = clock.after(flushMs, retention)

  return {
    add(request) {
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
      if (waiting.length > 0)
        warn(`${waiting.length} requests are not in the list: the database could not be written`, undefined)
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
    while (waiting.length > 0) {
      // They are taken out first, because others may be dropped meanwhile.
      const taken = waiting.splice(0, batchRows)
      try {
        const rows = taken.map((request) => request())
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
      } catch (cause) {
        if (!(cause instanceof DatabaseError)) {
          // They would fail again, and hold up all others.
          dropped += taken.length
          warn(`${taken.length} requests are not in the list: they cannot be stored`, cause)
          continue
        }
        waiting.unshift(...taken)
        if (!isFailing) warn('the database does not take the list of requests; they wait in memory', cause)
        isFailing = true
        schedule(retryMs)
        return
      }
    }
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
