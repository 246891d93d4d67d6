import type { Clock } from '../core/clock.ts'
import { DatabaseError } from './errors.ts'

export interface AnswerLimit {
  clock: Clock
  /** The time limit for the answer to each step. */
  limitMs: number
  /** Called with the error, before the work is rejected with it. */
  onSilence: (error: DatabaseError) => void
}

/** If a timer is this late, the event loop was blocked. */
const blockedMs = 50

/**
 * Runs `work`, which must call `answered` at each answer of the server. The work itself cannot be stopped, so its later
 * result is ignored. Errors: those of `work`; `late` if a step is not answered in time.
 */
export async function withAnswerLimit<T>(
  work: (answered: () => void) => Promise<T>,
  { clock, limitMs, onSilence }: AnswerLimit,
): Promise<T> {
  const { promise: silent, reject } = Promise.withResolvers<never>()
  let since = clock.monotonic()
  let stopTimer = clock.after(limitMs, onTimer)
  try {
    const answer = work(() => {
      since = clock.monotonic()
      stopTimer()
      stopTimer = clock.after(limitMs, onTimer)
    })
    answer.catch(() => {})
    return await Promise.race([answer, silent])
  } finally {
    stopTimer()
  }

  function onTimer(): void {
    // After the event loop was blocked, timers run before the data that arrived meanwhile is read.
    const now = clock.monotonic()
    const isLate = now - since > limitMs + blockedMs
    since = now - limitMs
    if (isLate) {
      stopTimer = clock.after(limitMs, onTimer)
      return
    }
    const error = new DatabaseError('late', undefined)
    onSilence(error)
    reject(error)
  }
}
