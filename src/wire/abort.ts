import { cancelled } from '../core/errors.ts'

/** Waits for work that cannot be called off, but no longer than `signal` allows; then rejects with `cancelled`. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const left = Promise.withResolvers<never>()
  const leave = () => left.reject(cancelled())
  signal.addEventListener('abort', leave)
  if (signal.aborted) leave()
  try {
    return await Promise.race([left.promise, work])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}
