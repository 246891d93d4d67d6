import type { Clock } from '../core/clock.ts'
import { DatabaseError } from './errors.ts'

/** Limits the number of calls at a time. Further calls wait in their order. */
export interface CallSlots {
  /**
   * Takes a slot. Returns `undefined` if one is free now, and otherwise a promise that resolves once the call has one.
   * Errors: `late` after `limitMs`; the error of `rejectWaiting`.
   */
  acquire(limitMs: number): Promise<void> | undefined
  /** Gives a slot to the next waiting call, or back. */
  release(): void
  /** Rejects all waiting calls. */
  rejectWaiting(error: DatabaseError): void
}

interface WaitingCall {
  start(): void
  fail(error: DatabaseError): void
}

export function createCallSlots(size: number, clock: Clock): CallSlots {
  let taken = 0
  const waiting = new Set<WaitingCall>()

  return {
    acquire(limitMs) {
      if (taken >= size) return wait(limitMs)
      taken++
      return undefined
    },
    release() {
      const [next] = waiting
      if (next) next.start()
      else taken--
    },
    rejectWaiting(error) {
      for (const call of [...waiting]) call.fail(error)
    },
  }

  function wait(limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stopTimer = clock.after(limitMs, () => call.fail(new DatabaseError('late', undefined)))
      const leave = () => {
        stopTimer()
        waiting.delete(call)
      }
      const call: WaitingCall = {
        start() {
          leave()
          resolve()
        },
        fail(error) {
          leave()
          reject(error)
        },
      }
      waiting.add(call)
    })
  }
}
