import type { Clock } from '../core/clock.ts'
import { cancelled, type GatewayError } from '../core/errors.ts'

const maxRetries = 2
const maxBackoffMs = 1_000

/** The recoveries with which a call was retried. Each is tried once, and two in all. */
export interface Retries<Recovery> {
  has(recovery: Recovery): boolean
  /** `recovery` may not be tried any more. */
  isSpent(recovery: Recovery): boolean
  add(recovery: Recovery): void
}

export function createRetries<Recovery>(): Retries<Recovery> {
  const tried = new Set<Recovery>()
  return {
    has: (recovery) => tried.has(recovery),
    isSpent: (recovery) => tried.has(recovery) || tried.size === maxRetries,
    add: (recovery) => void tried.add(recovery),
  }
}

export interface BackoffOptions {
  clock: Clock
  /** Returns numbers from 0 to 1. */
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

/**
 * The note in the log for a retry. It says whether the upstream may have run, and counted, the failed attempt. No error
 * means that the reply lacked the tool call that the client requires.
 */
export function retryNote(recovery: string, error: GatewayError | undefined): string {
  if (error === undefined) return `retry (${recovery}) after a reply without a call`
  return `retry (${recovery}) after ${error.code}${mayHaveRun(error) ? ', which may have been carried out' : ''}`
}

function mayHaveRun({ code, detail }: GatewayError): boolean {
  if (code === 'upstream_truncated') return true
  if (code !== 'upstream_unavailable') return false
  const cause = typeof detail === 'object' && detail !== null && 'code' in detail ? detail.code : undefined
  return typeof cause === 'string' && !neverSent.test(cause)
}
