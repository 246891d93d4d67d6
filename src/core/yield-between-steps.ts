import type { Clock } from './clock.ts'

/**
 * Called between the steps of long work. It returns a promise to await, so that other requests can run, if the work has
 * taken more than 4 ms since the last pause; otherwise `undefined`. Small requests never wait.
 */
export type YieldIfLong = () => Promise<void> | undefined

const maxTurnMs = 4

export function yieldBetweenSteps(clock: Clock): YieldIfLong {
  let beganAt = clock.monotonic()
  return () => {
    if (clock.monotonic() - beganAt < maxTurnMs) return undefined
    return new Promise((resolve) => {
      clock.after(0, () => {
        beganAt = clock.monotonic()
        resolve()
      })
    })
  }
}
