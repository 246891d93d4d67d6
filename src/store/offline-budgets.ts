import type { BudgetRow, Reserve } from './budget-rows.ts'

/** The amounts that a call has reserved, by the budget's id. */
export type OfflineReserves = ReadonlyMap<string, Reserve>

/** The last known budgets, and the reservations that are made from them without the database. */
export interface OfflineBudgets {
  /** Replaces the known budgets of the keys in `rows`. */
  see(rows: readonly BudgetRow[]): void
  seeKey(key: string, rows: readonly BudgetRow[]): void
  /**
   * Reserves from the last known budgets; `undefined` for a key whose budgets are unknown. Errors: those that `decide`
   * throws.
   */
  reserve<Decision extends Decided>(
    reservation: { id: string; key: string },
    decide: (budgets: readonly BudgetRow[]) => Decision,
  ): { decision: Decision; budgets: readonly BudgetRow[] } | undefined
  /** Ends a reservation that was made here. Returns its amounts; `undefined` if there is none. */
  settle(id: string, spent: ReadonlyMap<string, number>): OfflineReserves | undefined
  /** Whether the reservation was made here. */
  has(id: string): boolean
}

interface Decided {
  amounts: readonly Reserve[]
}

export function offlineBudgets(): OfflineBudgets {
  // The last known budgets, by key.
  const seen = new Map<string, readonly BudgetRow[]>()
  const reservations = new Map<string, { key: string; reserves: OfflineReserves }>()

  return {
    see(rows) {
      for (const [key, budgets] of Map.groupBy(rows, (row) => row.key)) seen.set(key, budgets)
    },
    seeKey: (key, rows) => void seen.set(key, rows),
    reserve({ id, key }, decide) {
      const budgets = seen.get(key)
      if (budgets === undefined) return undefined
      const decision = decide(budgets)
      seen.set(key, asReserved(budgets, decision.amounts))
      reservations.set(id, { key, reserves: reservesOf(budgets, decision) })
      return { decision, budgets }
    },
    settle(id, spent) {
      const reservation = reservations.get(id)
      if (reservation === undefined) return undefined
      reservations.delete(id)
      const { key, reserves } = reservation
      seen.set(key, asSettled(seen.get(key) ?? [], reserves, spent))
      return reserves
    },
    has: (id) => reservations.has(id),
  }
}

function reservesOf(budgets: readonly BudgetRow[], { amounts }: Decided): OfflineReserves {
  const pairs = budgets.flatMap(({ id }, index) => {
    const amount = amounts[index]
    return amount === undefined ? [] : [[id, amount] as const]
  })
  return new Map(pairs)
}

/** The rows after a reservation. */
function asReserved(budgets: readonly BudgetRow[], amounts: readonly Reserve[]): BudgetRow[] {
  return budgets.map((row, index) => {
    const { amount = 0, startedAt, settled, reserved = 0, generation } = amounts[index] ?? {}
    if (startedAt === undefined || settled === undefined || generation === undefined) return row
    return { ...row, startedAt, settled, reserved: reserved + amount, generation }
  })
}

/** The rows after the end of a call. A row changes only if its window is still the one of the reservation. */
function asSettled(
  budgets: readonly BudgetRow[],
  reserves: OfflineReserves,
  spent: ReadonlyMap<string, number>,
): BudgetRow[] {
  return budgets.map((row) => {
    const reserved = reserves.get(row.id)
    if (reserved === undefined || reserved.generation !== row.generation) return row
    return { ...row, reserved: row.reserved - reserved.amount, settled: row.settled + (spent.get(row.id) ?? 0) }
  })
}
