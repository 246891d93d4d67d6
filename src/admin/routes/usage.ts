import type { Route } from '../../http/route.ts'
import { peakSpans } from '../../models/cost.ts'
import { type UsageSlot as StoredSlot, usageBetween } from '../../store/usage.ts'
import { csvHeaders, csvLines } from '../csv.ts'
import type { OperatorContext } from '../operator-context.ts'
import { adminRoute } from '../route.ts'
import { Usage, UsageQuery, type UsageSlot } from '../schema/usage.ts'
import type { Remembered } from './requests.ts'

const dayMs = 24 * 3_600_000
/** How far ahead peak hours are told: nobody plans for longer, and each day between two instants costs time. */
const aheadMs = 31 * dayMs

/** `/admin/api/usage`: tokens, credits and dollars by hour or day, also as CSV. */
export function usageRoutes(operator: OperatorContext, { sql, flush }: Remembered): Route[] {
  const { clock } = operator
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/usage',
        summary: 'What was used in each hour or day',
        description:
          'Days are those of UTC. Peak hours are told for a month ahead at most. With `format=csv` the answer is text/csv.',
        query: UsageQuery,
        answer: Usage,
        async handle({ query }) {
          const { by = 'hour', group = 'model', to = clock.now() + 1, format } = query
          const { from = to - (by === 'hour' ? dayMs : 30 * dayMs) } = query
          await flush()
          const slots = (await usageBetween(sql, { from, to, by, group })).map(slotOf)
          if (format !== 'csv')
            return { slots, peak_hours: by === 'hour' ? peakSpans(from, Math.min(to, clock.now() + aheadMs)) : [] }
          return new Response(csvOf(slots, group), { headers: csvHeaders(`usage-by-${by}-and-${group}.csv`) })
        },
      },
      operator,
    ),
  ]
}

function slotOf({ at, group, requests, errors, credits, usd, ...tokens }: StoredSlot): UsageSlot {
  const { tokens_in: input, tokens_cached: cached, tokens_out: output, tokens_reasoning: reasoning } = tokens
  return {
    ...{ at, group, requests, errors, input, cached, output, reasoning },
    ...(credits === null ? {} : { credits: tidy(credits) }),
    ...(usd === null ? {} : { usd: tidy(usd) }),
  }
}

/** Rounds away the last digits of sums of fractions: 0.0007099999999999999. */
function tidy(amount: number): number {
  return Number(amount.toPrecision(12))
}

const columns = ['requests', 'errors', 'input', 'cached', 'output', 'reasoning', 'credits', 'usd'] as const

function csvOf(slots: readonly UsageSlot[], group: string): string {
  const rows = slots.map((slot) => [
    new Date(slot.at).toISOString(),
    slot.group,
    ...columns.map((name) => slot[name] ?? ''),
  ])
  return csvLines([['at', group, ...columns], ...rows])
}
