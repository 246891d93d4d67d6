import type { Clock } from '../core/clock.ts'
import type { RequestRecord } from './record.ts'

/** The requests under way, and what becomes of them. */
export interface LiveRequests {
  /** In the order in which they came. */
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
  const told = new Map<RequestRecord, { at: number; stopTimer: (() => void) | undefined }>()

  return {
    running: () => [...told.keys()],
    opened(record) {
      told.set(record, { at: clock.monotonic(), stopTimer: undefined })
      record.onPhase = phaseBegan
      tell({ kind: 'opened', record })
    },
    closed(record) {
      const last = told.get(record)
      if (last === undefined) return
      last.stopTimer?.()
      told.delete(record)
      tell({ kind: 'closed', record })
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }

  function phaseBegan(record: RequestRecord): void {
    if (listeners.size === 0) return
    const last = told.get(record)
    if (last === undefined || last.stopTimer !== undefined) return
    const leftMs = last.at + phaseGapMs - clock.monotonic()
    const tellNow = () => {
      last.at = clock.monotonic()
      last.stopTimer = undefined
      tell({ kind: 'phase', record })
    }
    if (leftMs <= 0) tellNow()
    else last.stopTimer = clock.after(leftMs, tellNow)
  }

  function tell(change: RequestChange): void {
    for (const listener of listeners) listener(change)
  }
}
