import type { Journal } from './journal.ts'
import type { NewRequest } from './requests.ts'

/** Finished requests that wait for the database, in memory or in a journal. */
export interface WaitingRequests {
  /** Takes a request into memory. If more than `maxWaiting` wait there, the oldest is forgotten. */
  add(request: () => NewRequest): void
  /** Takes a request into the journal, if there is one. */
  addToJournal(request: NewRequest): void
  /**
   * Returns the oldest ones; `undefined` if none waits. They are taken out of memory, because others may be dropped
   * meanwhile.
   */
  next(): LogBatch | undefined
  /** Call it when the database has stored the batch. */
  stored(batch: LogBatch): void
  /** Call it when the database will never store the batch. */
  discard(batch: LogBatch): void
  /**
   * Call it when the database has not stored the batch. The batch goes to the journal, if there is one, because the
   * server may be away for long.
   */
  putBack(batch: LogBatch): void
  /** Counts requests that will never be stored, and reports the reason. */
  leaveOut(count: number, why: string, cause: unknown): void
  /** The number that wait in memory. */
  readonly length: number
  /** The number that wait in the journal. */
  journaled(): number
  /** The number that are forgotten. */
  dropped(): number
}

/** Rows for one statement. */
export interface LogBatch {
  rows: NewRequest[]
  isJournaled: boolean
}

export interface WaitingRequestsOptions {
  journal: Journal | undefined
  warn: (message: string, cause: unknown) => void
}

/** The most rows of one batch. They take SQLite about 1.5 ms. */
export const rowsAtOnce = 100
/** Each waiting request keeps its record of about 3 KB in memory. */
const maxWaiting = 10_000

export function waitingRequests({ journal, warn }: WaitingRequestsOptions): WaitingRequests {
  const waiting: (() => NewRequest)[] = []
  let dropped = 0
  // Whether requests were forgotten since the database last stored one. It is reported once.
  let isDropping = false

  return {
    add(request) {
      waiting.push(request)
      if (waiting.length > maxWaiting) drop()
    },
    addToJournal,
    next() {
      const taken = waiting.splice(0, rowsAtOnce)
      if (taken.length > 0) return { rows: rowsOf(taken), isJournaled: false }
      const rows: NewRequest[] = (journal?.oldest('requests', rowsAtOnce) ?? []).map(({ text }) => JSON.parse(text))
      return rows.length > 0 ? { rows, isJournaled: true } : undefined
    },
    stored(batch) {
      isDropping = false
      discard(batch)
    },
    discard,
    putBack({ rows, isJournaled }) {
      if (isJournaled) return
      if (journal) for (const row of rows) addToJournal(row)
      else waiting.unshift(...rows.map((row) => () => row))
    },
    leaveOut,
    get length() {
      return waiting.length
    },
    journaled: () => journal?.count('requests') ?? 0,
    dropped: () => dropped,
  }

  function drop(): void {
    waiting.shift()
    dropped++
    if (!isDropping)
      warn(`the database has not taken requests for so long that the oldest of ${maxWaiting} are forgotten`, undefined)
    isDropping = true
  }

  function discard({ rows, isJournaled }: LogBatch): void {
    if (!isJournaled) return
    journal?.remove(
      'requests',
      rows.map(({ id }) => id),
    )
  }

  function addToJournal(row: NewRequest): void {
    journal?.add('requests', { id: row.id, text: JSON.stringify(row) })
  }

  function rowsOf(taken: readonly (() => NewRequest)[]): NewRequest[] {
    try {
      return taken.map((request) => request())
    } catch (cause) {
      leaveOut(taken.length, 'they cannot be described', cause)
      return []
    }
  }

  function leaveOut(count: number, why: string, cause: unknown): void {
    dropped += count
    warn(`${count} requests are not in the list: ${why}`, cause)
  }
}
