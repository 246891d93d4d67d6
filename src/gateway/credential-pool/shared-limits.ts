import type { Clock } from '../../core/clock.ts'
import type { HeldLease, SharedCapacity } from '../../core/shared-capacity.ts'
import { type Concurrency, hasRoom } from './concurrency.ts'
import { limitShareValidity, momentOf } from './limit-share-validity.ts'
import { limitShares } from './limit-shares.ts'
import type { PoolState, WantingCall } from './pooled-credential.ts'

export interface SharedLimitOptions<Credential> {
  state: PoolState<Credential>
  capacity: SharedCapacity
  clock: Clock
  /** See `PoolOptions`. */
  startLimit: number
  waiting: () => readonly WantingCall<Credential>[]
  /** Called when a waiting call may have become possible. */
  onChange: () => void
  /** Called when the lease has ended under which running calls began. */
  onLapse?: ((credentials: readonly string[]) => void) | undefined
}

/** The part of a pool that depends on other gateways: how many calls each credential may have here. */
export interface SharedLimits {
  /** Call it before a credential is chosen, so that expired shares are not used. */
  renew(): void
  /** Call it when a call has begun to wait, so that free slots of other gateways may come here. */
  wanted(): void
  /** Call it when a call has begun. Its lease is renewed until it ends. */
  began(): void
  /** Call it when a call has ended that counted in this credential's limit for its model or for all. */
  ended(concurrency: Concurrency): void
  /** Call it when a call was refused, while that call still counts. */
  refused(concurrency: Concurrency): void
  answered(concurrency: Concurrency): void
  /** The lease under which a call of this credential begins now; `undefined` where none is granted yet. */
  leaseOf(credential: string): HeldLease | undefined
  /** Call it when the database has refused a write under this lease. */
  lapsed(lease: HeldLease): void
  /** Gives all shares back as soon as no call runs. */
  close(): void
}

/**
 * Keeps `Concurrency.limit` at this gateway's share of a limit that all gateways have together, so that the pool admits
 * calls without asking the database. Shares are exchanged when all slots of a share are taken, when a rotating slot
 * moves on, and every 4 s while calls run.
 *
 * The upstream cannot check fencing tokens. So a gateway that could not renew its shares stops using them before
 * another gateway may use them, even if its process or machine was stopped for a while. The database can check them: it
 * accepts nothing that was learned under an ended lease. While the database is away, each gateway keeps its shares
 * until they expire, and then has an equal part of the limits that were known, and at least one call.
 */
export function shareLimits<Credential>(options: SharedLimitOptions<Credential>): SharedLimits {
  const { state, capacity, clock, waiting, onChange, onLapse = () => {} } = options
  const shares = limitShares(options)
  const validity = limitShareValidity(clock, () => capacity.isAway())
  let isAsking = false
  // Whether an exchange is due, because something has happened that the running one does not report.
  let isDue = false
  // Whether an exchange follows, when the timer ends or when the running exchange ends.
  let isPlanned = false
  let isClosed = false
  let hasLeft = false
  let stopTimer = () => {}
  const stopWatching = capacity.watch(() => {
    if (isUsed() || validity.isValid()) exchange()
  })

  return {
    renew() {
      if (validity.isValid()) return
      shares.useNothing()
      exchange()
    },
    wanted: exchange,
    began: plan,
    ended(concurrency) {
      if (shares.giveSlotOn(concurrency) || !hasRoom(concurrency)) exchange()
      else plan()
    },
    refused(concurrency) {
      shares.refused(concurrency)
      exchange()
    },
    answered(concurrency) {
      if (shares.answered(concurrency)) exchange()
    },
    leaseOf: (credential) => shares.leaseOf(credential),
    lapsed(lease) {
      if (!shares.drop(lease)) return
      onLapse([lease.credential])
      exchange()
    },
    close() {
      isClosed = true
      // Otherwise the running exchange does so at its end.
      if (!isAsking && !isUsed()) leave()
    },
  }

  function isUsed(): boolean {
    return state.running.size > 0 || waiting().length > 0
  }

  /** Everything that happens in one turn of the event loop goes into one exchange. Only one runs at a time. */
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

  /** Plans the exchange that reports calls which began without an exchange, because there was room. */
  function plan(): void {
    if (isPlanned || hasLeft) return
    isPlanned = true
    if (!isAsking) setTimer()
  }

  function setTimer(): void {
    isPlanned = true
    stopTimer = clock.after(validity.pauseMs(waiting().length > 0), exchange)
  }

  async function exchangeWhileDue(): Promise<void> {
    while (isDue) {
      isDue = false
      try {
        await exchangeOnce()
      } catch {
        isDue = false
        if (validity.failed()) shares.useEqualParts()
      }
      onChange()
    }
  }

  async function exchangeOnce(): Promise<void> {
    const asked = momentOf(clock)
    const reports = shares.reports(waiting())
    const granted = await capacity.exchange(idsOf(state), reports)
    validity.answered(asked)
    const lapsed = shares.use(reports, granted, validity.areAllBack())
    if (lapsed.length > 0) onLapse(lapsed)
  }

  function leave(): void {
    hasLeft = true
    stopTimer()
    stopWatching()
    capacity.leave(idsOf(state), shares.leases()).catch(() => {
      // The leases expire.
    })
  }
}

function idsOf<Credential>({ credentials }: PoolState<Credential>): string[] {
  return credentials.map(({ id }) => id)
}
