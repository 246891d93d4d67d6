import type { Clock } from '../core/clock.ts'
import type { TransactionalSql } from '../database/sql.ts'
import { countRequests, deleteOldestRequests } from './requests.ts'
import { deleteOldUsage } from './usage.ts'

export interface RetentionOptions {
  sql: TransactionalSql
  clock: Clock
  /** The limits of what is kept. Called whenever old rows are deleted. */
  kept: () => Kept
}

export interface Kept {
  /** Milliseconds. */
  age: number
  rows: number
}

const firstMs = 1_000
const retentionMs = 10 * 60_000
/** Deleting 500 rows takes SQLite about 2 ms. */
const deletedAtOnce = 500
const pauseMs = 50
const usageAgeMs = 400 * 24 * 60 * 60_000

/** Deletes old requests and old usage from time to time. Returns a function that stops this. */
export function startRetention({ sql, clock, kept }: RetentionOptions): () => void {
  let isStopped = false
  let stopTimer = clock.after(firstMs, retention)

  return () => {
    isStopped = true
    stopTimer()
  }

  function retention(): void {
    void deleteOld()
      // The writer of the log reports failures of the database.
      .catch(() => {})
      .finally(() => {
        if (!isStopped) stopTimer = clock.after(retentionMs, retention)
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

  /** Deletes in portions, with pauses for other work, until a portion is not full. */
  async function repeat(remove: () => Promise<number>): Promise<void> {
    while (!isStopped && (await remove()) === deletedAtOnce)
      await new Promise<void>((resolve) => {
        clock.after(pauseMs, resolve)
      })
  }
}
