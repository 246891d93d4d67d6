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
  /** Goes up with each window and each reset: what was reserved before does not count any more. */
  generation: number
}

/** What a budget becomes when a call reserves from it: counters of the window that the call belongs to, before it. */
export interface Reserve extends Pick<BudgetRow, 'startedAt' | 'settled' | 'reserved' | 'generation'> {
  amount: number
  /** What is settled if the process ends before the call. */
  estimate: number
}

/** What running requests set aside. Errors: those of the database. */
export interface Reservations {
  /**
   * Reserves from all budgets of a key at once, or from none. `decide` may be called more than once, also with budgets
   * that have no end, and the reservation is what it has decided last. Resolves with that and with the budgets after it.
   * Errors: what `decide` throws.
   */
  reserve<Decision extends { amounts: readonly Reserve[] }>(
    reservation: { id: string; key: string; expires: number },
    decide: (budgets: readonly BudgetRow[]) => Decision,
  ): Promise<{ decision: Decision; budgets: readonly BudgetRow[] }>
  /** Ends a reservation; a second time does nothing. `spent` is in atoms, by the id of the budget. */
  settle(id: string, spent: ReadonlyMap<string, number>): Promise<void>
  /** Reservations go on until `expires`. */
  extend(reservations: readonly Extension[], expires: number): Promise<void>
}

export interface Extension {
  id: string
  /** What is settled if the process ends before the call, in atoms, by the id of the budget. */
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
