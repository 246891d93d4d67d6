import type { Clock } from './clock.ts'

/**
 * Called between the steps of work on a long request. It returns a promise to await, so that other requests can run, if
 * more than 4 ms have passed since the last pause; otherwise `undefined`.
 */
export type YieldIfLong = () => Promise<void> | undefined

const maxTurnMs = 4

/** UTF-16 units of a request body whose steps are short, whatever it contains. */
const shortLength = 65_536

/**
 * @param length UTF-16 units of the request body. Short requests never pause: the time that passes between their steps
 * is the work of other requests.
 */
export function yieldBetweenSteps(clock: Clock, length: number): YieldIfLong {
  if (length <= shortLength) return () => undefined
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
