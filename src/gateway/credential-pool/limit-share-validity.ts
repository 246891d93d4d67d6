import type { Clock } from '../../core/clock.ts'

/** Decides how long this gateway may use its shares, and what it does while the database does not answer. */
export interface LimitShareValidity {
  isValid(): boolean
  /** Call it when the database has answered an exchange. `asked` is when that exchange began. */
  answered(asked: Moment): void
  /**
   * Call it when an exchange has failed. Returns whether equal parts have to be used now, which are valid for a short
   * time.
   */
  failed(): boolean
  /** Whether no other gateway uses an equal part any more. */
  areAllBack(): boolean
  /** The pause before the next exchange. `isWaitedFor`: calls wait. */
  pauseMs(isWaitedFor: boolean): number
}

/** An instant on two clocks, because the monotonic clock stands still while a machine sleeps. */
export interface Moment {
  monotonic: number
  /** Epoch milliseconds. */
  date: number
}

/**
 * Shares are valid for 15 s by the database's clock. Here they end sooner, because the time for the answer is unknown.
 */
const validMs = 12_000
const renewMs = 4_000
/** The pause between exchanges while calls wait, in case a notification was lost, and while the database is away. */
const pollMs = 1_000
/** The pause after a failure, which may be the failure of a single connection. */
const retryMs = 200
/** After this time every gateway has noticed the end of an outage, and has asked for shares again. */
const backMs = 10_000
/** After this many failures in a row the database counts as away. */
const mostFailures = 5

/** `isDatabaseAway` tells whether the database is known to be away for another reason. */
export function limitShareValidity(clock: Clock, isDatabaseAway: () => boolean): LimitShareValidity {
  let until: Moment = { monotonic: Number.NEGATIVE_INFINITY, date: Number.NEGATIVE_INFINITY }
  let answeredAt = Number.NEGATIVE_INFINITY
  // Failures in a row.
  let failures = 0
  let isAway = false
  let hasEqualParts = false
  // Until this instant other gateways may still use equal parts, because their leases have expired and they have not
  // asked for new ones yet.
  let allBackAt = Number.NEGATIVE_INFINITY

  return {
    isValid,
    answered(asked) {
      until = after(asked, validMs)
      // After a recent answer the leases of other gateways are still valid. Otherwise they may use equal parts.
      if (isAway && asked.monotonic - answeredAt > validMs - renewMs) allBackAt = clock.monotonic() + backMs
      isAway = false
      hasEqualParts = false
      answeredAt = asked.monotonic
      failures = 0
    },
    failed() {
      // If only this gateway is cut off, the database gives its shares to others. So equal parts are used only once the
      // database is known to be away.
      isAway = ++failures >= mostFailures || isDatabaseAway()
      // As long as its shares are valid, no other gateway has them.
      if (!isAway || (isValid() && !hasEqualParts)) return false
      hasEqualParts = true
      until = after(momentOf(clock), 3 * pollMs)
      return true
    },
    areAllBack: () => clock.monotonic() >= allBackAt,
    pauseMs(isWaitedFor) {
      if (failures > 0 && !isAway) return retryMs
      return isAway || isWaitedFor ? pollMs : renewMs
    },
  }

  function isValid(): boolean {
    return clock.monotonic() < until.monotonic && clock.now() < until.date
  }
}

export function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), date: clock.now() }
}

function after({ monotonic, date }: Moment, ms: number): Moment {
  return { monotonic: monotonic + ms, date: date + ms }
}
