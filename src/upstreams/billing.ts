import type { Config } from '../config/load.ts'
import { kindOf } from '../config/upstream-rows.ts'
import type { MeteredCall } from '../core/call-meter.ts'
import { type BilledTokens, type Cost, costOf, costSum } from '../models/cost.ts'
import { modelTable } from '../models/table.ts'
import type { UpstreamKinds } from './upstream-kind.ts'

/** What a request to an upstream costs, as far as that is established. `at` is an instant in epoch milliseconds. */
export type Billing = (upstream: string, model: string, tokens: BilledTokens, at: number) => Cost

/** The costs of a configuration. Errors: UsageError for an invalid address of an upstream. */
export function billingOf(config: Config, kinds: UpstreamKinds): Billing {
  const table = modelTable(config.models)
  const paid = new Map(
    config.upstreams.map((instance) => [instance.id, kindOf(instance, kinds).paidIn?.(instance, config)]),
  )
  return (upstream, model, tokens, at) => {
    switch (paid.get(upstream)) {
      case 'credits': {
        const { usd: _, ...cost } = costOf(tokens, table.of(model), at)
        return cost
      }
      case 'dollars':
        return inDollars(costOf(tokens, table.of(model), at))
      case 'dollars by own prices':
        return inDollars(costOf(tokens, { price: table.of(model).ownPrice, credits: undefined }, at))
      default:
        return {}
    }
  }
}

/** The upstreams on a plan, which by Z.AI's terms is for one person. Errors: those of `billingOf`. */
export function plansForOne(config: Config, kinds: UpstreamKinds): string[] {
  const onPlan = config.upstreams.filter((each) => kindOf(each, kinds).paidIn?.(each, config) === 'credits')
  return onPlan.map(({ id }) => id)
}

/** What the calls of one request cost together. */
export function costOfCalls(
  calls: readonly Pick<MeteredCall, 'upstream' | 'model' | 'usage'>[],
  billing: Billing,
  at: number,
): Cost {
  let sum: Cost | undefined
  for (const { upstream, model, usage } of calls) {
    const used = usage()
    if (used === undefined) continue
    const { inputTokens: input, cachedInputTokens: cached, outputTokens: output } = used
    const cost = billing(upstream, model, { input, cached, output }, at)
    sum = sum === undefined ? cost : costSum(sum, cost)
  }
  return sum ?? {}
}

function inDollars({ usd }: Cost): Cost {
  return usd === undefined ? {} : { usd }
}
