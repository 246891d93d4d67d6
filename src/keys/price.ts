import { GatewayError } from '../core/errors.ts'
import { matchesPattern } from '../core/name-pattern.ts'
import { type BilledTokens, costOf } from '../models/cost.ts'
import type { ModelFacts, ModelTable } from '../models/table.ts'
import { atomsOf, type BudgetUnit } from './budget.ts'
import type { AtomRates } from './reservation-size.ts'

type Priced = Pick<ModelFacts, 'price' | 'credits'>

/**
 * The cost of a token of a model in atoms of a unit; `undefined` if it is unknown. `at` decides whether it is a peak
 * hour for credits.
 */
export function ratesOf(unit: BudgetUnit, model: Priced, at: number): AtomRates | undefined {
  if (unit === 'tokens') return { input: 1, cached: 1, output: 1 }
  const one = (tokens: BilledTokens) => costOf(tokens, model, at)[unit]
  const input = one({ input: 1, output: 0 })
  const cached = one({ input: 1, cached: 1, output: 0 })
  const output = one({ input: 0, output: 1 })
  if (input === undefined || cached === undefined || output === undefined) return undefined
  const atoms = atomsOf[unit]
  return { input: input * atoms, cached: cached * atoms, output: output * atoms }
}

/** The names of the models that the patterns allow and whose price in this unit is known, newest first. */
export function pricedModels(
  table: ModelTable,
  unit: BudgetUnit,
  patterns: readonly string[] | undefined,
  at: number,
): string[] {
  return table.named
    .filter(({ id }) => patterns === undefined || patterns.some((pattern) => matchesPattern(pattern, id)))
    .filter((facts) => facts.kind === 'chat' && ratesOf(unit, facts, at) !== undefined)
    .map(({ id }) => id)
}

/**
 * The error for a request whose model has no known price, under a budget that needs one. `priced` are models to use
 * instead.
 */
export function unknownPrice(unit: BudgetUnit, model: string, priced: readonly string[]): GatewayError {
  const { name, price } = words[unit]
  const known = priced.length === 0 ? '' : ` Known are those of ${inShort(priced)}.`
  return new GatewayError(
    'forbidden',
    `The ${price} of ${model} is not known here, and this key has a budget in ${name}.${known} Whoever runs this gateway can set it in [[models]] of zai2api.toml.`,
    { code: 'price_unknown' },
  )
}

/**
 * The reason why a budget cannot be set for a model, and what can be done. `priced` are the models whose price is
 * known.
 */
export function unpricedBudget(unit: BudgetUnit, model: string, priced: readonly string[]): string {
  const { name, price } = words[unit]
  const known = priced.length === 0 ? 'None is known' : `Known are those of ${inShort(priced)}`
  return `the ${price} of ${model} is not known here, so no budget in ${name} can be kept for it. ${known}. Leave the model out, set its price in [[models]] of zai2api.toml, or choose a budget in tokens`
}

const words: Record<BudgetUnit, { name: string; price: string }> = {
  usd: { name: 'US dollars', price: 'price' },
  tokens: { name: 'tokens', price: 'price' },
  credits: { name: 'credits', price: 'price in credits' },
}

/** More names would hide the end of the sentence. */
const shown = 6

function inShort(names: readonly string[]): string {
  const rest = names.length - shown
  return rest <= 1 ? names.join(', ') : `${names.slice(0, shown).join(', ')} and ${rest} others`
}
