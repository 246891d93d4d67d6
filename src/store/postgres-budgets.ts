import type { Database } from '../database/sql.ts'
import {
  type BudgetRow,
  budgetOf,
  budgetsOf,
  type Extension,
  type Reservations,
  type Reserve,
  type StoredBudget,
} from './budget-rows.ts'
import { inBatches } from './in-batches.ts'

/** A reservation to request from the database, with the budgets as they were last seen. */
interface Asked {
  id: string
  expires: number
  budgets: readonly BudgetRow[]
  amounts: readonly Reserve[]
}

interface Outcome {
  isGranted: boolean
  /** With this reservation and all others. */
  budgets: readonly BudgetRow[]
}

/** How long a gateway that was cut off may settle what it had reserved: longer than a cost can wait in its journal. */
export const cutOffMs = 30 * 24 * 3_600_000

/** After so many attempts, others took what was left each time: then a transaction locks the rows first. */
const mostAttempts = 4

/** A statement of more would take too long for the time limit of a request. */
const extendedAtOnce = 200

/**
 * Reservations and settlements on PostgreSQL, each one statement and so one round trip, for any number of calls that come
 * at the same time.
 *
 * Only the database knows what a budget can pay, so the first statement of a call asks for as much as an unlimited
 * budget would pay. If that is too much, the answer holds the current budgets, by which the call is refused or asks for
 * less.
 */
export function postgresBudgets(db: Database, locked: Reservations['reserve']): Reservations {
  // Budgets by key, as last seen. Only their windows are used: see `withoutEnd`.
  const seen = new Map<string, readonly BudgetRow[]>()
  const reading = new Map<string, Promise<BudgetRow[]>>()
  const batches = new Map<string, (asked: Asked) => Promise<Outcome>>()
  const settleInBatch = inBatches<Settlement, void>(async (settlements) => {
    await settleAll(settlements)
    return settlements.map(() => undefined)
  })

  return {
    async reserve({ id, key, expires }, decide) {
      let budgets = seen.get(key) ?? (await firstSeen(key))
      let decision = decide(budgets.map(withoutEnd))
      for (let attempt = 0; attempt < mostAttempts; attempt++) {
        if (budgets.length === 0) return { decision, budgets }
        const outcome = await batchOf(key)({ id, expires, budgets, amounts: decision.amounts })
        budgets = outcome.budgets
        if (outcome.isGranted) return { decision, budgets }
        decision = decide(budgets)
      }
      return await locked({ id, key, expires }, decide)
    },
    settle: (id, spent) => settleInBatch({ id, spent }),
    async extend(reservations, expires) {
      for (let from = 0; from < reservations.length; from += extendedAtOnce)
        await extendAll(reservations.slice(from, from + extendedAtOnce), expires)
    },
  }

  /**
   * Those that are being settled are left out, so that nobody waits for a lock while others wait for this. One that a sweep
   * has counted stays until it is settled, and is counted again only where its estimate is another.
   */
  async function extendAll(reservations: readonly Extension[], expires: number): Promise<void> {
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

  /** Calls that arrive together share one read, so that they stay in their order. */
  function firstSeen(key: string): Promise<BudgetRow[]> {
    const asking =
      reading.get(key) ??
      budgetsOf(db, key)
        .then((rows) => rows.map(budgetOf))
        .finally(() => reading.delete(key))
    reading.set(key, asking)
    return asking
  }

  function batchOf(key: string): (asked: Asked) => Promise<Outcome> {
    const known =
      batches.get(key) ??
      inBatches(
        (asked) => reserveAll(key, asked),
        () => void batches.delete(key),
      )
    batches.set(key, known)
    return known
  }

  async function reserveAll(key: string, asked: readonly Asked[]): Promise<Outcome[]> {
    const outcomes = new Map<Asked, Outcome>()
    // Calls that see different windows go in different statements, because a window begins only once.
    for (const same of Object.values(Object.groupBy(asked, windowsOf)))
      for (const [each, outcome] of await reserveSame(key, same ?? [])) outcomes.set(each, outcome)
    return asked.map((each) => outcomes.get(each) ?? { isGranted: false, budgets: [] })
  }

  async function reserveSame(key: string, asked: readonly Asked[]): Promise<[Asked, Outcome][]> {
    const rows = asked.flatMap(({ id, expires, budgets, amounts }, turn) =>
      budgets.map((budget, index) => {
        const { amount = 0, estimate = 0, startedAt = 0, generation = 0 } = amounts[index] ?? {}
        return {
          ...{ turn, id, expires, budget: budget.id, parts: budgets.length, amount, estimate, generation },
          ...{ start: startedAt, seen_start: budget.startedAt, seen_generation: budget.generation },
        }
      }),
    )
    const found = await db<StoredBudget & { granted: string | null }>`
      WITH asked AS (
        SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS asked(
          turn int, id text, expires bigint, budget text, parts int, amount bigint, estimate bigint, generation bigint,
          start bigint, seen_start bigint, seen_generation bigint)
      ), locked AS MATERIALIZED (
        SELECT id, key, unit, lim, span, settled, reserved, window_start, generation
        FROM budgets WHERE key = ${key} ORDER BY id FOR UPDATE
      ), fitting AS (
        SELECT asked.*,
          CASE WHEN asked.generation = locked.generation THEN settled ELSE 0 END AS settled,
          CASE WHEN asked.generation = locked.generation THEN reserved ELSE 0 END AS reserved,
          lim - CASE WHEN asked.generation = locked.generation THEN settled + reserved ELSE 0 END
            >= sum(amount) OVER (PARTITION BY budget ORDER BY turn) AS fits
        FROM asked JOIN locked ON locked.id = budget AND window_start = seen_start
          AND locked.generation = seen_generation
      ), granted AS (
        SELECT turn FROM fitting GROUP BY turn
        HAVING bool_and(fits) AND count(*) = min(parts) AND count(*) = (SELECT count(*) FROM locked)
      ), changed AS (
        UPDATE budgets SET settled = total.settled, reserved = total.reserved + total.amount,
          window_start = total.start, generation = total.generation
        FROM (
          SELECT budget, min(settled) AS settled, min(reserved) AS reserved, sum(amount) AS amount, min(start) AS start,
            min(generation) AS generation
          FROM fitting JOIN granted USING (turn) GROUP BY budget
        ) AS total WHERE budgets.id = total.budget
      ), stored AS (
        INSERT INTO reservations (id, budget, amount, estimate, generation, expires)
        SELECT id, budget, amount, estimate, generation, expires FROM fitting JOIN granted USING (turn)
      )
      SELECT *, (SELECT string_agg(turn::text, ' ') FROM granted) AS granted FROM locked ORDER BY id`
    const granted = new Set(found[0]?.granted?.split(' ').map(Number))
    const reserves = asked.filter((_, turn) => granted.has(turn))
    const budgets = found.map(({ granted: _, ...row }) => withReserves(budgetOf(row), reserves))
    // A key that has none now may have been given one by the time of its next call.
    if (budgets.length > 0) seen.set(key, budgets)
    else seen.delete(key)
    return asked.map((each, turn) => [each, { isGranted: granted.has(turn), budgets }])
  }

  /**
   * A reservation made in a window that has ended, or before a reset, has an older generation and does not change the
   * counters. The rows of budgets are locked in the same order everywhere, so that two settlements cannot deadlock. The
   * values are passed as arrays: of a JSON list PostgreSQL expects a hundred rows, and would scan all reservations.
   */
  async function settleAll(settlements: readonly Settlement[]): Promise<void> {
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
}

interface Settlement {
  id: string
  /** In atoms, by the id of the budget. */
  spent: ReadonlyMap<string, number>
}

/** The budget as if nothing had been spent of it and it were never used up. */
function withoutEnd(budget: BudgetRow): BudgetRow {
  return { ...budget, settled: 0, reserved: 0, limit: Number.MAX_SAFE_INTEGER }
}

/** Calls with the same result see the same windows of the same budgets, and begin the same windows. */
function windowsOf({ budgets, amounts }: Asked): string {
  return JSON.stringify(
    budgets.map(({ id, startedAt, generation }, index) => {
      const { startedAt: starts, generation: next } = amounts[index] ?? {}
      return [id, startedAt, generation, starts, next]
    }),
  )
}

/** The row as these reservations, which see the same windows, have left it. */
function withReserves(row: BudgetRow, granted: readonly Asked[]): BudgetRow {
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
