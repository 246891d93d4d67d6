import type { Clock } from '../core/clock.ts'
import { lruCache } from '../core/lru-cache.ts'
import { isDatabaseFailure } from '../store/map-database-errors.ts'
import type { OperatorSessions, SessionName } from '../store/operator-sessions.ts'
import {
  dropOldest,
  idOf,
  isOver,
  nameOf,
  newSecret,
  type RandomBytes,
  type SignInSession,
  type SignInSessions,
} from './sign-in-sessions.ts'

interface KnownSession extends SignInSession {
  /** When the database last had it; `undefined` for one that is not stored yet, because the database was away. */
  seenAt: number | undefined
}

/** How long the answer of the database holds for a request, and for a long answer, which asks every second. */
const freshMs = 1_000
const freshWithoutRequestMs = 500
/** How long known sessions go on while the database is away. */
const trustedMs = 60_000
const retryMs = 1_000
/** The last sessions that were ended here. A look-up that began before the end must not bring them back. */
const mostEnded = 1_000

/** Sessions that hold on every gateway of a database. */
export interface SharedSignInSessions extends SignInSessions {
  /** Stores what is not stored yet, if the database can be reached. Never rejects. */
  end(): Promise<void>
}

/**
 * A session is looked up in the database with a request, and known for a second. Look-ups that come together are one
 * statement, and there is one at a time, because anybody may send cookies that were made up.
 *
 * While the database is away, sessions that are known here go on for a minute. A sign-in then holds on this gateway
 * alone, and a sign-out, too; both are stored once the database is back.
 */
export function sharedSignInSessions(
  stored: OperatorSessions,
  { clock, random }: { clock: Clock; random: RandomBytes },
): SharedSignInSessions {
  const known = new Map<string, KnownSession>()
  const ended = lruCache<string, true>({ maxEntries: mostEnded })
  const toRemove = new Set<string>()
  let asked: (SessionName & { isUsed: boolean })[] = []
  let lastLookUp = Promise.resolve()
  let nextLookUp: Promise<void> | undefined
  let storing = Promise.resolve()
  let isEnded = false
  let stopTimer = () => {}

  return {
    async open(key, host) {
      const secret = newSecret(random)
      const { id, boundTo } = nameOf(secret, key, host)
      const now = clock.monotonic()
      known.set(id, { boundTo, startedAt: now, usedAt: now, seenAt: undefined })
      dropOldest(known)
      await store()
      return secret
    },
    recall(secrets, key, host) {
      const due = secrets.map((secret) => nameOf(secret, key, host)).filter((name) => isDue(name, freshMs))
      return due.length === 0 ? undefined : lookUp(due, true)
    },
    holds(secret, key, host) {
      const session = find(nameOf(secret, key, host))
      if (session === undefined) return false
      session.usedAt = clock.monotonic()
      return true
    },
    isOpen(secret, key, host) {
      const name = nameOf(secret, key, host)
      const session = find(name)
      if (session && isDue(name, freshWithoutRequestMs))
        lookUp([name], false).catch(() => {
          // A request that needs the session meets the same error.
        })
      return session !== undefined
    },
    async close(secrets) {
      for (const id of secrets.map(idOf)) {
        ended.set(id, true)
        toRemove.add(id)
        known.delete(id)
      }
      await store()
    },
    async end() {
      isEnded = true
      stopTimer()
      await store().catch(() => {})
    },
  }

  function find({ id, boundTo }: SessionName): KnownSession | undefined {
    const session = known.get(id)
    const now = clock.monotonic()
    if (session?.boundTo !== boundTo || isOver(session, now)) return undefined
    return session.seenAt === undefined || now - session.seenAt < trustedMs ? session : undefined
  }

  function isDue({ id, boundTo }: SessionName, withinMs: number): boolean {
    if (ended.get(id)) return false
    const session = known.get(id)
    if (session?.boundTo !== boundTo) return true
    return session.seenAt !== undefined && clock.monotonic() - session.seenAt >= withinMs
  }

  function lookUp(names: readonly SessionName[], isUsed: boolean): Promise<void> {
    asked.push(...names.map((name) => ({ ...name, isUsed })))
    if (nextLookUp === undefined) {
      nextLookUp = lastLookUp.then(lookUpAsked)
      lastLookUp = nextLookUp.catch(() => {})
    }
    return nextLookUp
  }

  async function lookUpAsked(): Promise<void> {
    nextLookUp = undefined
    const names = asked
    asked = []
    const now = clock.monotonic()
    try {
      const found = await stored.find(names)
      for (const { id, boundTo } of names) {
        const session = known.get(id)
        if (session?.boundTo === boundTo && session.seenAt !== undefined) known.delete(id)
      }
      for (const { id, boundTo, ageMs, idleMs } of found) {
        if (ended.get(id)) continue
        known.set(id, { boundTo, startedAt: now - ageMs, usedAt: now - idleMs, seenAt: now })
        dropOldest(known)
      }
    } catch (thrown) {
      // The database module reports the outage.
      if (!isDatabaseFailure(thrown)) throw thrown
    }
  }

  /** One after the other, so that no session is stored after it was removed. */
  function store(): Promise<void> {
    const stores = storing.then(storeAll)
    storing = stores.catch(() => {})
    return stores
  }

  /** Stores what is not stored yet. While the database is away, it is tried again later. */
  async function storeAll(): Promise<void> {
    try {
      for (const [id, session] of known) if (session.seenAt === undefined) await insert(id, session)
      const ids = [...toRemove]
      if (ids.length > 0) await stored.remove(ids)
      for (const id of ids) toRemove.delete(id)
    } catch (thrown) {
      if (!isDatabaseFailure(thrown)) throw thrown
      stopTimer()
      if (!isEnded) stopTimer = clock.after(retryMs, () => void store().catch(() => {}))
    }
  }

  async function insert(id: string, session: KnownSession): Promise<void> {
    const { boundTo, startedAt, usedAt } = session
    const now = clock.monotonic()
    await stored.insert({ id, boundTo, ageMs: now - startedAt, idleMs: now - usedAt })
    session.seenAt = now
  }
}
