import type { Database, Sql } from '../database/sql.ts'
import { type BudgetRow, budgetOf, budgetsOf, type Reservations, type StoredBudget } from './budget-rows.ts'

/**
 * Reservations and settlements in transactions that lock the budgets first. It is the only way on SQLite, where one
 * transaction costs little. On PostgreSQL it takes several round trips: see `postgresBudgets`.
 */
export function lockedBudgets(db: Database): Reservations {
  return {
    reserve: (reservation, decide) =>
      db.transaction(async (sql) => {
        const before = (await lockedBudgetsOf(db, sql, reservation.key)).map(budgetOf)
        const decision = decide(before)
        const budgets: BudgetRow[] = []
        for (const [index, budget] of before.entries()) {
          const reserve = decision.amounts[index]
          if (reserve === undefined) throw new Error('a budget that nothing was decided about')
          const { amount, estimate, startedAt, settled, generation } = reserve
          const reserved = reserve.reserved + amount
          await sql`UPDATE budgets SET settled = ${settled}, reserved = ${reserved},
              window_start = ${startedAt}, generation = ${generation} WHERE id = ${budget.id}`
          await sql`INSERT INTO reservations (id, budget, amount, estimate, generation, expires)
            VALUES (${reservation.id}, ${budget.id}, ${amount}, ${estimate}, ${generation}, ${reservation.expires})`
          budgets.push({ ...budget, settled, reserved, startedAt, generation })
        }
        return { decision, budgets }
      }),
    settle: (id, spent) =>
      db.transaction(async (sql) => {
        const rows = await sql<ReservedAmount>`DELETE FROM reservations WHERE id = ${id}
          RETURNING budget, amount, estimate, counted, generation`
        for (const row of rows) await settleReservation(sql, row, spent.get(row.budget) ?? 0)
      }),
    extend: (reservations, expires) =>
      db.transaction(async (sql) => {
        for (const { id, estimates } of reservations)
          for (const [budget, estimate] of estimates)
            await sql`UPDATE reservations SET expires = ${expires}, estimate = ${estimate}
              WHERE id = ${id} AND budget = ${budget}`
      }),
  }
}

/**
 * The budgets of a key, which no other process can change until the transaction ends. SQLite has no `FOR UPDATE` and does
 * not need it, because a transaction locks the database.
 */
export function lockedBudgetsOf({ engine }: Database, sql: Sql, key: string): Promise<StoredBudget[]> {
  if (engine === 'sqlite') return budgetsOf(sql, key)
  return sql<StoredBudget>`SELECT id, key, unit, lim, span, settled, reserved, window_start, generation
    FROM budgets WHERE key = ${key} ORDER BY id FOR UPDATE`
}

export interface ReservedAmount {
  budget: string
  amount: number
  estimate: number
  /** The amount that is settled already. */
  counted: number
  generation: number
}

/**
 * A reservation from an ended window or from before a reset has an old `generation`, so it does not change the budget.
 */
export async function settleReservation(sql: Sql, row: ReservedAmount, spent: number): Promise<void> {
  const { budget, amount, counted, generation } = row
  await sql`UPDATE budgets SET reserved = reserved - ${amount}, settled = settled + ${spent - counted}
    WHERE id = ${budget} AND generation = ${generation}`
}
