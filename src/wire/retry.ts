import type { Clock } from '../core/clock.ts'
import { cancelled, type GatewayError } from '../core/errors.ts'

const maxBackoffMs = 1_000

export interface BackoffOptions {
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  signal: AbortSignal
}

/** Waits a random time before a retry, so that calls that failed together are not retried together. */
export async function backoff({ clock, random, signal }: BackoffOptions): Promise<void> {
  const ms = random() * maxBackoffMs
  const over = Promise.withResolvers<void>()
  const end = () => over.resolve()
  const stop = clock.after(ms, end)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted || ms === 0) end()
  await over.promise
  signal.removeEventListener('abort', end)
  stop()
  if (signal.aborted) throw cancelled()
}

/** Errors of Bun and the system for connections that were never established. */
const neverSent = /refused|FailedToOpenSocket|ENOTFOUND|EAI_AGAIN|resolve|CERT|EHOSTUNREACH|ENETUNREACH/i

/** The note in the log for a retry. It says whether the upstream may have run, and counted, the failed attempt. */
export function retryNote(recovery: string, error: GatewayError): string {
  return `retry (${recovery}) after ${error.code}${mayHaveRun(error) ? ', which may have been carried out' : ''}`
}

function mayHaveRun({ code, detail }: GatewayError): boolean {
  if (code === 'upstream_truncated') return true
  if (code !== 'upstream_unavailable') return false
  const cause = typeof detail === 'object' && detail !== null && 'code' in detail ? detail.code : undefined
  return typeof cause === 'string' && !neverSent.test(cause)
}
