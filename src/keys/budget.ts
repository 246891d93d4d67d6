import { type BudgetWindow, isWindow } from './window.ts'

/** The unit of a budget: US dollars, tokens of prompts and replies together, or credits of Z.AI's coding plan. */
export const budgetUnits = ['usd', 'tokens', 'credits'] as const
export type BudgetUnit = (typeof budgetUnits)[number]

export interface BudgetRule {
  unit: BudgetUnit
  /** In units: dollars, tokens or credits. */
  limit: number
  window: BudgetWindow
}

/**
 * Budgets are stored as whole numbers, called atoms. A token is 1 atom; a dollar and a credit are 1,000,000,000, so one
 * cached token at $0.03 a million is 30.
 */
export const atomsOf: Record<BudgetUnit, number> = { usd: 1e9, tokens: 1, credits: 1e9 }

/** Largest amounts, so that sums of whole numbers stay exact. */
export const mostOf: Record<BudgetUnit, number> = { usd: 1_000_000, tokens: 1e15, credits: 1_000_000 }

const multiples: Record<string, number> = { '': 1, k: 1e3, m: 1e6, b: 1e9 }

/** A number as people write it: `20`, `0.5`, `500k`, `2m`; `undefined` for anything else. */
export function readAmount(text: string): number | undefined {
  const [, digits, suffix = ''] = /^(\d{1,15}(?:\.\d{1,9})?)([kmb]?)$/i.exec(text.replaceAll('_', '')) ?? []
  const times = multiples[suffix.toLowerCase()]
  return digits === undefined || times === undefined ? undefined : Number((Number(digits) * times).toPrecision(15))
}

/** Reads `usd:20/month`, `tokens:2m/day`, `credits:500/5h`. Returns a string that says what is wrong if it cannot. */
export function readBudget(text: string): BudgetRule | string {
  const [, unit = '', amount = '', window = ''] = /^([^:/]*):([^/]*)\/(.*)$/.exec(text.trim()) ?? []
  if (unit === '') return `expected UNIT:AMOUNT/WINDOW such as usd:20/month, tokens:2m/day or credits:500/5h`
  return checkedBudget(unit, readAmount(amount), window)
}

/** Checks the parts of a budget. Returns a string that says what is wrong with them, if anything is. */
export function checkedBudget(unit: unknown, limit: unknown, window: unknown): BudgetRule | string {
  const known = budgetUnits.find((one) => one === unit)
  if (known === undefined) return `expected the unit ${budgetUnits.join(', ')}`
  // An amount of less than half an atom would be stored as 0.
  if (typeof limit !== 'number' || !(Math.round(limit * atomsOf[known]) > 0) || limit > mostOf[known])
    return `expected an amount above 0 and up to ${mostOf[known]} ${known}, as in 20, 0.5 or 2m`
  if (known === 'tokens' && !Number.isInteger(limit)) return 'expected a whole number of tokens'
  if (typeof window !== 'string' || !isWindow(window))
    return 'expected the window 5h (or another number of hours, up to 8760h), day, week, month or total'
  return { unit: known, limit, window }
}

/** The form that `readBudget` reads: `usd:20/month`. */
export function budgetText({ unit, limit, window }: BudgetRule): string {
  return `${unit}:${limit}/${window}`
}

/** For people: `$0.0042`, `500,000 tokens`, `12.5 credits`. */
export function amountText(unit: BudgetUnit, amount: number): string {
  const digits = { maximumSignificantDigits: 4, maximumFractionDigits: 6 }
  if (unit === 'tokens') return `${amount.toLocaleString('en-US')} tokens`
  // Small amounts are the rest of a budget, so most of their digits do not matter.
  const number = amount.toLocaleString('en-US', amount >= 100 ? { maximumFractionDigits: 2 } : digits)
  return unit === 'usd' ? `$${number}` : `${number} credits`
}
