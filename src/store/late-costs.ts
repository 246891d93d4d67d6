import { type Sql, skipLocked } from '../database/sql.ts'
import type { Reserve } from './budget-rows.ts'

/** The cost of a call that was admitted without the database. */
export interface LateCost {
  id: string
  /** In atoms, by the id of the budget. */
  spent: ReadonlyMap<string, number>
  /** The window of each budget when the call was admitted, by the budget's id. */
  budgets: ReadonlyMap<string, Pick<Reserve, 'startedAt' | 'generation'>>
}

/**
 * Counts costs of calls without a reservation. Counting the same cost again has no effect. On PostgreSQL all costs are
 * one statement.
 *
 * If the reservation was stored although its answer did not arrive, it is ended here. Gateways may have begun a new
 * window of a budget while the database was away. Then the costs of the newest window count, and those of the window
 * before, which is over, do not.
 */
export async function countLateCosts(sql: Sql, costs: readonly LateCost[], at: number): Promise<void> {
  const rows = costs.flatMap(({ id, spent, budgets }) =>
    [...budgets].map(([budget, { startedAt, generation }]) => ({
      ...{ id, budget, spent: spent.get(budget) ?? 0, start: startedAt, generation },
    })),
  )
  await sql`
    WITH asked AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
        AS asked(id text, budget text, spent bigint, start bigint, generation bigint)
    ), fresh AS (
      INSERT INTO settlements (id, at) SELECT DISTINCT id, ${at}::bigint FROM asked ORDER BY id
      ON CONFLICT DO NOTHING RETURNING id
    ), ended AS (
      DELETE FROM reservations WHERE id = ANY(ARRAY(SELECT id FROM fresh))
        RETURNING id, budget, amount, counted, generation
    ), effects AS (
      SELECT coalesce(ended.budget, known.budget) AS budget, coalesce(ended.generation, known.generation) AS generation,
        coalesce(amount, 0) AS freed, coalesce(spent, 0) - coalesce(counted, 0) AS spent, start
      FROM (SELECT asked.* FROM asked JOIN fresh USING (id)) AS known
        FULL JOIN ended ON ended.id = known.id AND ended.budget = known.budget
    ), locked AS MATERIALIZED (
      SELECT id, generation FROM budgets WHERE id = ANY(ARRAY(SELECT budget FROM effects)) ORDER BY id FOR UPDATE
    ), newest AS (
      SELECT locked.id, greatest(locked.generation, max(effects.generation)) AS generation
      FROM locked JOIN effects ON budget = locked.id GROUP BY locked.id, locked.generation
    ), total AS (
      SELECT newest.id, newest.generation, sum(freed) AS freed, sum(spent) AS spent, min(start) AS start
      FROM newest JOIN effects ON budget = newest.id AND effects.generation = newest.generation
      GROUP BY newest.id, newest.generation
    )
    UPDATE budgets SET generation = total.generation,
      settled = CASE WHEN budgets.generation = total.generation THEN settled ELSE 0 END + spent,
      reserved = CASE WHEN budgets.generation = total.generation THEN reserved ELSE 0 END - freed,
      window_start = CASE WHEN budgets.generation = total.generation THEN window_start ELSE start END
    FROM total JOIN locked USING (id) WHERE budgets.id = total.id`
}

/**
 * Deletes what was remembered in `settlements` before `before`: ids of costs that are counted, and marks of requests that
 * are stored (see `markAttempt`, `notYetStored`).
 */
export async function forgetLateCosts(sql: Sql, before: number): Promise<void> {
  await sql`DELETE FROM settlements WHERE id IN (SELECT id FROM settlements WHERE at < ${before} ${skipLocked})`
}
