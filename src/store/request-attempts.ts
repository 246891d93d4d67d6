import { newRows, type Sql } from '../database/sql.ts'
import type { NewRequest } from './requests.ts'

// Requests are counted once, also where their rows are deleted sooner than a journal is stored. What was stored leaves its
// name among the settlements, which outlive any entry of a journal.

/**
 * Leaves a trace of the attempt to store some requests, in their transaction, and removes that of the attempt before, whose
 * answer has come. So there is one for each gateway.
 */
export async function markAttempt(
  inside: Sql,
  { attempt, before, at }: { attempt: string; before: string | undefined; at: number },
): Promise<void> {
  if (before !== undefined) await inside`DELETE FROM settlements WHERE id = ${before}`
  await inside`INSERT INTO settlements (id, at) VALUES (${attempt}, ${at})`
}

/** Those of a journal that are not stored yet, and leaves a trace of each: another gateway may store the same journal. */
export async function notYetStored(inside: Sql, rows: readonly NewRequest[], at: number): Promise<NewRequest[]> {
  const arrived = new Set<string>()
  for (const attempt of new Set(rows.flatMap((row) => row.attempt ?? [])))
    if ((await inside`SELECT id FROM settlements WHERE id = ${attempt}`).length > 0) arrived.add(attempt)
  const traces = rows.map(({ id }) => ({ id: traceOf(id), at })).sort((one, other) => (one.id < other.id ? -1 : 1))
  const added = await inside<{ id: string }>`INSERT INTO ${newRows('settlements', ['id', 'at'], traces)}
    ON CONFLICT (id) DO NOTHING RETURNING id`
  const fresh = new Set(added.map(({ id }) => id))
  return rows.filter(({ id, attempt = '' }) => fresh.has(traceOf(id)) && !arrived.has(attempt))
}

/** Costs are among the settlements by the ids of the same requests. */
function traceOf(id: string): string {
  return `log ${id}`
}
