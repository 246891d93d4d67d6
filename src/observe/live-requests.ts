import type { Clock } from '../core/clock.ts'
import type { RequestRecord } from './record.ts'

/** The requests under way, and what becomes of them. */
export interface LiveRequests {
  /** The running requests in the order in which they came. */
  running(): RequestRecord[]
  opened(record: RequestRecord): void
  /** Called once for each opened request. */
  closed(record: RequestRecord): void
  /** `listener` must not throw. Returns what ends the subscription. */
  subscribe(listener: (change: RequestChange) => void): () => void
}

export interface RequestChange {
  kind: 'opened' | 'phase' | 'closed'
  record: RequestRecord
}

/** Three phases and the end: at most four events a second of one request. */
const phaseGapMs = 334

/**
 * The feed of the list of requests. Phases that follow each other faster are left out, except the last of them. Without a
 * subscriber a phase costs a look at the number of subscribers.
 */
export function createLiveRequests(clock: Clock): LiveRequests {
  const listeners = new Set<(change: RequestChange) => void>()
  const notified = new Map<RequestRecord, { at: number; stopTimer: (() => void) | undefined }>()

  return {
    running: () => [...notified.keys()],
    opened(record) {
      notified.set(record, { at: clock.monotonic(), stopTimer: undefined })
      record.onPhase = phaseBegan
      notify({ kind: 'opened', record })
    },
    closed(record) {
      const last = notified.get(record)
      if (last === undefined) return
      last.stopTimer?.()
      notified.delete(record)
      notify({ kind: 'closed', record })
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }

  function phaseBegan(record: RequestRecord): void {
    if (listeners.size === 0) return
    const last = notified.get(record)
    if (last === undefined || last.stopTimer !== undefined) return
    const leftMs = last.at + phaseGapMs - clock.monotonic()
    const notifyNow = () => {
      last.at = clock.monotonic()
      last.stopTimer = undefined
      notify({ kind: 'phase', record })
    }
    if (leftMs <= 0) notifyNow()
    else last.stopTimer = clock.after(leftMs, notifyNow)
  }

  function notify(change: RequestChange): void {
    for (const listener of listeners) listener(change)
  }
}
