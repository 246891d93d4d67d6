import { abortable } from './abortable.ts'

/**
 * Shares work between concurrent callers: a caller that arrives while it runs waits for the same result. The work
 * belongs to no single request: a caller that aborts stops waiting and does not stop the others.
 */
export function singleFlight<T>(work: () => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let running: Promise<T> | undefined
  return (signal) => {
    running ??= work().finally(() => {
      running = undefined
    })
    return abortable(running, signal)
  }
}
