import { cancelled } from '../core/errors.ts'

/** Lets so many tasks run at a time; the others wait for their turn. Rejects with `cancelled` for who left before it. */
export type Semaphore = <Result>(task: () => Promise<Result>, signal: AbortSignal) => Promise<Result>

export function semaphore(capacity: number): Semaphore {
  let running = 0
  const waiting = new Set<() => void>()

  return async (task, signal) => {
    if (running === capacity) await waiter(signal)
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

  /** The place of a task that is over. */
  function waiter(signal: AbortSignal): Promise<void> {
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
