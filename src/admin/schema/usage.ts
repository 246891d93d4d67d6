import { type Static, Type } from '@sinclair/typebox'
import { amount, count, instant, optional, span, word } from './units.ts'

/** Which usage, and how it is put together. Without `from` and `to`: the last day by hours, the last month by days. */
export const UsageQuery = Type.Object({
  from: optional(instant()),
  to: optional(instant()),
  by: optional(word(['hour', 'day'])),
  group: optional(word(['model', 'key', 'upstream', 'client'])),
  format: optional(word(['json', 'csv'])),
})
export type UsageQuery = Static<typeof UsageQuery>

/** What was used in one hour or day by one model, key, upstream or client. */
export const UsageSlot = Type.Object({
  at: instant('Where the hour or day begins.'),
  group: Type.String(),
  requests: count(),
  errors: count(),
  input: count(),
  cached: count(),
  output: count(),
  reasoning: optional(count()),
  credits: optional(amount()),
  usd: optional(amount()),
})
export type UsageSlot = Static<typeof UsageSlot>

export const Usage = Type.Object({
  slots: Type.Array(UsageSlot),
  peak_hours: Type.Array(span(), { description: 'When the coding plan counts credits in full; only for hours.' }),
})
export type Usage = Static<typeof Usage>
