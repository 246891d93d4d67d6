import type { Database } from '../database/sql.ts'
import { type BudgetRow, budgetOf, type Extension, type Reserve, type StoredBudget } from './budget-rows.ts'

/** A reservation to request from the database, with the budgets as they were last seen. */
export interface AskedReservation {
  id: string
  expires: number
  budgets: readonly BudgetRow[]
  amounts: readonly Reserve[]
}

export interface Settlement {
  id: string
  /** In atoms, by the id of the budget. */
  spent: ReadonlyMap<string, number>
}

/**
 * How long a gateway that was cut off may still settle its reservations. It is longer than a cost can wait in its
 * journal.
 */
export const cutOffMs = 30 * 24 * 3_600_000

/**
 * Reserves for calls that belong to the same windows. Resolves with the calls that are granted, and with all budgets of
 * the key after them.
 */
export async function reserveSame(
  db: Database,
  key: string,
  asked: readonly AskedReservation[],
): Promise<{ granted: ReadonlySet<AskedReservation>; budgets: readonly BudgetRow[] }> {
  const rows = asked.flatMap(rowsOf)
  const found = await db<StoredBudget & { granted: string | null }>`
    WITH asked AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS asked(
        ordinal int, id text, expires bigint, budget text, parts int, amount bigint, estimate bigint, generation bigint,
        start bigint, seen_start bigint, seen_generation bigint)
    ), locked AS MATERIALIZED (
      SELECT id, key, unit, lim, span, settled, reserved, window_start, generation
      FROM budgets WHERE key = ${key} ORDER BY id FOR UPDATE
    ), fitting AS (
      SELECT asked.*,
        CASE WHEN asked.generation = locked.generation THEN settled ELSE 0 END AS settled,
        CASE WHEN asked.generation = locked.generation THEN reserved ELSE 0 END AS reserved,
        lim - CASE WHEN asked.generation = locked.generation THEN settled + reserved ELSE 0 END
          >= sum(amount) OVER (PARTITION BY budget ORDER BY ordinal) AS fits
      FROM asked JOIN locked ON locked.id = budget AND window_start = seen_start
        AND locked.generation = seen_generation
    ), granted AS (
      SELECT ordinal FROM fitting GROUP BY ordinal
      HAVING bool_and(fits) AND count(*) = min(parts) AND count(*) = (SELECT count(*) FROM locked)
    ), changed AS (
      UPDATE budgets SET settled = total.settled, reserved = total.reserved + total.amount,
        window_start = total.start, generation = total.generation
      FROM (
        SELECT budget, min(settled) AS settled, min(reserved) AS reserved, sum(amount) AS amount, min(start) AS start,
          min(generation) AS generation
        FROM fitting JOIN granted USING (ordinal) GROUP BY budget
      ) AS total WHERE budgets.id = total.budget
    ), stored AS (
      INSERT INTO reservations (id, budget, amount, estimate, generation, expires)
      SELECT id, budget, amount, estimate, generation, expires FROM fitting JOIN granted USING (ordinal)
    )
    SELECT *, (SELECT string_agg(ordinal::text, ' ') FROM granted) AS granted FROM locked ORDER BY id`
  const ordinals = new Set(found[0]?.granted?.split(' ').map(Number))
  const granted = asked.filter((_, ordinal) => ordinals.has(ordinal))
  const budgets = found.map(({ granted: _, ...row }) => withReserves(budgetOf(row), granted))
  return { granted: new Set(granted), budgets }
}

/** The amounts that one call requests from each budget. Calls are granted in the order of `ordinal`, in which they came. */
function rowsOf({ id, expires, budgets, amounts }: AskedReservation, ordinal: number): object[] {
  return budgets.map((budget, index) => {
    const { amount = 0, estimate = 0, startedAt = 0, generation = 0 } = amounts[index] ?? {}
    return {
      ...{ ordinal, id, expires, budget: budget.id, parts: budgets.length, amount, estimate, generation },
      ...{ start: startedAt, seen_start: budget.startedAt, seen_generation: budget.generation },
    }
  })
}

/** The row after these reservations, which belong to the same windows. */
function withReserves(row: BudgetRow, granted: readonly AskedReservation[]): BudgetRow {
  const reserves = granted.flatMap(
    ({ budgets, amounts }) => amounts[budgets.findIndex(({ id }) => id === row.id)] ?? [],
  )
  const [first] = reserves
  if (first === undefined) return row
  const { startedAt, generation } = first
  const { settled, reserved } = generation === row.generation ? row : { settled: 0, reserved: 0 }
  const amount = reserves.reduce((sum, reserve) => sum + reserve.amount, 0)
  return { ...row, startedAt, generation, settled, reserved: reserved + amount }
}

/**
 * Settles reservations. One from a window that has ended, or from before a reset, has an older generation and does not
 * change the counters. The rows of budgets are locked in the same order everywhere, so that two settlements cannot
 * deadlock. The ids are compared as an array, because PostgreSQL estimates a JSON list at a hundred rows and would scan
 * all reservations.
 */
export async function settleAll(db: Database, settlements: readonly Settlement[]): Promise<void> {
  const rows = settlements.flatMap(({ id, spent }) =>
    spent.size === 0
      ? [{ id, budget: '', spent: 0 }]
      : [...spent].map(([budget, amount]) => ({ id, budget, spent: amount })),
  )
  await db`
    WITH asked AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS asked(id text, budget text, spent bigint)
    ), ended AS (
      DELETE FROM reservations WHERE id = ANY(ARRAY(SELECT id FROM asked))
      RETURNING id, budget, amount, counted, generation
    ), total AS (
      SELECT ended.budget, generation, sum(amount) AS freed, sum(coalesce(spent, 0) - counted) AS spent
      FROM ended LEFT JOIN asked ON asked.id = ended.id AND asked.budget = ended.budget GROUP BY ended.budget, generation
    ), locked AS MATERIALIZED (
      SELECT id FROM budgets WHERE id = ANY(ARRAY(SELECT budget FROM total)) ORDER BY id FOR UPDATE
    )
    UPDATE budgets SET reserved = reserved - freed, settled = settled + spent
    FROM total JOIN locked ON locked.id = total.budget
    WHERE budgets.id = total.budget AND budgets.generation = total.generation`
}

/**
 * Extends reservations. Rows that are being settled are skipped, so that this waits for no lock. A reservation that a
 * sweep has counted stays until it is settled, and is counted again only if its estimate has changed.
 */
export async function extendAll(db: Database, reservations: readonly Extension[], expires: number): Promise<void> {
  const rows = reservations.flatMap(({ id, estimates }) =>
    [...estimates].map(([budget, estimate]) => ({ id, budget, estimate })),
  )
  await db`
    WITH asked AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
        AS asked(id text, budget text, estimate bigint)
    ), locked AS MATERIALIZED (
      SELECT id, budget FROM reservations WHERE id = ANY(ARRAY(SELECT id FROM asked)) FOR UPDATE SKIP LOCKED
    )
    UPDATE reservations SET estimate = asked.estimate, expires = ${expires}::bigint
      + CASE WHEN amount = 0 AND counted = asked.estimate THEN ${cutOffMs}::bigint ELSE 0 END
    FROM asked JOIN locked USING (id, budget)
    WHERE reservations.id = locked.id AND reservations.budget = locked.budget`
}
