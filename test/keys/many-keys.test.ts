import { expect, test } from 'bun:test'
import type { BudgetRow } from '../../src/store/budget-rows.ts'
import { offlineBudgets } from '../../src/store/offline-budgets.ts'

test('budgets of many keys are remembered in one pass, also those of keys that have several', () => {
  let reads = 0
  const rows = Array.from({ length: 2_000 }, (_, n): BudgetRow => {
    const budget = { id: `${n}`, unit: 'tokens', limit: 1, window: 'day', settled: 0, reserved: 0 } as const
    return {
      ...{ ...budget, startedAt: 0, generation: 0 },
      get key() {
        reads++
        return `${n % 1_000}`
      },
    }
  })
  const budgets = offlineBudgets()
  budgets.see(rows)
  expect(reads).toBeLessThan(5 * rows.length)
  const found = budgets.reserve({ id: 'a', key: '7' }, () => ({ amounts: [] }))
  expect(found?.budgets.map(({ id }) => id)).toEqual(['7', '1007'])
})
