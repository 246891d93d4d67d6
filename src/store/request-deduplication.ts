import { newRows, type Sql } from '../database/sql.ts'
import type { NewRequest } from './requests.ts'

// Each request counts once. It may come twice: from memory in an attempt whose answer was lost, and from a journal. The
// list of requests cannot tell whether a request was stored, because its rows may be deleted sooner. So the table
// `settlements`, whose rows outlive all entries of journals, has a row for each attempt and for each journaled request.

/**
 * Marks the attempt to store some requests, in their transaction, and removes the mark of the previous attempt, whose
 * answer has come. So there is one mark for each gateway.
 */
export async function markAttempt(
  inside: Sql,
  { attempt, before, at }: { attempt: string; before: string | undefined; at: number },
): Promise<void> {
  if (before !== undefined) await inside`DELETE FROM settlements WHERE id = ${before}`
  await inside`INSERT INTO settlements (id, at) VALUES (${attempt}, ${at})`
}

/**
 * Returns the requests of a journal that are not stored yet, and marks each one, because another gateway may store the
 * same journal.
 */
export async function notYetStored(inside: Sql, rows: readonly NewRequest[], at: number): Promise<NewRequest[]> {
  const arrived = new Set<string>()
  for (const attempt of new Set(rows.flatMap((row) => row.attempt ?? [])))
    if ((await inside`SELECT id FROM settlements WHERE id = ${attempt}`).length > 0) arrived.add(attempt)
  const marks = rows.map(({ id }) => ({ id: markOf(id), at })).sort((one, other) => (one.id < other.id ? -1 : 1))
  const added = await inside<{ id: string }>`INSERT INTO ${newRows('settlements', ['id', 'at'], marks)}
    ON CONFLICT (id) DO NOTHING RETURNING id`
  const fresh = new Set(added.map(({ id }) => id))
  return rows.filter(({ id, attempt = '' }) => fresh.has(markOf(id)) && !arrived.has(attempt))
}

/** The prefix separates these rows from those of costs, whose ids are those of the same requests. */
function markOf(id: string): string {
  return `log ${id}`
}
