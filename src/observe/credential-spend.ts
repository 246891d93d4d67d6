import type { MeteredCall } from '../core/call-meter.ts'
import type { Cost } from '../models/cost.ts'

/** What calls under each credential have cost since the start, as far as that is known. */
export interface CredentialSpend {
  /** Once for each call, when its request is over. `at` decides about peak hours, in epoch milliseconds. */
  add(call: MeteredCall, at: number): void
  /** `credential` is its fingerprint, else its name for people. `undefined` where nothing is known to be spent. */
  of(upstream: string, credential: string): Spent | undefined
}

export type Spent = Pick<Cost, 'credits' | 'usd'>

export function createCredentialSpend(costOf: (call: MeteredCall, at: number) => Cost): CredentialSpend {
  const sums = new Map<string, Spent>()

  return {
    add(call, at) {
      if (call.credential === undefined) return
      const { credits, usd } = costOf(call, at)
      const name = nameOf(call.upstream, call.credential)
      const before = sums.get(name) ?? {}
      const sum = {
        ...before,
        ...(credits === undefined ? {} : { credits: credits + (before.credits ?? 0) }),
        ...(usd === undefined ? {} : { usd: usd + (before.usd ?? 0) }),
      }
      if (Object.keys(sum).length > 0) sums.set(name, sum)
    },
    of: (upstream, credential) => sums.get(nameOf(upstream, credential)),
  }
}

function nameOf(upstream: string, credential: string): string {
  return `${upstream} ${credential}`
}
