import { DatabaseError } from '../database/errors.ts'
import type { Database } from '../database/sql.ts'
import type { BudgetRow, Reserve } from './budget-rows.ts'
import { type KeyStore, settleReservation } from './keys.ts'

export interface OfflineKeysOptions {
  /** On PostgreSQL. */
  database: Database
  /** Epoch milliseconds. */
  now: () => number
  /** Calls `run` after `ms` milliseconds; the returned function cancels it. */
  after: (ms: number, run: () => void) => () => void
  /** Whether keys with budgets are refused while the database is away. */
  isStrict: () => boolean
  warn: (message: string, cause: unknown) => void
}

export interface OfflineKeyStore extends KeyStore {
  /** Costs that wait for the database. */
  waiting(): number
  /** Stores what waits, if the database can be reached. */
  close(): Promise<void>
}

/** What a call has cost, until the database knows it. */
interface Entry {
  id: string
  spent: ReadonlyMap<string, number>
  /** Where the call was let in without the database: what each of its budgets was then, by id. */
  budgets?: ReadonlyMap<string, Reserve>
}

const maxWaiting = 10_000
const retryMs = 1_000
/** Longer than any answer can take to arrive that says whether something was stored. */
const settlementAgeMs = 24 * 3_600_000

/**
 * The key store while its server is away. Calls are let in by what was last known of their budgets, unless it is strict,
 * and what they cost is kept in memory and stored later, each cost once: its id is stored with it, because an answer that
 * did not arrive does not say whether it was.
 *
 * Each gateway counts for itself meanwhile, so that together they may spend what was left once for each of them.
 */
export function offlineKeys(store: KeyStore, options: OfflineKeysOptions): OfflineKeyStore {
  const { database, now, after, isStrict, warn } = options
  // By key, as last seen.
  const seen = new Map<string, readonly BudgetRow[]>()
  const unreserved = new Map<string, { key: string; budgets: ReadonlyMap<string, Reserve> }>()
  const entries: Entry[] = []
  let isWriting = false
  let isDropping = false
  let isClosed = false
  let stopTimer = () => {}

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
        const reserved = await store.reserve(reservation, decide)
        seen.set(key, reserved.budgets)
        return reserved
      } catch (thrown) {
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
      } catch (thrown) {
        if (!isAway(thrown)) throw thrown
        add({ id, spent })
      }
    },
    async extend(id, expires, estimates) {
      if (unreserved.has(id)) return
      await store.extend(id, expires, estimates)
    },
    waiting: () => entries.length,
    async close() {
      isClosed = true
      stopTimer()
      await write()
      if (entries.length > 0)
        warn(`the costs of ${entries.length} requests are not stored: the database is away`, undefined)
    },
  }

  function isAway(thrown: unknown): boolean {
    if (!(thrown instanceof DatabaseError)) return false
    return thrown.problem === 'away' || (thrown.problem === 'late' && database.isAway())
  }

  function countLocally(
    { key, budgets }: { key: string; budgets: ReadonlyMap<string, Reserve> },
    spent: Entry['spent'],
  ) {
    const rows = (seen.get(key) ?? []).map((row) => {
      const reserved = budgets.get(row.id)
      if (reserved === undefined || reserved.generation !== row.generation) return row
      return { ...row, reserved: row.reserved - reserved.amount, settled: row.settled + (spent.get(row.id) ?? 0) }
    })
    seen.set(key, rows)
  }

  function add(entry: Entry): void {
    entries.push(entry)
    if (entries.length > maxWaiting) {
      entries.shift()
      if (!isDropping)
        warn(`the database is away for so long that the oldest of ${maxWaiting} costs are lost`, undefined)
      isDropping = true
    }
    schedule()
  }

  function schedule(): void {
    stopTimer()
    if (!isClosed) stopTimer = after(retryMs, () => void write())
  }

  async function write(): Promise<void> {
    if (isWriting) return
    isWriting = true
    try {
      for (let entry = entries[0]; entry !== undefined; entry = entries[0]) {
        await stored(entry)
        // The oldest may have been dropped meanwhile.
        if (entries[0] === entry) entries.shift()
      }
      isDropping = false
    } catch (thrown) {
      if (!isAway(thrown)) {
        entries.shift()
        warn('what a request has cost could not be stored', thrown)
      }
      schedule()
    } finally {
      isWriting = false
    }
  }

  async function stored({ id, spent, budgets }: Entry): Promise<void> {
    if (budgets === undefined) await store.settle(id, spent)
    else await spendOnce(database, { id, spent, budgets, at: now() })
  }
}

/** The rows as a reservation has left them. */
function asReserved(budgets: readonly BudgetRow[], amounts: readonly Reserve[]): BudgetRow[] {
  return budgets.map((row, index) => {
    const { amount = 0, startedAt, settled, reserved = 0, generation } = amounts[index] ?? {}
    if (startedAt === undefined || settled === undefined || generation === undefined) return row
    return { ...row, startedAt, settled, reserved: reserved + amount, generation }
  })
}

/** Counts what was spent without a reservation. A second time does nothing. */
async function spendOnce(
  database: Database,
  { id, spent, budgets, at }: Required<Entry> & { at: number },
): Promise<void> {
  await database.transaction(async (sql) => {
    await sql`DELETE FROM settlements WHERE at < ${at - settlementAgeMs}`
    const isNew = await sql`INSERT INTO settlements (id, at) VALUES (${id}, ${at}) ON CONFLICT DO NOTHING RETURNING id`
    if (isNew.length === 0) return
    // The reservation may have been stored although its answer did not arrive.
    const reserved = await sql<{ budget: string; amount: number; estimate: number; generation: number }>`
      DELETE FROM reservations WHERE id = ${id} RETURNING budget, amount, estimate, generation`
    for (const [budget, known] of [...budgets].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
      const row = reserved.find((each) => each.budget === budget)
      const amount = spent.get(budget) ?? 0
      if (row) {
        await settleReservation(sql, row, amount)
        continue
      }
      // Its window may have begun while the database was away.
      await sql`UPDATE budgets SET
          settled = CASE WHEN generation = ${known.generation} THEN settled + ${amount} ELSE ${amount} END,
          reserved = CASE WHEN generation = ${known.generation} THEN reserved ELSE 0 END,
          window_start = ${known.startedAt}, generation = ${known.generation}
        WHERE id = ${budget} AND generation <= ${known.generation}`
    }
  })
}
