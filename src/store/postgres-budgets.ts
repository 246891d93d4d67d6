import type { Database } from '../database/sql.ts'
import { type BudgetRow, budgetOf, budgetsOf, type Reservations } from './budget-rows.ts'
import { type AskedReservation, extendAll, reserveSame, type Settlement, settleAll } from './budget-statements.ts'
import { inBatches } from './in-batches.ts'

/** If this many attempts fail because others took the rest each time, a transaction locks the rows first. */
const mostAttempts = 4

/** A larger statement would take too long for the time limit of a request. */
const extendedAtOnce = 200

/**
 * Reservations and settlements on PostgreSQL. Each takes one statement, and so one round trip, for any number of calls
 * that come at the same time.
 *
 * Only the database knows what a budget can pay, so the first statement of a call requests as much as an unlimited
 * budget would pay. If that is too much, the answer has the current budgets, by which the call is refused or requests
 * less.
 */
export function postgresBudgets(db: Database, locked: Reservations['reserve']): Reservations {
  // The last known budgets by key. Only their windows are used: see `withoutEnd`.
  const seen = new Map<string, readonly BudgetRow[]>()
  const reading = new Map<string, Promise<BudgetRow[]>>()
  const batches = new Map<string, (asked: AskedReservation) => Promise<ReserveOutcome>>()
  const settleInBatch = inBatches<Settlement, void>(async (settlements) => {
    await settleAll(db, settlements)
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
        await extendAll(db, reservations.slice(from, from + extendedAtOnce), expires)
    },
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

  function batchOf(key: string): (asked: AskedReservation) => Promise<ReserveOutcome> {
    const known =
      batches.get(key) ??
      inBatches(
        (asked) => reserveAll(key, asked),
        () => void batches.delete(key),
      )
    batches.set(key, known)
    return known
  }

  async function reserveAll(key: string, asked: readonly AskedReservation[]): Promise<ReserveOutcome[]> {
    const outcomes = new Map<AskedReservation, ReserveOutcome>()
    // Calls that belong to different windows need different statements, because a window begins only once.
    for (const same of Object.values(Object.groupBy(asked, windowsOf))) {
      const { granted, budgets } = await reserveSame(db, key, same ?? [])
      remember(key, budgets)
      for (const each of same ?? []) outcomes.set(each, { isGranted: granted.has(each), budgets })
    }
    return asked.map((each) => outcomes.get(each) ?? { isGranted: false, budgets: [] })
  }

  /** A key without budgets is not remembered, because it may have some by its next call. */
  function remember(key: string, budgets: readonly BudgetRow[]): void {
    if (budgets.length > 0) seen.set(key, budgets)
    else seen.delete(key)
  }
}

interface ReserveOutcome {
  isGranted: boolean
  /** The budgets with this reservation and all others. */
  budgets: readonly BudgetRow[]
}

/** The budget without a limit and with nothing spent. */
function withoutEnd(budget: BudgetRow): BudgetRow {
  return { ...budget, settled: 0, reserved: 0, limit: Number.MAX_SAFE_INTEGER }
}

/** Calls with the same result belong to the same windows of the same budgets, and begin the same windows. */
function windowsOf({ budgets, amounts }: AskedReservation): string {
  return JSON.stringify(
    budgets.map(({ id, startedAt, generation }, index) => {
      const { startedAt: starts, generation: next } = amounts[index] ?? {}
      return [id, startedAt, generation, starts, next]
    }),
  )
}
