import type { Clock } from './clock.ts'

/**
 * Called between the steps of work on a long request. It returns a promise to await, so that other requests can run, if
 * more than 4 ms have passed since the last pause, or any time if the next step alone may take longer; otherwise
 * `undefined`.
 */
export type YieldIfLong = (next?: 'long step next') => Promise<void> | undefined

const maxTurnMs = 4
/** A turn that has lasted no longer than this may go on with a long step. */
const shortStepMs = 0.5

/** UTF-16 units of a request body whose steps are short, whatever it contains. */
const shortLength = 65_536

/**
 * @param length UTF-16 units of the request body. Short requests never pause: the time that passes between their steps
 * is the work of other requests.
 */
export function yieldBetweenSteps(clock: Clock, length: number): YieldIfLong {
  if (length <= shortLength) return () => undefined
  let beganAt = clock.monotonic()
  return (next) => {
    const usedMs = clock.monotonic() - beganAt
    if (usedMs < (next ? shortStepMs : maxTurnMs)) return undefined
    return nextTurn(clock).then(() => {
      beganAt = clock.monotonic()
    })
  }
}

/** Those that wait for a turn, for each clock. */
const waiting = new WeakMap<Clock, (() => void)[]>()

/**
 * Resolves in a later turn of the event loop. Long requests go on one after the other, one in each turn of the event loop, because their steps add up.
 */
export function nextTurn(clock: Clock): Promise<void> {
  const queue = waiting.get(clock) ?? []
  waiting.set(clock, queue)
  return new Promise((resolve) => {
    queue.push(resolve)
    if (queue.length === 1) clock.after(0, next)
  })

  function next(): void {
    queue.shift()?.()
    if (queue.length > 0) clock.after(0, next)
  }
}
