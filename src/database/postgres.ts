import { SQL } from 'bun'
import type { Clock } from '../core/clock.ts'
import { DatabaseError, databaseError } from './errors.ts'
import { statementsAfter, versionTable } from './migrations.ts'
import { type Database, type Parameter, render, type Sql } from './sql.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host/database`, with `sslmode` and the like as libpq has them. */
  url: string
  clock: Clock
}

/** The server ends what takes longer. */
const deadlineMs = 1_000
/** Beyond the server's limit, after which the network counts as dead. */
const graceMs = 500
const migrationDeadlineMs = 60_000
/** Any number, the same for all that migrate this database. */
const migrationLock = 8_211_408

/**
 * A database on a PostgreSQL server. Several gateways may share it.
 *
 * Bun's driver has no time limit of its own: where the network goes silent, a call would wait for ever and its connection
 * would fail later calls. So a call that stays unanswered replaces all connections.
 *
 * Commits do not wait for the server's disk: a crash of the server, not of the gateway, may lose the last 0.6 s.
 *
 * Errors: rejects if the server cannot be reached, or a newer version made the tables. Statements reject with
 * `DatabaseError`.
 */
export async function openPostgres({ url, clock }: PostgresOptions): Promise<Database> {
  const connect = () =>
    new SQL({
      ...{ url, max: 8, idleTimeout: 60, maxLifetime: 1_800, connectionTimeout: 2 },
      connection: {
        ...{ statement_timeout: String(deadlineMs), idle_in_transaction_session_timeout: '2000' },
        ...{ synchronous_commit: 'off', application_name: 'zai2api' },
      },
    })
  let pool = connect()

  const sql: Sql = <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) => {
    const asked = pool
    return inTime(asked, deadlineMs, () => tagOf(asked)<Row>(text, ...values))
  }
  const transaction = async <T>(work: (sql: Sql) => Promise<T>, limitMs = deadlineMs): Promise<T> => {
    try {
      return await once()
    } catch (thrown) {
      // The server has ended one of two transactions that waited for each other.
      if (thrown instanceof Error && 'errno' in thrown && thrown.errno === '40P01') return await once()
      throw thrown
    }

    function once(): Promise<T> {
      const asked = pool
      return inTime(asked, limitMs, () =>
        asked.begin(async (connection) => {
          if (limitMs !== deadlineMs) await connection.unsafe(`SET LOCAL statement_timeout = ${limitMs}`)
          return await work(tagOf(connection))
        }),
      )
    }
  }
  try {
    await transaction(migrate, migrationDeadlineMs)
  } catch (thrown) {
    await pool.close({ timeout: 0 })
    throw thrown
  }
  return Object.assign(sql, {
    engine: 'postgres' as const,
    transaction,
    close: () => pool.close({ timeout: 2 }),
  })

  async function inTime<T>(asked: SQL, limitMs: number, ask: () => Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const stop = clock.after(limitMs + graceMs, () => {
      // Others may have replaced it already.
      if (asked === pool) {
        pool = connect()
        asked.close({ timeout: 0 }).catch(() => {})
      }
      reject(new DatabaseError('late', undefined))
    })
    try {
      const answer = ask()
      answer.catch(() => {})
      return await Promise.race([answer, late])
    } catch (thrown) {
      throw databaseError(thrown)
    } finally {
      stop()
    }
  }
}

/** Waits while another gateway migrates the same database. */
async function migrate(sql: Sql): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(${migrationLock})`
  await statement(sql, versionTable)
  const [found] = await sql<{ version: number | null }>`SELECT max(version) AS version FROM schema_version`
  for (const text of statementsAfter(found?.version ?? 0, 'postgres')) await statement(sql, text)
}

async function statement(sql: Sql, text: string): Promise<void> {
  await sql(Object.assign([text], { raw: [text] }))
}

interface Answer extends Array<Record<string, unknown>> {
  columns?: { name: string; type: number }[]
}

function tagOf(connection: Pick<SQL, 'unsafe'>): Sql {
  return async <Row>(text: TemplateStringsArray, ...values: readonly Parameter[]) => {
    const statement = render(text, values, 'postgres')
    const answer: Answer = await connection.unsafe(statement.text, statement.parameters)
    return withNumbers(answer) as Row[]
  }
}

/** Types of columns that come as text: int8, and numeric, which is what a sum of int8 has. */
const numberTypes = new Set([20, 1700])

function withNumbers(answer: Answer): Record<string, unknown>[] {
  for (const { name, type } of answer.columns ?? [])
    if (numberTypes.has(type)) for (const row of answer) if (row[name] !== null) row[name] = Number(row[name])
  return answer
}
