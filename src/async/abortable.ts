import { cancelled } from '../core/errors.ts'

/** Waits for work that cannot be called off, but no longer than `signal` allows; then rejects with `cancelled`. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const left = Promise.withResolvers<never>()
  const onAbort = () => left.reject(cancelled())
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([left.promise, work])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
