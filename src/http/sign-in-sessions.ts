import type { Clock } from '../core/clock.ts'
import { type SessionName, sessionLimits } from '../store/operator-sessions.ts'
import { digestOf } from './client-keys.ts'

/** The browsers that have signed in with the operator's key. A session holds for this key and this `Host` only. */
export interface SignInSessions {
  /** Resolves with the secret of a new session: 32 random bytes as text. */
  open(key: Uint8Array, host: string): Promise<string>
  /**
   * Looks up what other gateways may know of these sessions. Call it before `holds`. `undefined` where nothing has to
   * be looked up.
   */
  recall(secrets: readonly string[], key: Uint8Array, host: string): Promise<void> | undefined
  /** Whether there is such a session. A request prolongs it. */
  holds(secret: string, key: Uint8Array, host: string): boolean
  /** The same, without a request. */
  isOpen(secret: string, key: Uint8Array, host: string): boolean
  close(secrets: readonly string[]): Promise<void>
}

export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array

/** Times on the monotonic clock. */
export interface SignInSession {
  boundTo: string
  startedAt: number
  usedAt: number
}

/** Sessions in memory: a restart ends them. */
export function createSignInSessions(clock: Clock, random: RandomBytes): SignInSessions {
  const sessions = new Map<string, SignInSession>()

  return {
    async open(key, host) {
      const secret = newSecret(random)
      const { id, boundTo } = nameOf(secret, key, host)
      const now = clock.monotonic()
      for (const [name, session] of sessions) if (isOver(session, now)) sessions.delete(name)
      sessions.set(id, { boundTo, startedAt: now, usedAt: now })
      dropOldest(sessions)
      return secret
    },
    recall: () => undefined,
    holds(secret, key, host) {
      const session = find(secret, key, host)
      if (session === undefined) return false
      session.usedAt = clock.monotonic()
      return true
    },
    isOpen: (secret, key, host) => find(secret, key, host) !== undefined,
    async close(secrets) {
      for (const secret of secrets) sessions.delete(idOf(secret))
    },
  }

  function find(secret: string, key: Uint8Array, host: string): SignInSession | undefined {
    const { id, boundTo } = nameOf(secret, key, host)
    const session = sessions.get(id)
    return session?.boundTo === boundTo && !isOver(session, clock.monotonic()) ? session : undefined
  }
}

export function newSecret(random: RandomBytes): string {
  return Buffer.from(random(new Uint8Array(32))).toString('base64url')
}

export function isOver({ startedAt, usedAt }: SignInSession, now: number): boolean {
  return now - usedAt > sessionLimits.idleMs || now - startedAt > sessionLimits.longestMs
}

export function dropOldest(sessions: Map<string, unknown>): void {
  const [oldest] = sessions.keys()
  if (sessions.size > sessionLimits.most && oldest !== undefined) sessions.delete(oldest)
}

/** Only digests of secrets are kept, so that neither a memory dump nor the database reveals a session. */
export function idOf(secret: string): string {
  return Buffer.from(digestOf(secret)).toString('hex')
}

/** The name depends on the operator's key, so replacing the key ends all sessions that were made with it. */
export function nameOf(secret: string, key: Uint8Array, host: string): SessionName {
  return { id: idOf(secret), boundTo: new Bun.CryptoHasher('sha256', secret).update(key).update(host).digest('hex') }
}
