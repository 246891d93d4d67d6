import { join } from 'node:path'
import type { OperatorOptions, StoredDetail } from '../admin/operator-context.ts'
import { storedRow } from '../admin/request-row.ts'
import type { Remembered } from '../admin/routes/requests.ts'
import { storedParts } from '../admin/stored-timeline.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../core/clock.ts'
import { openDatabase } from '../database/open.ts'
import { retryAtStart } from '../database/retry-at-start.ts'
import { sharedClock } from '../database/shared-clock.ts'
import type { Database, Sql } from '../database/sql.ts'
import { openSqlite } from '../database/sqlite.ts'
import type { Log } from '../observe/log.ts'
import { type BackgroundStore, databaseBackground } from '../store/background-store.ts'
import { type BatchStore, createBatchStore, noBatchStore } from '../store/batches.ts'
import { databaseResponses } from '../store/database-responses.ts'
import { databaseId, type Journal, openJournal } from '../store/journal.ts'
import { createRequestLog, keptOf, type RequestLog } from '../store/request-log.ts'
import { requestById, requestNeighbours } from '../store/requests.ts'
import { createResponseStore, noResponseStore, type ResponseStore, reportFailures } from '../store/responses.ts'
import { createUsedApprovals, type UsedApprovals } from '../store/used-approvals.ts'
import { type Cluster, joinCluster } from './cluster.ts'
import { longSteps, storedInSteps } from './stored-in-steps.ts'

export interface StorageParts {
  current: () => Config
  /** Opens the database of the configuration, or one in this folder if it names none. */
  kept: { folder: string | undefined } | undefined
  clock: Clock
  log: Log
  warn: (message: string, cause?: unknown) => void
}

/** Everything that is stored, in memory or in a database. */
export interface Storage {
  database: Database | undefined
  /** Entries that wait for a database that is away. */
  journal: Journal | undefined
  /** Present on PostgreSQL, which several gateways may share. */
  cluster: Cluster | undefined
  /** The requests that are over. */
  requests: RequestLog | undefined
  replies: ResponseStore
  /** Present where several gateways share the replies. */
  background: BackgroundStore | undefined
  batches: BatchStore
  approvals: UsedApprovals
  /** Ends all writing. */
  closeStores(): Promise<void>
  /** Comes after `closeStores`. */
  closeDatabase(): Promise<void>
}

/** Opens the stores of a configuration. Errors: those of `openDatabase`. */
export async function openStorage(parts: StorageParts): Promise<Storage> {
  const { current, kept, clock, log, warn } = parts
  const { store: where, databaseUrl: url } = current()
  const database = kept && (await openDatabase({ url, ...kept, clock, warn }))
  const shared = database?.engine === 'postgres' ? database : undefined
  // What gateways with different dates store together expires by one clock.
  const databaseClock = database && (await sharedClock(database, clock))
  const journal = shared && (await journalOf(shared, parts))
  const cluster = shared && (await joinCluster(shared, clock))
  const replies = responseStore(where, database, { clock, databaseClock, log })
  const background = cluster && backgroundStore(where, { database: shared, databaseClock, cluster, log })
  const batches = batchStore(where, database, { clock, databaseClock })
  const approvals = createUsedApprovals({
    open: () => database ?? openSqlite({ path: ':memory:', clock, warn }),
    isOwn: database === undefined,
    now: (databaseClock ?? clock).now,
  })
  const requests = database && requestLog(database, journal, { ...parts, clock: databaseClock ?? clock })
  return {
    ...{ database, journal, cluster, requests, replies, background, batches, approvals },
    async closeStores() {
      databaseClock?.stop()
      await Promise.all([replies.close(), batches.close(), approvals.close(), requests?.close(), cluster?.close()])
    },
    async closeDatabase() {
      await database?.close()
      journal?.close()
    },
  }
}

/** SQLite needs no journal: it is available as long as its file is, and otherwise continues in memory by itself. */
async function journalOf(database: Database, { kept, clock, warn }: StorageParts): Promise<Journal> {
  const path = kept?.folder && join(kept.folder, 'journal.sqlite')
  const id = await retryAtStart(() => databaseId(database), clock)
  return openJournal({ path, clock, warn, database: id })
}

function requestLog(
  database: Database,
  journal: Journal | undefined,
  { current, clock, warn }: StorageParts,
): RequestLog {
  const { background: sql, isAway } = database
  return createRequestLog({ sql, clock, kept: () => keptOf(current().logKeep), journal, isAway, warn })
}

interface Clocks {
  clock: Clock
  /** Present if there is a database. */
  databaseClock: Clock | undefined
}

const replyLimits = { maxBytes: 64 * 1024 * 1024, maxRows: 2_000, maxAgeMs: 30 * 24 * 60 * 60 * 1000 }

function responseStore(where: string, database: Database | undefined, parts: Clocks & { log: Log }): ResponseStore {
  return storedInSteps(storeAt(where, database, parts), parts.clock)
}

function storeAt(
  where: string,
  database: Database | undefined,
  { clock, databaseClock = clock, log }: Clocks & { log: Log },
): ResponseStore {
  if (where === 'off') return noResponseStore
  if (where === 'database' && database) {
    const store = databaseResponses({
      ...{ sql: database, ...replyLimits, now: databaseClock.now, longSteps: longSteps(clock) },
    })
    return reportFailures(store, (operation, cause) =>
      log.warn(`Replies could not be ${operation} in the database; they are not kept meanwhile.`, { cause }),
    )
  }
  const isInMemory = where === 'memory' || where === 'database'
  return createResponseStore({
    path: isInMemory ? ':memory:' : where,
    ...replyLimits,
    // A file outlives the process, and the monotonic clock starts anew with each process.
    now: isInMemory ? clock.monotonic : clock.now,
    longSteps: longSteps(clock),
    warn: (message, cause) => log.warn(message, { cause }),
  })
}

interface SharedParts {
  database: Database | undefined
  databaseClock: Clock | undefined
  cluster: Cluster
  log: Log
}

function backgroundStore(
  where: string,
  { database, databaseClock, cluster, log }: SharedParts,
): BackgroundStore | undefined {
  if (where !== 'database' || database === undefined || databaseClock === undefined) return undefined
  const { node, gateways } = cluster
  const warn = (cause: unknown) =>
    log.warn('Replies in the background could not be written in the database; other gateways do not know them.', {
      cause,
    })
  return databaseBackground({ ...replyLimits, sql: database, now: databaseClock.now, node, gateways, warn })
}

/** Only those in the database outlive the process. */
function batchStore(
  where: string,
  database: Database | undefined,
  { clock, databaseClock = clock }: Clocks,
): BatchStore {
  if (where === 'off') return noBatchStore
  const node = crypto.randomUUID()
  if (where === 'database' && database) {
    const limits = { maxBytes: 1024 * 1024 * 1024, isLasting: true }
    return createBatchStore({ open: () => database, ...limits, now: databaseClock.now, node })
  }
  const warn = () => {}
  const open = () => openSqlite({ path: ':memory:', clock, warn })
  return createBatchStore({ open, isLasting: false, maxBytes: 64 * 1024 * 1024, now: clock.now, node })
}

/** The requests that are over, for the operator's page; nothing without a database. */
export function pastRequests(
  { database, requests }: Storage,
  windowOf: Remembered['windowOf'],
): Pick<OperatorOptions, 'remembered' | 'storedRequest'> {
  if (database === undefined || requests === undefined) return {}
  return {
    remembered: { sql: database.background, flush: requests.flush, windowOf },
    storedRequest: (id) => storedDetail(database.background, requests, id),
  }
}

async function storedDetail(sql: Sql, requests: RequestLog, id: string): Promise<StoredDetail | undefined> {
  await requests.flush()
  const stored = await requestById(sql, id)
  if (stored === undefined) return undefined
  return { ...storedRow(stored), ...storedParts(stored.detail), ...(await requestNeighbours(sql, stored)) }
}
