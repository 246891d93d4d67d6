import type { Clock } from '../../core/clock.ts'
import {
  type CapacityReport,
  type CapacityShare,
  type SharedCapacity,
  type ShareLease,
  wholeCredential,
} from '../../core/shared-capacity.ts'
import { type Concurrency, createConcurrency, hasRoom, mayGrow } from './concurrency.ts'
import { forgetOne, type PooledCredential, type PoolState, unlimited, type WantingCall } from './pooled-credential.ts'

/** The limits that all gateways share: what is known of each, and this gateway's share. */
export interface LimitShares<Credential> {
  /** A report of each credential, and of each of its models that has calls or a limit. */
  reports(waiting: readonly WantingCall<Credential>[]): CapacityReport[]
  /**
   * Uses what the database has granted in answer to these reports. Unless `areAllBack`, other gateways may still use an
   * equal part of each limit, so no share is then larger than an equal part. Returns the credentials whose calls began
   * under a lease that has ended.
   */
  use(reports: readonly CapacityReport[], shares: readonly CapacityShare[], areAllBack: boolean): string[]
  /** Uses an equal part of each known limit, and `startLimit` for the others. */
  useEqualParts(): void
  /** Uses nothing until shares are granted. */
  useNothing(): void
  /** Call it when a call has ended. Returns whether the call had a rotating slot, which goes to the next gateway. */
  giveSlotOn(concurrency: Concurrency): boolean
  /** Call it when a call was refused, while that call still counts. */
  refused(concurrency: Concurrency): void
  /** Call it when a call was answered. Returns whether the limit may grow because of that. */
  answered(concurrency: Concurrency): boolean
  shareLeaseOf(credential: string): ShareLease | undefined
  leases(): NamedLease[]
  /**
   * Call it when the database has refused a write under this lease. Returns whether the lease was still in use here.
   */
  drop(lease: ShareLease): boolean
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

/** The limits of the credentials of one pool. */
interface LimitState<Credential> {
  readonly state: PoolState<Credential>
  readonly clock: Clock
  /** `undefined` for any number of calls. */
  readonly startLimit: number | undefined
  readonly known: WeakMap<Concurrency, SharedLimit>
  /** By name, all that the last exchange has granted. */
  readonly held: Map<string, NamedLease>
}

export function limitShares<Credential>({
  state,
  clock,
  startLimit,
}: LimitSharesOptions<Credential>): LimitShares<Credential> {
  const limits: LimitState<Credential> = {
    ...{ state, clock, known: new WeakMap(), held: new Map() },
    startLimit: Number.isFinite(startLimit) ? startLimit : undefined,
  }

  return {
    reports: (waiting) => state.credentials.flatMap((pooled) => reportsOf(limits, pooled, waiting)),
    use(reports, shares, areAllBack) {
      forgetAnswered(limits, reports, shares)
      for (const share of shares) useShare(limits, share, areAllBack)
      holdLeases(limits, shares)
      return lapsedOf(reports, shares)
    },
    useEqualParts() {
      // Equal parts belong to no lease.
      limits.held.clear()
      for (const pooled of state.credentials) useEqualPartsOf(limits, pooled)
    },
    useNothing() {
      for (const { total } of state.credentials) total.limit = 0
    },
    giveSlotOn(concurrency) {
      const shared = sharedOf(limits, concurrency)
      if (shared.rotatingSlots <= 0) return false
      shared.rotatingSlots--
      concurrency.limit--
      return true
    },
    refused(concurrency) {
      const shared = sharedOf(limits, concurrency)
      shared.allowed = Math.min(shared.allowed ?? Number.POSITIVE_INFINITY, concurrency.inFlight - 1)
      // No more calls are admitted until the exchange has answered.
      concurrency.limit = Math.min(concurrency.limit, shared.allowed)
      concurrency.limitedAt = clock.monotonic()
    },
    answered(concurrency) {
      if (hasRoom(concurrency) || !mayGrow(concurrency, clock.monotonic())) return false
      const shared = sharedOf(limits, concurrency)
      // One exchange at most doubles the share, however long it takes.
      shared.answered = Math.min(concurrency.limit, shared.answered + 1)
      return true
    },
    shareLeaseOf: (credential) => shareLeaseOf(limits, credential),
    leases: () => [...limits.held.values()],
    drop: (lease) => dropLease(limits, lease),
  }
}

function sharedOf<Credential>({ known }: LimitState<Credential>, concurrency: Concurrency): SharedLimit {
  const shared = known.get(concurrency) ?? nothingKnown()
  known.set(concurrency, shared)
  return shared
}

function reportsOf<Credential>(
  limits: LimitState<Credential>,
  pooled: PooledCredential<Credential>,
  waiting: readonly WantingCall<Credential>[],
): CapacityReport[] {
  const { id, total, models, credential } = pooled
  const own = [...limits.state.running].filter((call) => call.pooled === pooled)
  const wanting = [...own, ...waiting.filter(({ accepts }) => accepts(credential))]
  const ofModels = [...models].map(([model, concurrency]) => {
    const calls = wanting.filter((call) => call.model === model)
    return reportOf(limits, { credential: id, model }, concurrency, calls)
  })
  const ofAll = reportOf(limits, { credential: id, model: wholeCredential }, total, wanting)
  return [{ ...ofAll, startLimit: limits.startLimit }, ...ofModels]
}

function reportOf<Credential>(
  { known, held }: LimitState<Credential>,
  name: LimitName,
  concurrency: Concurrency,
  wanting: readonly { caller: string }[],
): CapacityReport {
  const { allowed, answered = 0 } = known.get(concurrency) ?? {}
  return {
    ...{ ...name, inFlight: concurrency.inFlight, wants: countOf(wanting), answered, startLimit: undefined },
    ...(allowed === undefined ? {} : { allowed }),
    fence: held.get(nameOf(name))?.fence,
  }
}

/** Forgets what the database has answered. Everything else is reported again. */
function forgetAnswered<Credential>(
  limits: LimitState<Credential>,
  reports: readonly CapacityReport[],
  shares: readonly CapacityShare[],
): void {
  const answered = new Set(shares.map(nameOf))
  for (const report of reports) {
    const concurrency = answered.has(nameOf(report)) ? concurrencyOf(limits, report) : undefined
    if (concurrency === undefined) continue
    const shared = sharedOf(limits, concurrency)
    shared.answered -= report.answered
    if (shared.allowed === report.allowed) shared.allowed = undefined
  }
}

function useShare<Credential>(limits: LimitState<Credential>, granted: CapacityShare, areAllBack: boolean): void {
  const { limit, share, rotatingSlots, elsewhere, limitedMs, gateways } = granted
  const concurrency = concurrencyOf(limits, granted) ?? (limit === undefined ? undefined : addModel(limits, granted))
  if (concurrency === undefined) return
  const shared = sharedOf(limits, concurrency)
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
  concurrency.limitedAt = limitedMs === undefined ? undefined : limits.clock.monotonic() - limitedMs
}

function holdLeases<Credential>(limits: LimitState<Credential>, shares: readonly CapacityShare[]): void {
  const { held, state } = limits
  held.clear()
  for (const { credential, model, fence } of shares)
    if (fence !== undefined) held.set(nameOf({ credential, model }), { credential, model, fence })
  // While no limit is known, calls begin without a lease. They get one as soon as they are reported.
  for (const call of state.running) call.shareLease ??= shareLeaseOf(limits, call.pooled.id)
}

function shareLeaseOf<Credential>({ held }: LimitState<Credential>, credential: string): ShareLease | undefined {
  return held.get(nameOf({ credential, model: wholeCredential }))
}

function dropLease<Credential>(limits: LimitState<Credential>, { credential, fence }: ShareLease): boolean {
  const pooled = pooledOf(limits, credential)
  // A newer one may have been granted meanwhile.
  if (pooled === undefined || shareLeaseOf(limits, credential)?.fence !== fence) return false
  limits.held.delete(nameOf({ credential, model: wholeCredential }))
  Object.assign(sharedOf(limits, pooled.total), { rotatingSlots: 0, allowed: undefined, answered: 0 })
  pooled.total.limit = 0
  return true
}

function useEqualPartsOf<Credential>(
  limits: LimitState<Credential>,
  { total, models }: PooledCredential<Credential>,
): void {
  sharedOf(limits, total).limit ??= limits.startLimit
  for (const concurrency of [total, ...models.values()]) {
    const shared = sharedOf(limits, concurrency)
    shared.rotatingSlots = 0
    concurrency.elsewhere = 0
    concurrency.limit = equalPartOf(shared)
  }
}

function concurrencyOf<Credential>(
  limits: LimitState<Credential>,
  { credential, model }: LimitName,
): Concurrency | undefined {
  const pooled = pooledOf(limits, credential)
  return model === wholeCredential ? pooled?.total : pooled?.models.get(model)
}

/** Adds a model that has no calls here. */
function addModel<Credential>(
  limits: LimitState<Credential>,
  { credential, model }: LimitName,
): Concurrency | undefined {
  const pooled = pooledOf(limits, credential)
  if (pooled === undefined) return undefined
  const concurrency = createConcurrency(0)
  pooled.models.set(model, concurrency)
  forgetOne(pooled.models)
  return concurrency
}

function pooledOf<Credential>({ state }: LimitState<Credential>, id: string): PooledCredential<Credential> | undefined {
  return state.credentials.find((pooled) => pooled.id === id)
}

type LimitName = Pick<CapacityShare, 'credential' | 'model'>

/** Ids of credentials have no spaces. */
function nameOf({ credential, model }: LimitName): string {
  return `${credential} ${model}`
}

function nothingKnown(): SharedLimit {
  return { limit: undefined, gateways: 1, rotatingSlots: 0, allowed: undefined, answered: 0 }
}

/** This gateway's equal part of a limit, at least one call. */
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
