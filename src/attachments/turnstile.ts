import { cancelled } from '../core/errors.ts'

/** Lets so many tasks run at a time; the others wait for their turn. Rejects with `cancelled` for who left before it. */
export type Turnstile = <Result>(task: () => Promise<Result>, signal: AbortSignal) => Promise<Result>

export function turnstile(most: number): Turnstile {
  let running = 0
  const waiting = new Set<() => void>()

  return async (task, signal) => {
    if (running === most) await turn(signal)
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
  function turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        waiting.delete(enter)
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        waiting.delete(enter)
        reject(cancelled())
      }
      waiting.add(enter)
      signal.addEventListener('abort', leave, { once: true })
      if (signal.aborted) leave()
    })
  }
}
