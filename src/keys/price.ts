import { GatewayError } from '../core/errors.ts'
import { type BilledTokens, costOf } from '../models/cost.ts'
import type { ModelFacts } from '../models/table.ts'
import { atomsOf, type BudgetUnit } from './budget.ts'
import type { Rates } from './reservation-size.ts'

type Priced = Pick<ModelFacts, 'price' | 'credits'>

/**
 * What a token of a model costs in the atoms of a unit; `undefined` where that is not known. `at` decides about the peak
 * hours of credits.
 */
export function ratesOf(unit: BudgetUnit, model: Priced, at: number): Rates | undefined {
  if (unit === 'tokens') return { input: 1, cached: 1, output: 1 }
  const one = (tokens: BilledTokens) => costOf(tokens, model, at)[unit]
  const input = one({ input: 1, output: 0 })
  const cached = one({ input: 1, cached: 1, output: 0 })
  const output = one({ input: 0, output: 1 })
  if (input === undefined || cached === undefined || output === undefined) return undefined
  const atoms = atomsOf[unit]
  return { input: input * atoms, cached: cached * atoms, output: output * atoms }
}

/** A request for a model whose price nobody knows, with a budget that counts it. */
export function unknownPrice(unit: BudgetUnit, model: string): GatewayError {
  const message = `${priceSentence(unit, model)}, and this key has a budget in ${unitName[unit]}: use another model.`
  return new GatewayError('forbidden', message, { code: 'price_unknown' })
}

const unitName: Record<BudgetUnit, string> = { usd: 'US dollars', tokens: 'tokens', credits: 'credits' }

/** The beginning of a sentence that says what to do. */
export function priceSentence(unit: BudgetUnit, model: string): string {
  return unit === 'usd'
    ? `The price of ${model} is not known here (whoever runs this gateway can set it: price in [[models]] of zai2api.toml)`
    : `What ${model} costs in credits is not known here (whoever runs this gateway can set it: credits in [[models]] of zai2api.toml)`
}
