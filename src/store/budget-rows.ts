import type { Sql } from '../database/sql.ts'

/** Amounts are whole numbers of atoms: see `atomsOf`. */
export interface BudgetRow {
  id: string
  key: string
  unit: 'usd' | 'tokens' | 'credits'
  limit: number
  window: `${number}h` | 'day' | 'week' | 'month' | 'total'
  /** Spent by requests that are over. */
  settled: number
  /** Set aside for requests under way. */
  reserved: number
  /** 0 where the window has not begun. */
  startedAt: number
  /** Increases with each window and each reset. Reservations of an earlier generation no longer count. */
  generation: number
}

/** A reservation from one budget: the window that the call belongs to, and the amounts. */
export interface Reserve extends Pick<BudgetRow, 'startedAt' | 'settled' | 'reserved' | 'generation'> {
  amount: number
  /** The amount that is settled if the process ends before the call does. */
  estimate: number
}

/** The reservations of running requests. Errors: those of the database. */
export interface Reservations {
  /**
   * Reserves from all budgets of a key, or from none. `decide` may be called more than once, also with unlimited
   * budgets. Its last decision is the reservation. Resolves with that decision and with the budgets after it.
   * Errors: what `decide` throws.
   */
  reserve<Decision extends { amounts: readonly Reserve[] }>(
    reservation: { id: string; key: string; expires: number },
    decide: (budgets: readonly BudgetRow[]) => Decision,
  ): Promise<{ decision: Decision; budgets: readonly BudgetRow[] }>
  /** Ends a reservation. Calling it again has no effect. `spent` is in atoms, by the id of the budget. */
  settle(id: string, spent: ReadonlyMap<string, number>): Promise<void>
  /** Extends reservations until `expires`. */
  extend(reservations: readonly Extension[], expires: number): Promise<void>
}

export interface Extension {
  id: string
  /** The amounts that are settled if the process ends before the call does, in atoms, by the id of the budget. */
  estimates: ReadonlyMap<string, number>
}

export function budgetsOf(sql: Sql, key: string): Promise<StoredBudget[]> {
  return sql<StoredBudget>`SELECT id, key, unit, lim, span, settled, reserved, window_start, generation
    FROM budgets WHERE key = ${key} ORDER BY id`
}

export interface StoredBudget extends Pick<BudgetRow, 'id' | 'key' | 'unit' | 'settled' | 'reserved' | 'generation'> {
  lim: number
  span: BudgetRow['window']
  window_start: number
}

export function budgetOf({ lim, span, window_start, ...row }: StoredBudget): BudgetRow {
  return { ...row, limit: lim, window: span, startedAt: window_start }
}
