import type { Clock } from '../core/clock.ts'
import { DatabaseError } from '../database/errors.ts'
import type { Database } from '../database/sql.ts'
import type { Journal } from './journal.ts'
import type { KeyStore } from './keys.ts'
import { lateCostWriter } from './late-cost-writer.ts'
import { offlineBudgets } from './offline-budgets.ts'

export interface OfflineKeysOptions {
  /** A database on PostgreSQL. */
  database: Database
  /** A clock with the date of the database. */
  clock: Clock
  /** Whether keys with budgets are refused while the database is away. */
  isStrict: () => boolean
  /** Where costs wait for the database. */
  journal: Journal
  warn: (message: string, cause: unknown) => void
}

export interface OfflineKeyStore extends KeyStore {
  /** Stores the waiting costs, if the database can be reached. */
  close(): Promise<void>
}

/** How long a request waits for its reservation, for all statements and attempts together. */
const reserveMs = 2_000
/** If a timer is this late, the process was stopped or blocked. */
const blockedMs = 500

/**
 * Keeps the key store usable while its server is away. Calls are admitted by the last known budgets, unless it is
 * strict. Their costs are journaled and stored later, each cost once. The id of a cost is stored with it, because
 * without an answer it is unknown whether the cost was stored. Costs that another process has left in the journal are
 * stored, too.
 *
 * Meanwhile each gateway counts for itself, so together they may spend the rest of a budget once for each gateway.
 */
export function offlineKeys(store: KeyStore, options: OfflineKeysOptions): OfflineKeyStore {
  const { database, clock, isStrict, journal, warn } = options
  const offline = offlineBudgets()
  const costs = lateCostWriter({ store, database, clock, journal, warn })

  return {
    ...store,
    async budgets(key) {
      const rows = await store.budgets(key)
      offline.see(rows)
      return rows
    },
    async reserve(reservation, decide) {
      const { id, key } = reservation
      try {
        const reserved = await inTime(store.reserve(reservation, decide), clock, () => store.settle(id, new Map()))
        offline.seeKey(key, reserved.budgets)
        return reserved
      } catch (thrown) {
        if (!(thrown instanceof DatabaseError)) throw thrown
        try {
          const reserved = mayGoOn(thrown) ? offline.reserve(reservation, decide) : undefined
          if (reserved === undefined) throw thrown
          return reserved
        } catch (refusal) {
          // The reservation may be stored although its answer did not arrive, so it is settled with a cost of zero. If
          // the server was known to be away, nothing was sent.
          if (thrown.problem === 'late' || thrown.cause !== undefined) costs.add({ id, spent: new Map() })
          throw refusal
        }
      }
    },
    async settle(id, spent) {
      const budgets = offline.settle(id, spent)
      if (budgets) costs.add({ id, spent, budgets })
      else await store.settle(id, spent).catch(() => costs.add({ id, spent }))
    },
    extend: (reservations, expires) =>
      store.extend(
        reservations.filter(({ id }) => !offline.has(id)),
        expires,
      ),
    close: () => costs.close(),
  }

  /** Whether calls are admitted by the last known budgets after this error. */
  function mayGoOn({ problem }: DatabaseError): boolean {
    const isAway = problem === 'away' || (problem === 'late' && database.isAway())
    return isAway && !isStrict()
  }
}

/**
 * Waits for a reservation up to its time limit. A reservation that is stored later is undone, and errors of that are
 * ignored. Errors: `late`.
 */
async function inTime<T>(reserving: Promise<T>, clock: Clock, undo: () => Promise<void>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const begunAt = clock.monotonic()
  let stop = clock.after(reserveMs, onTimer)
  try {
    return await Promise.race([reserving, late])
  } finally {
    stop()
  }

  function onTimer(): void {
    // After a process was stopped, its timers run before the data that arrived meanwhile is read.
    if (clock.monotonic() - begunAt > reserveMs + blockedMs) {
      stop = clock.after(blockedMs, giveUp)
    } else giveUp()
  }

  function giveUp(): void {
    reject(new DatabaseError('late', undefined))
    reserving.then(undo).catch(() => {})
  }
}
