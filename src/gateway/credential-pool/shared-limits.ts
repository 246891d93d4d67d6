import type { Clock } from '../../core/clock.ts'
import type { SharedCapacity, ShareLease } from '../../core/shared-capacity.ts'
import { type Concurrency, hasRoom } from './concurrency.ts'
import { exchangeSchedule } from './exchange-schedule.ts'
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
  /** Call it when a call has begun. The share under which it runs is renewed until it ends. */
  began(): void
  /** Call it when a call has ended that counted in this credential's limit for its model or for all. */
  ended(concurrency: Concurrency): void
  /** Call it when a call was refused, while that call still counts. */
  refused(concurrency: Concurrency): void
  answered(concurrency: Concurrency): void
  /** The lease under which a call of this credential begins now; `undefined` where none is granted yet. */
  shareLeaseOf(credential: string): ShareLease | undefined
  /** Call it when the database has refused a write under this lease. */
  lapsed(lease: ShareLease): void
  /** Gives all shares back as soon as no call runs. */
  close(): void
}

/**
 * Keeps `Concurrency.limit` at this gateway's share of a limit that all gateways have together, so that the pool admits
 * calls without asking the database. An exchange tells the database what this gateway uses and wants, and gets a new
 * share. It takes place when all slots of a share are taken, when a rotating slot goes to the next gateway, and every
 * 4 s while calls run.
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
  let isClosed = false
  const schedule = exchangeSchedule({
    ...{ clock, run: exchange, onEnd: onChange },
    pauseMs: () => validity.pauseMs(waiting().length > 0),
    onIdle() {
      if (isUsed()) schedule.runLater()
      else if (isClosed) leave()
    },
  })
  const stopWatching = capacity.watch(() => {
    if (isUsed() || validity.isValid()) schedule.runNow()
  })

  return {
    renew() {
      if (validity.isValid()) return
      shares.useNothing()
      schedule.runNow()
    },
    wanted: schedule.runNow,
    // It began without an exchange, because there was room, and is reported later.
    began: schedule.runLater,
    ended(concurrency) {
      if (shares.giveSlotOn(concurrency) || !hasRoom(concurrency)) schedule.runNow()
      else schedule.runLater()
    },
    refused(concurrency) {
      shares.refused(concurrency)
      schedule.runNow()
    },
    answered(concurrency) {
      if (shares.answered(concurrency)) schedule.runNow()
    },
    shareLeaseOf: (credential) => shares.shareLeaseOf(credential),
    lapsed(lease) {
      if (!shares.drop(lease)) return
      onLapse([lease.credential])
      schedule.runNow()
    },
    close() {
      isClosed = true
      // Otherwise it leaves when the last exchange has ended.
      if (!schedule.isRunning() && !isUsed()) leave()
    },
  }

  function isUsed(): boolean {
    return state.running.size > 0 || waiting().length > 0
  }

  /** Resolves with whether the database has answered. */
  async function exchange(): Promise<boolean> {
    const asked = momentOf(clock)
    try {
      const reports = shares.reports(waiting())
      const granted = await capacity.exchange(idsOf(state), reports)
      validity.answered(asked)
      const lapsed = shares.use(reports, granted, validity.areAllBack())
      if (lapsed.length > 0) onLapse(lapsed)
      return true
    } catch {
      if (validity.failed()) shares.useEqualParts()
      return false
    }
  }

  function leave(): void {
    schedule.stop()
    stopWatching()
    capacity.leave(idsOf(state), shares.leases()).catch(() => {
      // The leases expire.
    })
  }
}

function idsOf<Credential>({ credentials }: PoolState<Credential>): string[] {
  return credentials.map(({ id }) => id)
}
