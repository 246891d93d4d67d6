import type { MeteredCall } from '../core/call-meter.ts'
import type { Cost } from '../models/cost.ts'

/** What calls under each credential have cost since the start, as far as that is known. */
export interface CredentialSpend {
  /** Called once for each call, when its request is over. */
  add(call: MeteredCall, cost: Cost): void
  /** `credential` is its fingerprint, else its name for people. `undefined` where nothing is known to be spent. */
  of(upstream: string, credential: string): Spent | undefined
}

export type Spent = Pick<Cost, 'credits' | 'usd'>

export function createCredentialSpend(): CredentialSpend {
  const sums = new Map<string, Spent>()

  return {
    add({ upstream, credential }, { credits, usd }) {
      if (credential === undefined || (credits === undefined && usd === undefined)) return
      const name = nameOf(upstream, credential)
      const sum = sums.get(name) ?? {}
      if (credits !== undefined) sum.credits = credits + (sum.credits ?? 0)
      if (usd !== undefined) sum.usd = usd + (sum.usd ?? 0)
      sums.set(name, sum)
    },
    of: (upstream, credential) => sums.get(nameOf(upstream, credential)),
  }
}

function nameOf(upstream: string, credential: string): string {
  return `${upstream} ${credential}`
}
