import { cancelled } from '../core/errors.ts'

/** Waits for work that cannot be cancelled. Rejects with `cancelled` as soon as `signal` aborts. */
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
