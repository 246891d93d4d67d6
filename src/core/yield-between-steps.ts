import type { Clock } from './clock.ts'

/**
 * Called between the steps of a piece of work: where they have taken long since the last time, others have their turn
 * first. Small requests never wait.
 */
export type Rest = () => Promise<void> | undefined

const maxTurnMs = 4

export function restBetween(clock: Clock): Rest {
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
