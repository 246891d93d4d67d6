import type { Clock } from '../core/clock.ts'
import { digestOf } from './client-keys.ts'

/** The browsers that have signed in with the operator's key. */
export interface SignInSessions {
  /** Returns the id of a new session: 32 random bytes as text. It holds for this key and this `Host` only. */
  open(key: Uint8Array, host: string): string
  /** Whether there is such a session. A request prolongs it. */
  holds(id: string, key: Uint8Array, host: string): boolean
  /** The same, without a request. */
  isOpen(id: string, key: Uint8Array, host: string): boolean
  close(id: string): void
}

/** A session ends after so long without a request, or so long after it began. */
const idleMs = 12 * 60 * 60_000
export const longestSessionMs = 7 * 24 * 60 * 60_000

/** Signing in again and again must not fill the memory; the oldest session ends for a new one. */
const mostSessions = 100

interface SignInSession {
  key: Uint8Array
  host: string
  startedAt: number
  usedAt: number
}

/**
 * Sessions in memory: a restart ends them. Only digests of their ids are kept, so that a memory dump reveals no
 * session.
 */
export function createSignInSessions(
  clock: Clock,
  random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array,
): SignInSessions {
  const sessions = new Map<string, SignInSession>()

  return {
    open(key, host) {
      const id = Buffer.from(random(new Uint8Array(32))).toString('base64url')
      const now = clock.monotonic()
      for (const [name, session] of sessions) if (isOver(session, now)) sessions.delete(name)
      const [oldest] = sessions.keys()
      if (sessions.size >= mostSessions && oldest !== undefined) sessions.delete(oldest)
      sessions.set(nameOf(id), { key, host, startedAt: now, usedAt: now })
      return id
    },
    holds(id, key, host) {
      const session = find(id, key, host)
      if (session === undefined) return false
      session.usedAt = clock.monotonic()
      return true
    },
    isOpen: (id, key, host) => find(id, key, host) !== undefined,
    close: (id) => void sessions.delete(nameOf(id)),
  }

  function find(id: string, key: Uint8Array, host: string): SignInSession | undefined {
    const session = sessions.get(nameOf(id))
    if (session === undefined || session.host !== host || isOver(session, clock.monotonic())) return undefined
    // A session ends when the operator's key that it was made with is replaced.
    return Buffer.from(session.key).equals(key) ? session : undefined
  }
}

function isOver({ startedAt, usedAt }: SignInSession, now: number): boolean {
  return now - usedAt > idleMs || now - startedAt > longestSessionMs
}

function nameOf(id: string): string {
  return Buffer.from(digestOf(id)).toString('base64')
}
