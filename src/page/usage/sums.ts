import type { UsageSlot } from '../../admin/schema/usage.ts'

/** The sums of several slots; a value that is unknown in all of them is absent. */
export interface Sums {
  requests: number
  errors: number
  input: number
  cached: number
  output: number
  reasoning: number
  credits?: number
  usd?: number
}

export function sumsOf(slots: readonly UsageSlot[]): Sums {
  const sums: Sums = { requests: 0, errors: 0, input: 0, cached: 0, output: 0, reasoning: 0 }
  for (const slot of slots) {
    for (const name of ['requests', 'errors', 'input', 'cached', 'output', 'reasoning'] as const)
      sums[name] += slot[name] ?? 0
    for (const name of ['credits', 'usd'] as const)
      if (slot[name] !== undefined) sums[name] = (sums[name] ?? 0) + slot[name]
  }
  return sums
}
