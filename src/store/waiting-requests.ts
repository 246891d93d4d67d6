import type { Journal } from './journal.ts'
import type { NewRequest } from './requests.ts'

/** Finished requests that wait for the database, in memory or in a journal. */
export interface WaitingRequests {
  /** Takes a request into memory, where there is room for `maxWaiting`: then the oldest is forgotten. */
  add(request: () => NewRequest): void
  /** Takes a request into the journal, if there is one. */
  addToJournal(request: NewRequest): void
  /** The oldest of them, taken out of memory, because others may be dropped meanwhile; `undefined` where none waits. */
  next(): LogBatch | undefined
  /** The database has taken it. */
  stored(batch: LogBatch): void
  /** The database will never take it. */
  discard(batch: LogBatch): void
  /** The database has not taken it. It goes to the journal, if there is one, because the server may be away for long. */
  putBack(batch: LogBatch): void
  /** Counts requests that will never be stored, and says why. */
  leaveOut(count: number, why: string, cause: unknown): void
  /** How many wait in memory. */
  readonly length: number
  /** How many wait in the journal. */
  journaled(): number
  /** How many are forgotten. */
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

/** About 1.5 ms of SQLite's time. */
export const batchRows = 100
/** Each that waits holds its record, of about 3 KB. */
const maxWaiting = 10_000

export function waitingRequests({ journal, warn }: WaitingRequestsOptions): WaitingRequests {
  const waiting: (() => NewRequest)[] = []
  let dropped = 0
  // Whether some are forgotten since the database has last taken one: this is said once.
  let isDropping = false

  return {
    add(request) {
      waiting.push(request)
      if (waiting.length > maxWaiting) drop()
    },
    addToJournal,
    next() {
      const taken = waiting.splice(0, batchRows)
      if (taken.length > 0) return { rows: rowsOf(taken), isJournaled: false }
      const rows: NewRequest[] = (journal?.oldest('requests', batchRows) ?? []).map(({ text }) => JSON.parse(text))
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
