import type { Clock } from '../core/clock.ts'
import { DatabaseError, isOfValues } from '../database/errors.ts'
import type { Database } from '../database/sql.ts'
import type { Reserve } from './budget-rows.ts'
import type { Journal } from './journal.ts'
import type { KeyStore } from './keys.ts'
import { countLateCosts, forgetLateCosts } from './late-costs.ts'
import type { OfflineReserves } from './offline-budgets.ts'

export interface LateCostWriterOptions {
  store: KeyStore
  database: Database
  clock: Clock
  journal: Journal
  warn: (message: string, cause: unknown) => void
}

/** Stores the costs of calls once the database can be reached, each cost once. */
export interface LateCostWriter {
  add(cost: UnsettledCost): void
  /** Stores the waiting costs, if the database can be reached. */
  close(): Promise<void>
}

/** The cost of a call, until the database has it. */
export interface UnsettledCost {
  id: string
  spent: ReadonlyMap<string, number>
  /** If the call was admitted without the database: its budgets at that time, by id. */
  budgets?: OfflineReserves
}

const retryMs = 1_000
const writtenAtOnce = 100
/** Longer than a cost can wait in the journal. */
const settlementAgeMs = 30 * 24 * 3_600_000

/** Begins with the costs in the journal, which another process may have left. */
export function lateCostWriter(options: LateCostWriterOptions): LateCostWriter {
  const { database, clock, journal, warn } = options
  let writing: Promise<void> | undefined
  let isReported = false
  let isClosed = false
  let stopTimer = () => {}
  if (journal.count('costs') > 0) schedule()

  return {
    add(cost) {
      journal.add('costs', journaled(cost))
      schedule()
    },
    async close() {
      isClosed = true
      stopTimer()
      await write()
      const left = journal.count('costs')
      if (left > 0 && !journal.isLasting)
        warn(`the costs of ${left} requests are not stored: the database is away`, undefined)
    },
  }

  function schedule(): void {
    stopTimer()
    if (!isClosed) stopTimer = clock.after(retryMs, () => void write())
  }

  /** Concurrent calls share one run. Costs that remain are tried again later. */
  function write(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined
      if (journal.count('costs') > 0) schedule()
    })
    return writing
  }

  async function writeAll(): Promise<void> {
    if (database.isAway()) return
    for (let batch = oldestCosts(journal); batch.length > 0; batch = oldestCosts(journal)) {
      if (!(await storedAll(batch, options, reportOnce))) return
      isReported = false
    }
  }

  /** The database module reports the outage. */
  function reportOnce(cause: unknown): void {
    if (!isReported) warn('what requests have cost cannot be stored now; it is tried again', cause)
    isReported = true
  }
}

/**
 * Stores costs, except those whose values the database refuses. `false` if the database cannot store any at present.
 */
async function storedAll(
  batch: readonly UnsettledCost[],
  options: LateCostWriterOptions,
  report: (cause: unknown) => void,
): Promise<boolean> {
  const { journal, warn } = options
  try {
    await storeBatch(batch, options)
  } catch (thrown) {
    if (!isOfValues(thrown)) {
      if (!(thrown instanceof DatabaseError)) report(thrown)
      return false
    }
    if (batch.length > 1) {
      for (const cost of batch) if (!(await storedAll([cost], options, report))) return false
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

async function storeBatch(
  batch: readonly UnsettledCost[],
  { database, clock, store }: LateCostWriterOptions,
): Promise<void> {
  const unknown = batch.flatMap(({ id, spent, budgets }) => (budgets ? [{ id, spent, budgets }] : []))
  if (unknown.length > 0) {
    await countLateCosts(database, unknown, clock.now())
    await forgetLateCosts(database, clock.now() - settlementAgeMs)
  }
  await Promise.all(
    batch.filter(({ budgets }) => budgets === undefined).map(({ id, spent }) => store.settle(id, spent)),
  )
}

interface JournaledCost {
  spent: (readonly [string, number])[]
  budgets?: (readonly [string, Reserve])[]
}

function journaled({ id, spent, budgets }: UnsettledCost): { id: string; text: string } {
  const cost: JournaledCost = { spent: [...spent], ...(budgets ? { budgets: [...budgets] } : {}) }
  return { id, text: JSON.stringify(cost) }
}

function oldestCosts(journal: Journal): UnsettledCost[] {
  return journal.oldest('costs', writtenAtOnce).map(({ id, text }) => {
    const { spent, budgets }: JournaledCost = JSON.parse(text)
    return { id, spent: new Map(spent), ...(budgets ? { budgets: new Map(budgets) } : {}) }
  })
}
