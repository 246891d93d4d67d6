import type { Clock } from '../core/clock.ts'
import { DatabaseError, isOfValues } from '../database/errors.ts'
import type { Database } from '../database/sql.ts'
import type { BudgetRow, Reserve } from './budget-rows.ts'
import type { Journal } from './journal.ts'
import type { KeyStore } from './keys.ts'
import { countLateCosts, forgetLateCosts } from './late-costs.ts'

export interface OfflineKeysOptions {
  /** On PostgreSQL. */
  database: Database
  /** Its date is that of the database. */
  clock: Clock
  /** Whether keys with budgets are refused while the database is away. */
  isStrict: () => boolean
  /** Where costs wait for the database. */
  journal: Journal
  warn: (message: string, cause: unknown) => void
}

export interface OfflineKeyStore extends KeyStore {
  /** Stores what waits, if the database can be reached. */
  close(): Promise<void>
}

/** What a call has cost, until the database knows it. */
interface UnsettledCost {
  id: string
  spent: ReadonlyMap<string, number>
  /** Where the call was let in without the database: what each of its budgets was then, by id. */
  budgets?: ReadonlyMap<string, Reserve>
}

const retryMs = 1_000
/** How long a request waits for its reservation, all statements and tries together. */
const reserveMs = 2_000
/** A timer that is this late says that the process was stopped, or blocked. */
const blockedMs = 500
const writtenAtOnce = 100
/** Longer than a cost can wait in the journal. */
const settlementAgeMs = 30 * 24 * 3_600_000

/**
 * The key store while its server is away. Calls are let in by what was last known of their budgets, unless it is strict,
 * and what they cost is journaled and stored later, each cost once: its id is stored with it, because an answer that did
 * not arrive does not say whether it was. What another process has left in the journal is stored, too.
 *
 * Each gateway counts for itself meanwhile, so that together they may spend what was left once for each of them.
 */
export function offlineKeys(store: KeyStore, options: OfflineKeysOptions): OfflineKeyStore {
  const { database, clock, isStrict, journal, warn } = options
  // The budgets of each key, as last seen.
  const seen = new Map<string, readonly BudgetRow[]>()
  const unreserved = new Map<string, { key: string; budgets: ReadonlyMap<string, Reserve> }>()
  let writing: Promise<void> | undefined
  let isReported = false
  let isClosed = false
  let stopTimer = () => {}
  if (journal.count('costs') > 0) schedule()

  return {
    ...store,
    async budgets(key) {
      const rows = await store.budgets(key)
      for (const id of new Set(rows.map((row) => row.key)))
        seen.set(
          id,
          rows.filter((row) => row.key === id),
        )
      return rows
    },
    async reserve(reservation, decide) {
      const { id, key } = reservation
      try {
        const reserved = await inTime(id, store.reserve(reservation, decide))
        seen.set(key, reserved.budgets)
        return reserved
      } catch (thrown) {
        if (!(thrown instanceof DatabaseError)) throw thrown
        try {
          return reserveLocally(reservation, decide, thrown)
        } catch (refusal) {
          // The reservation may be stored although its answer did not arrive, so it is settled at nothing. If the
          // server was known to be away, nothing was sent.
          if (thrown.problem === 'late' || thrown.cause !== undefined) add({ id, spent: new Map() })
          throw refusal
        }
      }
    },
    async settle(id, spent) {
      const local = unreserved.get(id)
      unreserved.delete(id)
      if (local) {
        countLocally(local, spent)
        add({ id, spent, budgets: local.budgets })
        return
      }
      try {
        await store.settle(id, spent)
      } catch {
        add({ id, spent })
      }
    },
    extend: (reservations, expires) =>
      store.extend(
        reservations.filter(({ id }) => !unreserved.has(id)),
        expires,
      ),
    async close() {
      isClosed = true
      stopTimer()
      await write()
      const left = journal.count('costs')
      if (left > 0 && !journal.isLasting)
        warn(`the costs of ${left} requests are not stored: the database is away`, undefined)
    },
  }

  /** Waits for a reservation up to its time limit. One that is stored later is settled at nothing. Errors: `late`. */
  async function inTime<T>(id: string, reserving: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const begunAt = clock.monotonic()
    let stop = clock.after(reserveMs, onTimer)
    try {
      return await Promise.race([reserving, late])
    } finally {
      stop()
    }

    function onTimer(): void {
      // A process that was stopped runs its timers before it reads what has arrived meanwhile.
      if (clock.monotonic() - begunAt > reserveMs + blockedMs) {
        stop = clock.after(blockedMs, giveUp)
      } else giveUp()
    }

    function giveUp(): void {
      reject(new DatabaseError('late', undefined))
      reserving.then(() => store.settle(id, new Map())).catch(() => {})
    }
  }

  function reserveLocally<Decision extends { amounts: readonly Reserve[] }>(
    { id, key }: { id: string; key: string },
    decide: (budgets: readonly BudgetRow[]) => Decision,
    thrown: DatabaseError,
  ): { decision: Decision; budgets: readonly BudgetRow[] } {
    const budgets = seen.get(key)
    if (!isAway(thrown) || isStrict() || budgets === undefined) throw thrown
    const decision = decide(budgets)
    seen.set(key, asReserved(budgets, decision.amounts))
    const pairs = budgets.flatMap(({ id: budget }, index) => {
      const amount = decision.amounts[index]
      return amount === undefined ? [] : [[budget, amount] as const]
    })
    unreserved.set(id, { key, budgets: new Map(pairs) })
    return { decision, budgets }
  }

  function isAway(thrown: unknown): boolean {
    if (!(thrown instanceof DatabaseError)) return false
    return thrown.problem === 'away' || (thrown.problem === 'late' && database.isAway())
  }

  function countLocally(
    { key, budgets }: { key: string; budgets: ReadonlyMap<string, Reserve> },
    spent: UnsettledCost['spent'],
  ) {
    const rows = (seen.get(key) ?? []).map((row) => {
      const reserved = budgets.get(row.id)
      if (reserved === undefined || reserved.generation !== row.generation) return row
      return { ...row, reserved: row.reserved - reserved.amount, settled: row.settled + (spent.get(row.id) ?? 0) }
    })
    seen.set(key, rows)
  }

  function add({ id, spent, budgets }: UnsettledCost): void {
    const entry: JournaledEntry = { spent: [...spent], ...(budgets ? { budgets: [...budgets] } : {}) }
    journal.add('costs', { id, text: JSON.stringify(entry) })
    schedule()
  }

  function schedule(): void {
    stopTimer()
    if (!isClosed) stopTimer = clock.after(retryMs, () => void write())
  }

  /** Calls at the same time are one. What it leaves is tried again. */
  function write(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined
      if (journal.count('costs') > 0) schedule()
    })
    return writing
  }

  async function writeAll(): Promise<void> {
    if (database.isAway()) return
    for (let batch = next(); batch.length > 0; batch = next()) {
      if (!(await storedAll(batch))) return
      isReported = false
    }
  }

  /** Stores costs, without those that the database refuses for their values. `false` if it takes none at present. */
  async function storedAll(batch: readonly UnsettledCost[]): Promise<boolean> {
    try {
      await stored(batch)
    } catch (thrown) {
      if (!isOfValues(thrown)) {
        if (!(thrown instanceof DatabaseError)) reportOnce(thrown)
        return false
      }
      if (batch.length > 1) {
        for (const entry of batch) if (!(await storedAll([entry]))) return false
        return true
      }
      warn('what a request has cost could not be stored', thrown)
    }
    journal.remove(
      'costs',
      batch.map(({ id }) => id),
    )
    return true
  }

  /** A server that is away is reported elsewhere. */
  function reportOnce(cause: unknown): void {
    if (!isReported) warn('what requests have cost cannot be stored now; it is tried again', cause)
    isReported = true
  }

  function next(): UnsettledCost[] {
    return journal.oldest('costs', writtenAtOnce).map(({ id, text }) => {
      const { spent, budgets }: JournaledEntry = JSON.parse(text)
      return { id, spent: new Map(spent), ...(budgets ? { budgets: new Map(budgets) } : {}) }
    })
  }

  async function stored(batch: readonly UnsettledCost[]): Promise<void> {
    const unknown = batch.flatMap(({ id, spent, budgets }) => (budgets ? [{ id, spent, budgets }] : []))
    if (unknown.length > 0) {
      await countLateCosts(database, unknown, clock.now())
      await forgetLateCosts(database, clock.now() - settlementAgeMs)
    }
    await Promise.all(
      batch.filter(({ budgets }) => budgets === undefined).map(({ id, spent }) => store.settle(id, spent)),
    )
  }
}

interface JournaledEntry {
  spent: (readonly [string, number])[]
  budgets?: (readonly [string, Reserve])[]
}

/** The rows as a reservation has left them. */
function asReserved(budgets: readonly BudgetRow[], amounts: readonly Reserve[]): BudgetRow[] {
  return budgets.map((row, index) => {
    const { amount = 0, startedAt, settled, reserved = 0, generation } = amounts[index] ?? {}
    if (startedAt === undefined || settled === undefined || generation === undefined) return row
    return { ...row, startedAt, settled, reserved: reserved + amount, generation }
  })
}
