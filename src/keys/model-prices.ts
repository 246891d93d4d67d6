import { invalidField } from '../core/errors.ts'
import { matchesPattern } from '../core/name-pattern.ts'
import { peakCreditRates, type Rates, usdRates } from '../models/cost.ts'
import type { ModelTable } from '../models/table.ts'
import type { BudgetRule, BudgetUnit } from './budget.ts'
import { pricedModels, ratesOf, unpricedBudget } from './price.ts'

/** The price of a million tokens. */
export interface ModelPrice {
  model: string
  unit: 'usd' | 'credits'
  input: number
  cached: number
  output: number
}

/** The known prices of the models in the table, newest model first. Credits are those of peak hours. */
export function pricesIn(table: ModelTable): ModelPrice[] {
  return table.named.flatMap(({ id, kind, price, credits }) =>
    kind === 'chat'
      ? [...pricesOf(id, 'usd', usdRates({ price })), ...pricesOf(id, 'credits', peakCreditRates({ credits }))]
      : [],
  )
}

const million = 1_000_000

function pricesOf(model: string, unit: ModelPrice['unit'], rates: Rates | undefined): ModelPrice[] {
  if (rates === undefined) return []
  const { input, cached, output } = rates
  const ofMillion = (rate: number) => Number((rate * million).toPrecision(12))
  return [{ model, unit, input: ofMillion(input), cached: ofMillion(cached), output: ofMillion(output) }]
}

/** The models in the table that match the patterns, and the models that are named exactly. Without patterns, all. */
export function allowedModels(table: ModelTable, patterns: readonly string[] | undefined): string[] {
  const known = table.named.map(({ id }) => id)
  if (patterns === undefined) return known
  const matching = known.filter((id) => patterns.some((pattern) => matchesPattern(pattern, id)))
  return [...new Set([...exactNames(patterns).map((name) => table.of(name).id), ...matching])]
}

function exactNames(patterns: readonly string[]): string[] {
  return patterns.filter((pattern) => !pattern.includes('*'))
}

export function isPriced(table: ModelTable, unit: BudgetUnit, name: string, now: number): boolean {
  return ratesOf(unit, table.of(name), now) !== undefined
}

/**
 * A model that is named exactly must have a price. For patterns it is enough if one matching model has a price: the
 * others are refused when they are requested. Errors: `invalid-request`, naming `budgets`.
 */
export function rejectUnpriced(
  table: ModelTable,
  budgets: readonly BudgetRule[],
  patterns: readonly string[] | undefined,
  now: number,
): void {
  const all = allowedModels(table, patterns)
  for (const { unit } of budgets) {
    const hasPrice = (name: string) => isPriced(table, unit, name, now)
    const exact = exactNames(patterns ?? []).find((name) => !hasPrice(name))
    const unknown = exact ?? (all.some(hasPrice) ? undefined : all[0])
    if (unknown !== undefined)
      throw invalidField(
        'budgets',
        unpricedBudget(unit, table.of(unknown).id, pricedModels(table, unit, undefined, now)),
        {
          code: 'price_unknown',
        },
      )
  }
}
