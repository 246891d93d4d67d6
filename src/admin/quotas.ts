import type { Clock } from '../core/clock.ts'
import type { Quota as PlanQuota } from '../core/quota.ts'
import type { Quota } from './schema/upstreams.ts'
import { type OperatedUpstream, quotaView } from './upstream-views.ts'

/** How much of each plan is left, as far as it was asked for. */
export interface Quotas {
  of(credential: string): Quota | undefined
  /** Asks again where the last answers are old. Resolves when all have answered or failed. */
  refresh(): Promise<void>
}

/** A page that is open must not ask a vendor more often. */
const freshMs = 60_000

/** What is known of a plan is kept until the next answer: a vendor that cannot be reached has taken nothing away. */
export function createQuotas(upstreams: () => readonly OperatedUpstream[], clock: Clock): Quotas {
  // The quotas by the id of the credential.
  const known = new Map<string, Quota>()
  let askedAt = Number.NEGATIVE_INFINITY
  let asking = Promise.resolve()

  return {
    of: (credential) => known.get(credential),
    refresh() {
      if (clock.monotonic() - askedAt < freshMs) return asking
      askedAt = clock.monotonic()
      asking = Promise.all(upstreams().flatMap(readings)).then(() => {})
      return asking
    },
  }

  function readings({ control, readQuotas = [] }: OperatedUpstream): Promise<void>[] {
    const { credentials } = control.report()
    return readQuotas.map(async (read, index) => {
      const id = credentials[index]?.id
      // Many keys have no plan.
      const quota: PlanQuota | undefined = await read().catch(() => undefined)
      if (id !== undefined && quota !== undefined) known.set(id, quotaView(quota, clock.now()))
    })
  }
}
