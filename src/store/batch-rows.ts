import type { Batch } from '../core/batch.ts'

export interface BatchRow {
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

export const batchColumns = [
  ...(['id', 'key', 'at', 'expires', 'cancelled', 'ended', 'size', 'bytes', 'dialect', 'headers'] as const),
  ...(['succeeded', 'errored', 'canceled', 'expired', 'node', 'leased', 'hidden'] as const),
] as const

export function batchOf(row: BatchRow): Batch {
  const { succeeded, errored, canceled, expired } = row
  return {
    id: row.id,
    createdAt: row.at,
    expiresAt: row.expires,
    cancelledAt: row.cancelled ?? undefined,
    endedAt: row.ended ?? undefined,
    size: row.size,
    counts: { succeeded, errored, canceled, expired },
  }
}

/** The time limit for storing or deleting the requests of a batch. After that, other gateways delete the rest of it. */
export const unfinishedMs = 10 * 60_000
