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

export interface SharedLimitOptions<Credential> {
  state: PoolState<Credential>
  capacity: SharedCapacity
  clock: Clock
  /** See `PoolOptions`. */
  startLimit: number
  waiting: () => readonly WantingCall<Credential>[]
  /** There may be room for a call that waits. */
  onChange: () => void
  /** Called where calls were under way and the lease that they began under has ended. */
  onLapse?: ((credentials: readonly string[]) => void) | undefined
}

/** The part of a pool that other gateways have a say in: how many calls each credential may have here. */
export interface SharedLimits {
  /** Called before a credential is chosen: shares that have expired are not used. */
  renew(): void
  /** A call has begun to wait: what is free elsewhere may come here. */
  wanted(): void
  /** A call has begun. Its lease is renewed until it ends. */
  began(): void
  /** A call has ended, under this credential's limit for its model or for all. */
  ended(concurrency: Concurrency): void
  /** Called while the call that was refused still counts. */
  refused(concurrency: Concurrency): void
  answered(concurrency: Concurrency): void
  /** The lease under which a call of this credential begins now; `undefined` where none is granted yet. */
  leaseOf(credential: string): HeldLease | undefined
  /** The database has refused a write under this lease. */
  lapsed(lease: HeldLease): void
  /** Gives all shares back as soon as no call runs. */
  close(): void
}

type NamedLease = HeldLease & Pick<CapacityShare, 'model'>

/** What is known of one limit, and what has happened since the last exchange. */
interface Shared {
  /** The limit for all gateways together; `undefined` while none is known. */
  limit: number | undefined
  gateways: number
  /** See `CapacityShare`. */
  rotatingSlots: number
  allowed: number | undefined
  answered: number
}

/** Shares last for 15 s by the database's clock. Here they end sooner, however long the answer took. */
const validMs = 12_000
const renewMs = 4_000
/** How often shares are exchanged while calls wait, in case a notification was lost, and while the database is away. */
const lookMs = 1_000
/** The pause before the next exchange after a failure, which may be that of a single connection. */
const retryMs = 200
/** This long after an outage, every gateway has noticed that the database is back, and has asked for shares again. */
const backMs = 10_000
/** This many failures in a row mean that the database is away, whatever else is known of it. */
const mostFailures = 5

/**
 * Keeps `Concurrency.limit` at this gateway's share of a limit that all gateways have together, so that the pool admits
 * calls without asking the database. Shares are exchanged when all slots of a share are taken, when a rotating slot
 * moves on, and every 4 s while calls run.
 *
 * The upstream cannot check fencing tokens. A gateway that could not renew its shares therefore stops using them before
 * another gateway may, also where its process or machine was stopped for a while. The database can: it takes nothing that
 * was learned under a lease that is over. While the database is away, each gateway keeps its shares until they expire, and
 * then has an equal part of the limits that were known, and at least one call.
 */
export function shareLimits<Credential>(options: SharedLimitOptions<Credential>): SharedLimits {
  const { state, capacity, clock, startLimit, waiting, onChange, onLapse = () => {} } = options
  const known = new WeakMap<Concurrency, Shared>()
  // By name, all that the last exchange has granted.
  const held = new Map<string, NamedLease>()
  // When the shares expire, on two clocks: the monotonic one stands still while a machine sleeps.
  let validUntil = Number.NEGATIVE_INFINITY
  let validUntilDate = Number.NEGATIVE_INFINITY
  let isAsking = false
  // An exchange is due: something has happened that the one under way does not report.
  let isDue = false
  let isAway = false
  let hasEqualPart = false
  // Until then other gateways may still use equal parts: their leases have expired, and they asked for no new ones yet.
  let allBackAt = Number.NEGATIVE_INFINITY
  let answeredAt = Number.NEGATIVE_INFINITY
  let failures = 0
  let isClosed = false
  let hasLeft = false
  let isPlanned = false
  let stopTimer = () => {}
  const stopWatching = capacity.watch(() => {
    if (isUsed() || isValid()) exchange()
  })

  return {
    renew() {
      if (isValid()) return
      for (const { total } of state.credentials) total.limit = 0
      exchange()
    },
    wanted: exchange,
    began: plan,
    ended(concurrency) {
      const shared = sharedOf(concurrency)
      if (shared.rotatingSlots > 0) {
        shared.rotatingSlots--
        concurrency.limit--
      } else if (hasRoom(concurrency)) return plan()
      exchange()
    },
    refused(concurrency) {
      const shared = sharedOf(concurrency)
      shared.allowed = Math.min(shared.allowed ?? Number.POSITIVE_INFINITY, concurrency.inFlight - 1)
      // Nothing more is tried until the exchange has answered.
      concurrency.limit = Math.min(concurrency.limit, shared.allowed)
      concurrency.limitedAt = clock.monotonic()
      exchange()
    },
    answered(concurrency) {
      if (hasRoom(concurrency) || !mayGrow(concurrency, clock.monotonic())) return
      const shared = sharedOf(concurrency)
      // However long an exchange takes, the share at most doubles by it.
      shared.answered = Math.min(concurrency.limit, shared.answered + 1)
      exchange()
    },
    leaseOf,
    lapsed({ credential, fence }) {
      const name = nameOf({ credential, model: wholeCredential })
      const pooled = pooledOf(credential)
      // A newer one may have been granted meanwhile.
      if (pooled === undefined || held.get(name)?.fence !== fence) return
      held.delete(name)
      Object.assign(sharedOf(pooled.total), { rotatingSlots: 0, allowed: undefined, answered: 0 })
      pooled.total.limit = 0
      onLapse([credential])
      exchange()
    },
    close() {
      isClosed = true
      // Otherwise the exchange under way does so at its end.
      if (!isAsking && !isUsed()) leave()
    },
  }

  function sharedOf(concurrency: Concurrency): Shared {
    const shared = known.get(concurrency) ?? {
      limit: undefined,
      gateways: 1,
      rotatingSlots: 0,
      allowed: undefined,
      answered: 0,
    }
    known.set(concurrency, shared)
    return shared
  }

  function leaseOf(credential: string): HeldLease | undefined {
    return held.get(nameOf({ credential, model: wholeCredential }))
  }

  function isValid(): boolean {
    return clock.monotonic() < validUntil && clock.now() < validUntilDate
  }

  function isUsed(): boolean {
    return state.running.size > 0 || waiting().length > 0
  }

  /** Whatever happens in one turn of the event loop is one exchange, and there is one at a time. */
  function exchange(): void {
    if (hasLeft) return
    isDue = true
    if (isAsking) return
    isAsking = true
    stopTimer()
    isPlanned = false
    queueMicrotask(() => {
      void exchangeWhileDue().finally(() => {
        isAsking = false
        // It may have become due after `exchangeWhileDue` last checked.
        if (isDue) exchange()
        else if (isClosed && !isUsed()) leave()
        else if (isPlanned || isUsed()) setTimer()
      })
    })
  }

  /** Plans the exchange that reports calls which began without one, because there was room. */
  function plan(): void {
    if (isPlanned || hasLeft) return
    isPlanned = true
    if (!isAsking) setTimer()
  }

  function setTimer(): void {
    isPlanned = true
    stopTimer = clock.after(pauseMs(), exchange)
  }

  async function exchangeWhileDue(): Promise<void> {
    while (isDue) {
      isDue = false
      const [askedAt, askedOn] = [clock.monotonic(), clock.now()]
      const reports = reportsOf(state, waiting(), known, startLimit).map((report) => ({
        ...report,
        fence: held.get(nameOf(report))?.fence,
      }))
      try {
        const shares = await capacity.exchange(idsOf(state), reports)
        validUntil = askedAt + validMs
        validUntilDate = askedOn + validMs
        // After a recent answer the leases of other gateways are still valid. Otherwise they may use equal parts.
        if (isAway && askedAt - answeredAt > validMs - renewMs) allBackAt = clock.monotonic() + backMs
        isAway = false
        hasEqualPart = false
        answeredAt = askedAt
        failures = 0
        forget(reports, shares)
        for (const share of shares) use(share)
        held.clear()
        for (const { credential, model, fence } of shares)
          if (fence !== undefined) held.set(nameOf({ credential, model }), { credential, model, fence })
        // Where no limit is known calls begin without a lease, and have one as soon as they are reported.
        for (const call of state.running) call.lease ??= leaseOf(call.pooled.id)
        const lapsed = new Set(shares.filter(({ isStale }) => isStale).map(nameOf))
        const affected = reports.filter((report) => lapsed.has(nameOf(report)) && report.inFlight > 0)
        if (affected.length > 0) onLapse([...new Set(affected.map(({ credential }) => credential))])
      } catch {
        // Perhaps only this gateway is cut off, and the database gives its shares to others. So equal parts are used
        // only once the database is known to be away.
        isDue = false
        isAway = ++failures >= mostFailures || capacity.isAway()
        // As long as its shares are valid, no other gateway has them.
        if (isAway && (hasEqualPart || !isValid())) useEqualParts()
      }
      onChange()
    }
  }

  function pauseMs(): number {
    if (failures > 0 && !isAway) return retryMs
    return isAway || waiting().length > 0 ? lookMs : renewMs
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

  function use({
    credential,
    model,
    limit,
    share,
    rotatingSlots,
    elsewhere,
    limitedMs,
    gateways,
  }: CapacityShare): void {
    const concurrency =
      concurrencyOf({ credential, model }) ?? (limit === undefined ? undefined : added(credential, model))
    if (concurrency === undefined) return
    const shared = sharedOf(concurrency)
    const areAllBack = clock.monotonic() >= allBackAt
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

  function pooledOf(id: string): PooledCredential<Credential> | undefined {
    return state.credentials.find((pooled) => pooled.id === id)
  }

  function concurrencyOf({ credential, model }: { credential: string; model: string }): Concurrency | undefined {
    const pooled = pooledOf(credential)
    return model === wholeCredential ? pooled?.total : pooled?.models.get(model)
  }

  function added(credential: string, model: string): Concurrency | undefined {
    const pooled = pooledOf(credential)
    if (pooled === undefined) return undefined
    const concurrency = createConcurrency(0)
    pooled.models.set(model, concurrency)
    forgetOne(pooled.models)
    return concurrency
  }

  function useEqualParts(): void {
    hasEqualPart = true
    // Equal parts are nobody's lease.
    held.clear()
    validUntil = clock.monotonic() + 3 * lookMs
    validUntilDate = clock.now() + 3 * lookMs
    for (const { total, models } of state.credentials)
      for (const concurrency of [total, ...models.values()]) {
        const shared = sharedOf(concurrency)
        shared.limit ??= concurrency === total && Number.isFinite(startLimit) ? startLimit : undefined
        shared.rotatingSlots = 0
        concurrency.elsewhere = 0
        concurrency.limit = equalPartOf(shared)
      }
  }

  function leave(): void {
    hasLeft = true
    stopTimer()
    stopWatching()
    capacity.leave(idsOf(state), [...held.values()]).catch(() => {
      // The leases expire.
    })
  }
}

/** Ids of credentials have no spaces. */
function nameOf({ credential, model }: Pick<CapacityShare, 'credential' | 'model'>): string {
  return `${credential} ${model}`
}

/** This gateway's part of a limit, whatever the others do, and at least one call. */
function equalPartOf({ limit = unlimited, gateways, allowed = unlimited }: Shared): number {
  return Math.max(1, Math.min(Math.floor(limit / gateways), allowed))
}

function idsOf<Credential>({ credentials }: PoolState<Credential>): string[] {
  return credentials.map(({ id }) => id)
}

/** A report of each credential, and of each of its models that has calls or a limit. */
function reportsOf<Credential>(
  { credentials, running }: PoolState<Credential>,
  waiting: readonly WantingCall<Credential>[],
  known: WeakMap<Concurrency, Shared>,
  startLimit: number,
): CapacityReport[] {
  return credentials.flatMap((pooled) => {
    const own = [...running].filter((call) => call.pooled === pooled)
    const wanting = [...own, ...waiting.filter(({ accepts }) => accepts(pooled.credential))]
    const reportOf = (model: string, concurrency: Concurrency): CapacityReport => {
      const { allowed, answered = 0 } = known.get(concurrency) ?? {}
      const ofModel = model === wholeCredential ? wanting : wanting.filter((call) => call.model === model)
      return {
        ...{ credential: pooled.id, model, inFlight: concurrency.inFlight, wants: countOf(ofModel), answered },
        startLimit: model === wholeCredential && Number.isFinite(startLimit) ? startLimit : undefined,
        ...(allowed === undefined ? {} : { allowed }),
      }
    }
    return [
      reportOf(wholeCredential, pooled.total),
      ...[...pooled.models].map(([model, concurrency]) => reportOf(model, concurrency)),
    ]
  })
}

function countOf(calls: readonly { caller: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { caller } of calls) counts[caller] = (counts[caller] ?? 0) + 1
  return counts
}
