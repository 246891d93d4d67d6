import { isOfValues } from '../database/errors.ts'
import type { Sql } from '../database/sql.ts'
import type { Journal } from './journal.ts'
import { markAttempt, notYetStored } from './request-deduplication.ts'
import { type Kept, type RetentionOptions, startRetention } from './request-retention.ts'
import { insertRequests, type NewRequest } from './requests.ts'
import { addUsage } from './usage.ts'
import { type LogBatch, rowsAtOnce, waitingRequests } from './waiting-requests.ts'

/** Remembers finished requests and what they used. */
export interface RequestLog {
  /** Takes a request, which is stored within a second. Nothing waits for that. */
  add(request: () => NewRequest): void
  /** Stores all requests that were taken, so that lists contain them. Never rejects. */
  flush(): Promise<void>
  /** The number of requests that could not be stored and are not remembered. */
  dropped(): number
  /** Stores the remaining requests. */
  close(): Promise<void>
}

export interface RequestLogOptions extends RetentionOptions {
  /** Where requests wait while the server is away. In memory if absent. */
  journal?: Journal | undefined
  /** Whether the server is known to be away. */
  isAway?: () => boolean
  warn: (message: string, cause: unknown) => void
}

const units = { h: 3_600_000, d: 24 * 3_600_000 }

/** Reads LOG_KEEP, such as `30d,1000000`. Errors: an Error for another form. */
export function keptOf(text: string): Kept {
  const [, count, unit, rows] = keptPattern.exec(text) ?? []
  if (count === undefined || rows === undefined) throw new Error('LOG_KEEP has another form')
  return { age: Number(count) * units[unit === 'h' ? 'h' : 'd'], rows: Number(rows) }
}

const keptPattern = /^(\d{1,5})([hd]),(\d{1,9})$/

const flushMs = 1_000
/** The pause after a failure. */
const retryMs = 5_000

/**
 * Writes requests in batches, without delaying replies. A killed process loses the last second. While the database is
 * away or full, requests are journaled as they come. Without a journal, the oldest are dropped once too many wait.
 */
export function createRequestLog(options: RequestLogOptions): RequestLog {
  const { clock, journal, isAway = () => false, warn } = options
  const writeBatch = batchWriter(options)
  const waiting = waitingRequests({ journal, warn })
  const stopRetention = startRetention(options)
  // Whether the database refused the last batch.
  let isFailing = false
  let writing: Promise<void> | undefined
  let stopTimer: (() => void) | undefined
  let isClosed = false
  if (waiting.journaled() > 0) schedule(0)

  return {
    add(request) {
      if (journal && (isFailing || isAway())) {
        waiting.addToJournal(request())
        return schedule(retryMs)
      }
      waiting.add(request)
      if (waiting.length >= rowsAtOnce && !isFailing) schedule(0)
      else schedule(isFailing ? retryMs : flushMs)
    },
    async flush() {
      await write()
    },
    dropped: () => waiting.dropped(),
    async close() {
      isClosed = true
      stopTimer?.()
      stopRetention()
      await write()
      // One more attempt for requests that remain after a failure.
      if (waiting.length > 0) await write()
      const left = waiting.length + (journal?.isLasting ? 0 : waiting.journaled())
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

  /** Writes until nothing waits or a batch fails. Concurrent calls share one run. */
  function write(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined
    })
    return writing
  }

  async function writeAll(): Promise<void> {
    for (let batch = waiting.next(); batch !== undefined; batch = waiting.next()) {
      if (batch.rows.length === 0) continue
      try {
        await store(batch)
      } catch (cause) {
        if (!isOfValues(cause)) return putBack(batch, cause)
        if (!(await storeEach(batch))) return
      }
    }
  }

  async function store(batch: LogBatch): Promise<void> {
    await writeBatch(batch)
    isFailing = false
    waiting.stored(batch)
  }

  /**
   * Stores requests without those that would fail again and block all others. Resolves with whether the database stores
   * the rest.
   */
  async function storeEach({ rows, isJournaled }: LogBatch): Promise<boolean> {
    let left = 0
    let why: unknown
    for (const [index, row] of rows.entries()) {
      try {
        await store({ rows: [row], isJournaled })
      } catch (cause) {
        if (!isOfValues(cause)) {
          putBack({ rows: rows.slice(index), isJournaled }, cause)
          return false
        }
        left++
        why = cause
        waiting.discard({ rows: [row], isJournaled })
      }
    }
    if (left > 0) waiting.leaveOut(left, 'they cannot be stored', why)
    return true
  }

  function putBack(batch: LogBatch, cause: unknown): void {
    waiting.putBack(batch)
    if (!isFailing) warn('the database does not take the list of requests; they wait until it does', cause)
    isFailing = true
    schedule(retryMs)
  }
}

/** Writes batches to the database so that none of their requests is stored twice. Errors: those of the database. */
function batchWriter({ sql, clock, journal }: RequestLogOptions): (batch: LogBatch) => Promise<void> {
  // The last attempt to store requests that was answered.
  let lastAttempt: string | undefined

  return async ({ rows, isJournaled }) => {
    if (journal === undefined) await sql.transaction((inside) => insert(inside, rows))
    else if (isJournaled)
      await sql.transaction(async (inside) => insert(inside, await notYetStored(inside, rows, clock.now())))
    else await attemptToStore(rows)
  }

  async function attemptToStore(rows: readonly NewRequest[]): Promise<void> {
    const attempt = `log ${crypto.randomUUID()}`
    try {
      await sql.transaction(async (inside) => {
        await markAttempt(inside, { attempt, before: lastAttempt, at: clock.now() })
        await insert(inside, rows)
      })
    } catch (cause) {
      // The requests may be stored nevertheless. They also wait in the journal.
      for (const row of rows) row.attempt = attempt
      throw cause
    }
    lastAttempt = attempt
  }
}

async function insert(inside: Sql, rows: readonly NewRequest[]): Promise<void> {
  if (rows.length === 0) return
  // A batch may be stored although its answer did not arrive.
  const inserted = await insertRequests(inside, rows)
  await addUsage(
    inside,
    rows.filter(({ id }) => inserted.has(id)),
  )
}
