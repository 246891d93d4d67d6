import type { Clock } from '../../core/clock.ts'
import {
  type CapacityReport,
  type CapacityShare,
  type HeldLease,
  type SharedCapacity,
  wholeCredential,
} from '../../core/shared-capacity.ts'
import { type Concurrency, createConcurrency, hasRoom, mayGrow } from './concurrency.ts'
import { forgetOne, type PooledCredential, type PoolState, unlimited, type WantingCall } from './pooled-credential.ts'

/** Limits that all gateways have together: what is known of each, and this gateway's share of it. */
export interface LimitShares<Credential> {
  /** A report of each credential, and of each of its models that has calls or a limit. */
  reports(waiting: readonly WantingCall<Credential>[]): CapacityReport[]
  /**
   * Uses what the database has granted in answer to these reports. Unless `areAllBack`, other gateways may use equal parts,
   * and no share is larger than one. Returns the credentials whose calls began under a lease that has ended.
   */
  use(reports: readonly CapacityReport[], shares: readonly CapacityShare[], areAllBack: boolean): string[]
  /** Uses an equal part of each limit that is known, and of any other `startLimit`. */
  useEqualParts(): void
  /** Uses nothing until shares are granted. */
  useNothing(): void
  /** A call has ended. Returns whether it had a rotating slot, which goes to the next gateway. */
  giveSlotOn(concurrency: Concurrency): boolean
  /** A call was refused, which still counts. */
  refused(concurrency: Concurrency): void
  /** A call was answered. Returns whether it says that the limit may grow. */
  answered(concurrency: Concurrency): boolean
  leaseOf(credential: string): HeldLease | undefined
  leases(): NamedLease[]
  /** The database has refused a write under this lease. Returns whether it was still in use here. */
  drop(lease: HeldLease): boolean
}

export interface LimitSharesOptions<Credential> {
  state: PoolState<Credential>
  clock: Clock
  /** See `PoolOptions`. */
  startLimit: number
}

type NamedLease = Parameters<SharedCapacity['leave']>[1][number]

/** What is known of one limit, and what has happened since the last exchange. */
interface SharedLimit {
  /** The limit for all gateways together; `undefined` while none is known. */
  limit: number | undefined
  gateways: number
  /** See `CapacityShare`. */
  rotatingSlots: number
  /** See `CapacityReport`. */
  allowed: number | undefined
  answered: number
}

export function limitShares<Credential>(options: LimitSharesOptions<Credential>): LimitShares<Credential> {
  const { state, clock } = options
  const startLimit = Number.isFinite(options.startLimit) ? options.startLimit : undefined
  const known = new WeakMap<Concurrency, SharedLimit>()
  // By name, all that the last exchange has granted.
  const held = new Map<string, NamedLease>()

  return {
    reports: (waiting) =>
      state.credentials.flatMap((pooled) => {
        const own = [...state.running].filter((call) => call.pooled === pooled)
        const wanting = [...own, ...waiting.filter(({ accepts }) => accepts(pooled.credential))]
        return [
          { ...reportOf(pooled.id, wholeCredential, pooled.total, wanting), startLimit },
          ...[...pooled.models].map(([model, concurrency]) =>
            reportOf(
              pooled.id,
              model,
              concurrency,
              wanting.filter((call) => call.model === model),
            ),
          ),
        ]
      }),
    use(reports, shares, areAllBack) {
      forget(reports, shares)
      for (const share of shares) useShare(share, areAllBack)
      hold(shares)
      return lapsedOf(reports, shares)
    },
    useEqualParts() {
      // Equal parts are nobody's lease.
      held.clear()
      for (const { total, models } of state.credentials) {
        const shared = sharedOf(total)
        shared.limit ??= startLimit
        for (const concurrency of [total, ...models.values()]) useEqualPart(concurrency, sharedOf(concurrency))
      }
    },
    useNothing() {
      for (const { total } of state.credentials) total.limit = 0
    },
    giveSlotOn(concurrency) {
      const shared = sharedOf(concurrency)
      if (shared.rotatingSlots <= 0) return false
      shared.rotatingSlots--
      concurrency.limit--
      return true
    },
    refused(concurrency) {
      const shared = sharedOf(concurrency)
      shared.allowed = Math.min(shared.allowed ?? Number.POSITIVE_INFINITY, concurrency.inFlight - 1)
      // Nothing more is tried until the exchange has answered.
      concurrency.limit = Math.min(concurrency.limit, shared.allowed)
      concurrency.limitedAt = clock.monotonic()
    },
    answered(concurrency) {
      if (hasRoom(concurrency) || !mayGrow(concurrency, clock.monotonic())) return false
      const shared = sharedOf(concurrency)
      // However long an exchange takes, the share at most doubles by it.
      shared.answered = Math.min(concurrency.limit, shared.answered + 1)
      return true
    },
    leaseOf,
    leases: () => [...held.values()],
    drop({ credential, fence }) {
      const name = nameOf({ credential, model: wholeCredential })
      const pooled = pooledOf(credential)
      // A newer one may have been granted meanwhile.
      if (pooled === undefined || held.get(name)?.fence !== fence) return false
      held.delete(name)
      Object.assign(sharedOf(pooled.total), { rotatingSlots: 0, allowed: undefined, answered: 0 })
      pooled.total.limit = 0
      return true
    },
  }

  function sharedOf(concurrency: Concurrency): SharedLimit {
    const shared = known.get(concurrency) ?? nothingKnown()
    known.set(concurrency, shared)
    return shared
  }

  function reportOf(
    credential: string,
    model: string,
    concurrency: Concurrency,
    wanting: readonly { caller: string }[],
  ): CapacityReport {
    const { allowed, answered = 0 } = known.get(concurrency) ?? {}
    return {
      ...{ credential, model, inFlight: concurrency.inFlight, wants: countOf(wanting), answered },
      startLimit: undefined,
      ...(allowed === undefined ? {} : { allowed }),
      fence: held.get(nameOf({ credential, model }))?.fence,
    }
  }

  /** Forgets what the database has answered. Everything else is reported again. */
  function forget(reports: readonly CapacityReport[], shares: readonly CapacityShare[]): void {
    const answered = new Set(shares.map(nameOf))
    for (const report of reports) {
      if (!answered.has(nameOf(report))) continue
      const concurrency = concurrencyOf(report)
      const shared = concurrency && sharedOf(concurrency)
      if (shared === undefined) continue
      shared.answered -= report.answered
      if (shared.allowed === report.allowed) shared.allowed = undefined
    }
  }

  function useShare(granted: CapacityShare, areAllBack: boolean): void {
    const { limit, share, rotatingSlots, elsewhere, limitedMs, gateways } = granted
    const concurrency = concurrencyOf(granted) ?? (limit === undefined ? undefined : added(granted))
    if (concurrency === undefined) return
    const shared = sharedOf(concurrency)
    Object.assign(shared, {
      limit,
      gateways: areAllBack ? gateways : Math.max(gateways, shared.gateways),
      rotatingSlots,
    })
    Object.assign(concurrency, { limit: share, elsewhere })
    const part = areAllBack ? share : equalPartOf(shared)
    if (part < share) {
      shared.rotatingSlots = 0
      concurrency.limit = part
    }
    concurrency.limitedAt = limitedMs === undefined ? undefined : clock.monotonic() - limitedMs
  }

  function hold(shares: readonly CapacityShare[]): void {
    held.clear()
    for (const { credential, model, fence } of shares)
      if (fence !== undefined) held.set(nameOf({ credential, model }), { credential, model, fence })
    // Where no limit is known calls begin without a lease, and have one as soon as they are reported.
    for (const call of state.running) call.lease ??= leaseOf(call.pooled.id)
  }

  function leaseOf(credential: string): HeldLease | undefined {
    return held.get(nameOf({ credential, model: wholeCredential }))
  }

  function concurrencyOf({ credential, model }: LimitName): Concurrency | undefined {
    const pooled = pooledOf(credential)
    return model === wholeCredential ? pooled?.total : pooled?.models.get(model)
  }

  /** Of a model that has no calls here. */
  function added({ credential, model }: LimitName): Concurrency | undefined {
    const pooled = pooledOf(credential)
    if (pooled === undefined) return undefined
    const concurrency = createConcurrency(0)
    pooled.models.set(model, concurrency)
    forgetOne(pooled.models)
    return concurrency
  }

  function pooledOf(id: string): PooledCredential<Credential> | undefined {
    return state.credentials.find((pooled) => pooled.id === id)
  }
}

type LimitName = Pick<CapacityShare, 'credential' | 'model'>

/** Ids of credentials have no spaces. */
function nameOf({ credential, model }: LimitName): string {
  return `${credential} ${model}`
}

function nothingKnown(): SharedLimit {
  return { limit: undefined, gateways: 1, rotatingSlots: 0, allowed: undefined, answered: 0 }
}

function useEqualPart(concurrency: Concurrency, shared: SharedLimit): void {
  shared.rotatingSlots = 0
  concurrency.elsewhere = 0
  concurrency.limit = equalPartOf(shared)
}

/** This gateway's part of a limit, whatever the others do, and at least one call. */
function equalPartOf({ limit = unlimited, gateways, allowed = unlimited }: SharedLimit): number {
  return Math.max(1, Math.min(Math.floor(limit / gateways), allowed))
}

/** The credentials with calls under way whose lease was over when it was reported. */
function lapsedOf(reports: readonly CapacityReport[], shares: readonly CapacityShare[]): string[] {
  const lapsed = new Set(shares.filter(({ isStale }) => isStale).map(nameOf))
  const affected = reports.filter((report) => lapsed.has(nameOf(report)) && report.inFlight > 0)
  return [...new Set(affected.map(({ credential }) => credential))]
}

function countOf(calls: readonly { caller: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { caller } of calls) counts[caller] = (counts[caller] ?? 0) + 1
  return counts
}
