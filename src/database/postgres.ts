import { SQL } from 'bun'
import type { Clock } from '../core/clock.ts'
import { DatabaseError } from './errors.ts'
import { createGuardedPool, type GuardedPool } from './guarded-pool.ts'
import { statementsAfter, versionTable } from './migrations.ts'
import { createNotifications } from './notifications.ts'
import { readPostgresUrl } from './postgres-url.ts'
import { retryAtStart } from './retry-at-start.ts'
import {
  type Database,
  type Parameter,
  parametersOf,
  render,
  type ServerState,
  type Sql,
  sourceText,
  type TransactionalSql,
} from './sql.ts'

export interface PostgresOptions {
  /**
   * `postgres://user:password@host/database`, with `sslmode` and the like as libpq has them, `pool_max_conns` and
   * `synchronous_commit`.
   */
  url: string
  clock: Clock
  /** Called with each new state of the server. */
  onChange?: (state: ServerState, cause: unknown) => void
  /** Called once for each reason for which the server refuses statements: a table that is gone, a missing permission. */
  onRefusal?: (cause: Error) => void
  /** Replaces the default time limits, for machines that are busy with tests. */
  limits?: StatementLimits
}

/**
 * The server ends a statement after `statementMs`. Without an answer `graceMs` later, its connection counts as lost.
 */
export interface StatementLimits {
  statementMs: number
  graceMs: number
}

/** Limits for statements that a request waits for. */
const requestLimits: StatementLimits = { statementMs: 250, graceMs: 100 }
/** Limits for lists, sums, the request log and retention, which no request waits for. */
const backgroundLimits: StatementLimits = { statementMs: 10_000, graceMs: 2_000 }
const backgroundConnections = 2
/** Opening a connection may take a while: TLS, a password, a server that has just started. */
const startMs = 10_000
const migrationMs = 60_000
/** An arbitrary number, the same in every gateway that migrates this database. */
const migrationLock = 8_211_408

/**
 * A database on a PostgreSQL server. Several gateways may share it.
 *
 * Commits do not wait for the server's disk, except those of tables and keys: a crash of the server, not of the
 * gateway, may lose the last 0.6 s. With `synchronous_commit=on` in the URL every commit waits.
 *
 * Errors: rejects if the server cannot be reached, or a newer version made the tables. Statements reject with
 * `DatabaseError`: see `GuardedPool`.
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { clock, onChange = () => {}, onRefusal = () => {}, limits = requestLimits } = options
  const { url, poolSize, synchronousCommit } = readPostgresUrl(options.url)
  const connect = (max: number, statementMs: number, others: SQL.Options) =>
    new SQL({
      ...{ url, max, connectionTimeout: 2, ...others },
      connection: {
        ...{ statement_timeout: String(statementMs), idle_in_transaction_session_timeout: '2000' },
        ...{ synchronous_commit: synchronousCommit, application_name: 'zai2api' },
      },
    })
  const poolOf = (
    size: number,
    { statementMs, graceMs }: StatementLimits,
    isKeptOpen: boolean,
    onChange: (state: ServerState, cause: unknown) => void,
  ) =>
    createGuardedPool({
      ...{ size, isKeptOpen, clock, random: Math.random, onChange },
      connect: () => connect(size, statementMs, { idleTimeout: 60, maxLifetime: isKeptOpen ? 0 : 1_800 }),
      answerMs: statementMs + graceMs,
      isTimedByServer: () => isTimedByServer,
    })
  const report = refusalReport(onRefusal)
  let isTimedByServer = true
  const requests = poolOf(poolSize, limits, true, (state, cause) => {
    if (state === 'away') notifications.pause()
    else notifications.resume()
    onChange(state, cause)
  })
  // Only one of the two pools reports, because both use the same server.
  const background = poolOf(backgroundConnections, backgroundLimits, false, () => {})
  const notifications = createNotifications({
    // Has no idle timeout, so the connection ends only if it is lost.
    connect: (onclose) => connect(1, limits.statementMs, { onclose, idleTimeout: 0 }),
    async notify(channel, payload) {
      await tagOf(requests, report)`SELECT pg_notify(${channel}, ${payload})`
    },
    clock,
    newId: () => crypto.randomUUID().replaceAll('-', ''),
  })
  // At a start a busy server may take longer than the time limits of requests allow.
  const retryIfLate = <T>(work: () => Promise<T>) => retryAtStart(work, clock, ['late'])
  const close = async () => {
    notifications.close()
    await Promise.all([requests.close(), background.close()])
  }
  try {
    // The first statement opens all connections, which takes longer than the limit of other statements.
    const [time] = await retryIfLate(() => requests.run((pool) => pool.unsafe(statementTimeout), startMs))
    isTimedByServer = time.ms > 0 && time.ms <= limits.statementMs
    await retryIfLate(() => transactionsOf(requests, report)(migrate, migrationMs))
    await background.run((pool) => pool.unsafe('SELECT 1'), startMs)
  } catch (thrown) {
    await close()
    throw thrown
  }
  return Object.assign(sqlOf(requests, report), {
    background: sqlOf(background, report),
    state: requests.state,
    isAway: () => requests.state() !== 'usable',
    listen: notifications.listen,
    close,
  })
}

type Report = (thrown: unknown) => void

/** Tells of each refusal that does not end by itself, once. Its message names tables and columns, and no values. */
function refusalReport(onRefusal: (cause: Error) => void): Report {
  const told = new Set<string>()
  return (thrown) => {
    if (!(thrown instanceof Error && 'errno' in thrown) || !lastingRefusal.test(String(thrown.errno))) return
    if (told.has(thrown.message) || told.size >= mostTold) return
    told.add(thrown.message)
    onRefusal(thrown)
  }
}

/** SQLSTATEs of something that is missing or not permitted: a table, a column, a function, a schema. */
const lastingRefusal = /^(?:42|3F)/
const mostTold = 20

function sqlOf(pool: GuardedPool, report: Report): TransactionalSql {
  return Object.assign(tagOf(pool, report), {
    engine: 'postgres' as const,
    transaction: transactionsOf(pool, report),
  })
}

function tagOf(pool: GuardedPool, report: Report): Sql {
  return <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) =>
    repeated(() => pool.run((connection) => runOn(connection)<Row>(text, ...values)), report)
}

/** The server ended one of two transactions that waited for each other, and rolled it back. */
async function repeated<T>(once: () => Promise<T>, report: Report): Promise<T> {
  try {
    return await once()
  } catch (thrown) {
    report(thrown)
    const cause = thrown instanceof DatabaseError ? thrown.cause : thrown
    if (cause instanceof Error && 'errno' in cause && cause.errno === '40P01') return await once()
    throw thrown
  }
}

function transactionsOf(pool: GuardedPool, report: Report): TransactionalSql['transaction'] {
  return async <T>(work: (sql: Sql) => Promise<T>, limitMs?: number): Promise<T> => {
    const once = () =>
      pool.run(
        (connections, answered) =>
          connections.begin(async (connection) => {
            answered()
            const sql = runOn(connection)
            // The role may have a limit for locks: see docs/scaling.md.
            if (limitMs !== undefined)
              await connection.unsafe(
                `SELECT set_config(name, '${limitMs}', true) FROM unnest(ARRAY['statement_timeout', 'lock_timeout']) AS name`,
              )
            return await work(async (text, ...values) => {
              try {
                return await sql(text, ...values)
              } finally {
                answered()
              }
            })
          }),
        limitMs,
      )
    return await repeated(once, report)
  }
}

/** In milliseconds; 0 for none. */
const statementTimeout = "SELECT setting::int AS ms FROM pg_settings WHERE name = 'statement_timeout'"

/** Waits while another gateway migrates the same database. */
async function migrate(sql: Sql): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(${migrationLock})`
  await sql`SET LOCAL synchronous_commit = on`
  await sql(sourceText(versionTable))
  const [found] = await sql<{ version: number | null }>`SELECT max(version) AS version FROM schema_version`
  for (const text of statementsAfter(found?.version ?? 0, 'postgres')) await sql(sourceText(text))
}

interface DriverRows extends Array<Record<string, unknown>> {
  columns?: { name: string; type: number }[]
}

function runOn(connection: Pick<SQL, 'unsafe'>): Sql {
  return async <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) => {
    const answer: DriverRows = await connection.unsafe(render(text, values, 'postgres'), parametersOf(values))
    return withNumbers(answer) as Row[]
  }
}

/** Column types whose values arrive as text: int8, and numeric, the type of a sum of int8. */
const numberTypes = new Set([20, 1700])
const floatTypes = new Set([700, 701])

/**
 * NaN would spread to every sum, and no limit would hold. So a fraction that is not finite is read as NULL, which is
 * how SQLite stores it, and an integer that is not a number is an error.
 */
function withNumbers(answer: DriverRows): Record<string, unknown>[] {
  for (const { name, type } of answer.columns ?? []) {
    if (numberTypes.has(type)) for (const row of answer) if (row[name] !== null) row[name] = finite(name, row[name])
    if (floatTypes.has(type)) for (const row of answer) if (!Number.isFinite(row[name])) row[name] = null
  }
  return answer
}

function finite(name: string, text: unknown): number {
  const number = Number(text)
  if (Number.isFinite(number)) return number
  throw new RangeError(`the database has no number in ${name}: ${text}`)
}
