import type { CapacityReport, CapacityShare } from '../core/shared-capacity.ts'

/** The number of calls of one credential that may run at a time in all gateways. Instants are epoch milliseconds. */
export interface Capacity {
  /** `null` while it is not known. */
  limit: number | null
  /** When a refusal lowered, or an answer raised, the limit last; `null` before the first refusal. */
  limitedAt: number | null
}

/** The share of one gateway in a capacity, and its demand. */
export interface CapacityLease {
  node: string
  /** Calls that it may run at a time. Calls under way count even if they are more. */
  share: number
  inFlight: number
  /** Calls under way and waiting, by caller. */
  wants: Record<string, number>
  /** Increases each time the gateway gets a rotating slot. The gateway with the lowest turn gets the next one. */
  turn: number
}

export interface Decision {
  capacity: Capacity
  lease: CapacityLease
  answer: Omit<CapacityShare, 'credential' | 'model' | 'fence' | 'isStale'>
  /** Gateways that may take slots now, or hold slots that others wait for. */
  wake: string[]
}

/** After the first refusal the limit grows by one at most once in this time. */
const growMs = 60_000
/** Shares are sums of fractions. */
const epsilon = 1e-9

/**
 * Decides the share of a gateway in a capacity. Callers share the capacity equally, whichever gateways they use, and
 * the share of a gateway is the sum of its callers' shares. The slots that remain after rounding down to whole slots
 * rotate among the gateways by stride scheduling. Calls under way are not interrupted: slots that others hold beyond
 * their share become free as their calls end.
 *
 * `others` are the leases of the other gateways that have not expired.
 */
export function decideShare(
  before: Capacity,
  own: CapacityLease,
  others: readonly CapacityLease[],
  report: Pick<CapacityReport, 'allowed' | 'answered'>,
  now: number,
): Decision {
  const elsewhere = sum(others.map(({ inFlight }) => inFlight))
  const held = sum(others.map(({ share, inFlight }) => Math.max(share, inFlight)))
  const isWhollyUsed = before.limit !== null && held + Math.max(own.share, own.inFlight) >= before.limit
  // While no limit is known, every wanted call counts as running, because it may have begun since the last exchange.
  const runningElsewhere = before.limit === null ? sum(others.map(wantedBy)) : elsewhere
  const capacity = learned(before, { ...report, elsewhere: runningElsewhere, isWhollyUsed }, now)
  const { limit, limitedAt } = capacity
  const shared = { elsewhere, limitedMs: limitedAt === null ? undefined : now - limitedAt, gateways: others.length + 1 }
  const hasChanged = limit !== before.limit
  if (limit === null)
    return {
      capacity,
      lease: { ...own, share: 0 },
      answer: { ...shared, limit: undefined, share: Number.POSITIVE_INFINITY, rotatingSlots: 0 },
      wake: [],
    }
  const targets = targetsOf(limit, [own, ...others])
  const { fixed, extra } = targets.get(own.node) ?? noTarget
  const share = Math.min(fixed + extra, Math.max(0, limit - held))
  const rotatingSlots = share > fixed ? extra : 0
  const takesTurn = rotatingSlots > 0 && share > own.inFlight
  const lease = { ...own, share, turn: takesTurn ? own.turn + (targets.get(own.node)?.stride ?? 1) : own.turn }
  const free = limit - held - Math.max(share, own.inFlight)
  const isShort = share < Math.min(fixed + extra, wantedBy(own))
  const wake = others.filter((other) => {
    const target = targets.get(other.node) ?? noTarget
    const due = target.fixed + target.extra
    const mayTake = free > 0 && other.share < Math.min(due, wantedBy(other))
    const mayGive = isShort && other.share > Math.max(due, other.inFlight)
    return hasChanged || mayTake || mayGive
  })
  return {
    capacity,
    lease,
    answer: { ...shared, limit, share, rotatingSlots },
    wake: wake.map(({ node }) => node),
  }
}

interface Learning {
  allowed?: number
  answered: number
  elsewhere: number
  isWhollyUsed: boolean
}

/**
 * A refusal sets the limit to the number of calls that were not refused. The limit grows while answers come and it is
 * fully used.
 */
function learned({ limit, limitedAt }: Capacity, report: Learning, now: number): Capacity {
  const { allowed, answered, elsewhere, isWhollyUsed } = report
  if (allowed !== undefined) {
    const lowered = Math.max(1, Math.min(limit ?? Number.POSITIVE_INFINITY, allowed + elsewhere))
    return { limit: lowered, limitedAt: now }
  }
  if (limit === null || answered === 0 || !isWhollyUsed) return { limit, limitedAt }
  if (limitedAt === null) return { limit: limit + answered, limitedAt }
  return now - limitedAt < growMs ? { limit, limitedAt } : { limit: limit + 1, limitedAt: now }
}

interface Target {
  /** Slots that the gateway may use as long as it wants. */
  fixed: number
  /** 1 if the gateway has a rotating slot now, otherwise 0. */
  extra: number
  /** The increase of its turn when it gets a rotating slot. */
  stride: number
}

const noTarget: Target = { fixed: 0, extra: 0, stride: 1 }

function targetsOf(limit: number, leases: readonly CapacityLease[]): Map<string, Target> {
  const wanted = new Map(leases.map((lease) => [lease.node, wantedBy(lease)]))
  const idle = limit - sum([...wanted.values()])
  if (idle >= 0) {
    // Idle slots are divided, so that new calls can begin without an exchange.
    const spare = Math.floor(idle / leases.length)
    return new Map([...wanted].map(([node, wants]) => [node, { ...noTarget, fixed: wants + spare }]))
  }
  const byCaller = equalShares(limit, leases)
  const exact = new Map(leases.map((lease) => [lease.node, sharesOf(lease, byCaller)]))
  const whole = [...exact.values()].map((share) => Math.floor(share + epsilon))
  const going = Math.round(limit - sum(whole))
  const inTurn = leases
    .filter(({ node }) => partOf(exact.get(node) ?? 0) > epsilon)
    .toSorted((one, other) => one.turn - other.turn || (one.node < other.node ? -1 : 1))
    .slice(0, going)
  return new Map(
    [...exact].map(([node, share]) => {
      const part = partOf(share)
      const extra = inTurn.some((lease) => lease.node === node) ? 1 : 0
      return [node, { fixed: Math.floor(share + epsilon), extra, stride: part > epsilon ? 1 / part : 1 }]
    }),
  )
}

/** The part of its demand that each caller gets, by max-min fairness. */
function equalShares(limit: number, leases: readonly CapacityLease[]): Map<string, number> {
  const demands = new Map<string, number>()
  for (const { wants } of leases)
    for (const [caller, count] of Object.entries(wants)) demands.set(caller, (demands.get(caller) ?? 0) + count)
  const ascending = [...demands].filter(([, demand]) => demand > 0).toSorted(([, one], [, other]) => one - other)
  let left = limit
  return new Map(
    ascending.map(([caller, demand], index) => {
      const given = Math.min(demand, left / (ascending.length - index))
      left -= given
      return [caller, given / demand]
    }),
  )
}

function sharesOf({ wants }: CapacityLease, byCaller: ReadonlyMap<string, number>): number {
  return sum(Object.entries(wants).map(([caller, count]) => count * (byCaller.get(caller) ?? 0)))
}

function partOf(share: number): number {
  const part = share - Math.floor(share + epsilon)
  return part > epsilon ? part : 0
}

/**
 * The turn of a gateway. If it had all it wanted before, its old turn is raised to the lowest of the others, so that
 * the low number gives it no precedence.
 */
export function turnOf(turn: number, wasShort: boolean, others: readonly CapacityLease[]): number {
  if (wasShort || others.length === 0) return turn
  return Math.max(turn, Math.min(...others.map((other) => other.turn)))
}

/** Calls under way and waiting. */
export function wantedBy({ wants }: CapacityLease): number {
  return sum(Object.values(wants))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
