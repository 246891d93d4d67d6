import { cancelled } from '../core/errors.ts'

/**
 * Runs a limited number of tasks at a time; the others wait in order. Rejects with `cancelled` if aborted while
 * waiting.
 */
export type Semaphore = <Result>(task: () => Promise<Result>, signal: AbortSignal) => Promise<Result>

export function semaphore(capacity: number): Semaphore {
  let running = 0
  const waiting = new Set<() => void>()

  return async (task, signal) => {
    if (running === capacity) await waitForSlot(signal)
    else running++
    try {
      if (signal.aborted) throw cancelled()
      return await task()
    } finally {
      const [next] = waiting
      if (next) next()
      else running--
    }
  }

  /** Waits until a running task ends and passes its slot on. */
  function waitForSlot(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const acquire = () => {
        waiting.delete(acquire)
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = () => {
        waiting.delete(acquire)
        reject(cancelled())
      }
      waiting.add(acquire)
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
    })
  }
}
