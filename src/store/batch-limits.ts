import { GatewayError } from '../core/errors.ts'
import { forUpdate, part, type Sql } from '../database/sql.ts'
import { unfinishedMs } from './batch-rows.ts'

export interface BatchLimits {
  /** Bytes of all requests and responses. */
  maxBytes: number
  /** The most batches of one owner at a time. */
  maxOpen: number
}

/** Errors: `too-large` for a batch that is larger than all the room. */
export function rejectLargerThan({ maxBytes }: BatchLimits, bytes: number): void {
  if (bytes > maxBytes) throw tooLarge(bytes, maxBytes)
}

/** Errors: `rate-limited` for an owner with too many batches that are not over. */
export async function rejectMoreThan({ maxOpen: most }: BatchLimits, owner: string, inside: Sql): Promise<void> {
  const [open] = await inside<{ n: number }>`SELECT count(*) AS n FROM batches WHERE key = ${owner} AND ended IS NULL`
  if ((open?.n ?? 0) < most) return
  throw new GatewayError(
    'rate-limited',
    `This key already has ${most} batches that are not over, as many as it may have. Send another when one is.`,
    { code: 'too_many_batches', retryAfterMs: 60_000 },
  )
}

/**
 * Makes room for a batch by deleting batches that are over, first the oldest one of the owner with the most bytes. If
 * the new batch gives its owner more than half of the room, only batches of that owner are deleted, because otherwise
 * it could displace the results of all others. Returns the batches whose requests still have to be deleted. Errors:
 * `overloaded` if this does not make enough room.
 */
export async function makeRoom(
  { maxBytes }: BatchLimits,
  { bytes, owner, at }: { bytes: number; owner: string; at: number },
  inside: Sql,
): Promise<string[]> {
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
      ORDER BY at, id LIMIT 1 ${forUpdate}`
    if (oldest === undefined) throw full()
    await inside`UPDATE batches SET hidden = 1, bytes = 0, leased = ${at + unfinishedMs} WHERE id = ${oldest.id}`
    hidden.push(oldest.id)
  }
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
