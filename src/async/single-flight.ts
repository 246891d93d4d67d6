import { abortable } from './abortable.ts'

/**
 * Work that concurrent callers share: whoever asks while it runs waits for the same result.
 * The work belongs to nobody's request, so a caller who leaves stops waiting and does not stop the others.
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
