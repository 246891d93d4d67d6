import type { BatchOutcome } from '../core/batch.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { type Database, forUpdate, newRows } from '../database/sql.ts'

export interface NewBatchRequest {
  name: string
  /** JSON. */
  body: string
}

const columns = ['batch', 'n', 'name', 'body', 'outcome', 'response'] as const
/**
 * The most rows of one statement, and the most characters of several rows. A batch may have a hundred thousand
 * requests.
 */
const rowsAtOnce = 200
const charactersAtOnce = 1_000_000
/** Characters to count at a time: counting their bytes takes a tenth of a millisecond. */
const longBody = 100_000

/** The bytes of all of them. */
export async function bytesOf(
  entries: readonly NewBatchRequest[],
  yieldIfLong: YieldIfLong | undefined,
): Promise<number> {
  let bytes = 0
  for (const { body } of entries) {
    bytes += Buffer.byteLength(body)
    if (body.length > longBody) await yieldIfLong?.()
  }
  return bytes
}

/** Not one transaction, because all other statements on SQLite would wait for its end. */
export async function insertBatchRequests(
  database: Database,
  id: string,
  entries: readonly NewBatchRequest[],
  yieldIfLong: YieldIfLong | undefined,
): Promise<void> {
  for (let from = 0, to = 0; from < entries.length; from = to) {
    to = endOfPortion(entries, from)
    const rows = entries
      .slice(from, to)
      .map(({ name, body }, index) => ({ batch: id, n: from + index, name, body, outcome: null, response: null }))
    await database.background`INSERT INTO ${newRows('batch_requests', columns, rows)}`
    await yieldIfLong?.()
  }
}

function endOfPortion(entries: readonly NewBatchRequest[], from: number): number {
  let to = from
  let length = 0
  while (to < entries.length && to - from < rowsAtOnce && (to === from || length < charactersAtOnce))
    length += entries[to++]?.body.length ?? 0
  return to
}

/** Sets the outcome of all requests that have none. */
export async function settleRest(database: Database, id: string, outcome: BatchOutcome): Promise<void> {
  await inPortions(
    () => database.background`UPDATE batch_requests SET outcome = ${outcome} WHERE batch = ${id} AND n IN
      (SELECT n FROM batch_requests WHERE batch = ${id} AND outcome IS NULL ORDER BY n LIMIT ${rowsAtOnce} ${forUpdate})
      RETURNING n`,
  )
}

/** Deletes a batch that is hidden. */
export async function deleteHidden(database: Database, id: string): Promise<void> {
  await inPortions(
    () => database.background`DELETE FROM batch_requests WHERE batch = ${id} AND n IN
      (SELECT n FROM batch_requests WHERE batch = ${id} ORDER BY n LIMIT ${rowsAtOnce} ${forUpdate}) RETURNING n`,
  )
  await database`DELETE FROM batches WHERE id = ${id}`
}

/**
 * Repeats a statement that changes and returns up to `rowsAtOnce` rows, until it finds no more. Other statements may
 * run in between.
 */
async function inPortions(statement: () => Promise<unknown[]>): Promise<void> {
  while ((await statement()).length === rowsAtOnce) await new Promise((resolve) => setImmediate(resolve))
}
