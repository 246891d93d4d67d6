import type { Clock } from '../core/clock.ts'
import type { Extension } from '../store/budget-rows.ts'
import type { KeyStore } from '../store/keys.ts'

export interface ReservationUpkeepOptions {
  store: Pick<KeyStore, 'extend' | 'settleExpired'>
  clock: Clock
  /** The reservations of this process. */
  running: () => Extension[]
  /** Called once when upkeep begins to fail. */
  warn: (message: string, cause: unknown) => void
}

/** Extends the reservations of this process, and settles those of processes that have ended. */
export interface ReservationUpkeep {
  /** Settles the expired reservations now. Errors: those of the database. */
  settleExpired(): Promise<void>
  stop(): void
}

/** A reservation that was not extended for this long belongs to a process that has ended. */
export const lifetimeMs = 120_000
const extendEveryMs = 30_000
/** The pause between attempts while the database is away. */
const retryMs = 1_000

export function reservationUpkeep({ store, clock, running, warn }: ReservationUpkeepOptions): ReservationUpkeep {
  let isStopped = false
  /** Whether the last upkeep failed. */
  let isCutOff = false
  let isReported = false
  let stopTimer = clock.after(extendEveryMs, upkeep)

  return {
    settleExpired,
    stop() {
      isStopped = true
      stopTimer()
    },
  }

  function upkeep(): void {
    void extendAndSettle()
      .then(
        () => {
          isReported = false
        },
        (cause) => {
          isCutOff = true
          if (!isReported) warn('what requests have reserved can be neither kept nor settled', cause)
          isReported = true
        },
      )
      .finally(() => {
        if (!isStopped) stopTimer = clock.after(isCutOff ? retryMs : extendEveryMs, upkeep)
      })
  }

  /** This process extends its own reservations first, so that none of them is taken for an abandoned one. */
  async function extendAndSettle(): Promise<void> {
    await store.extend(running(), clock.now() + lifetimeMs)
    // After an outage, other gateways need time to extend their own reservations first.
    if (!isCutOff) await settleExpired()
    isCutOff = false
  }

  async function settleExpired(): Promise<void> {
    while ((await store.settleExpired(clock.now())) > 0 && !isStopped);
  }
}
