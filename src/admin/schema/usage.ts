import { type Static, Type } from '@sinclair/typebox'
import { amount, count, instant, optional } from './units.ts'

export const usageGroups = ['model', 'key', 'upstream', 'client'] as const
export const usageSpans = ['hour', 'day'] as const

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

export const Usage = Type.Object({ slots: Type.Array(UsageSlot) })
export type Usage = Static<typeof Usage>
