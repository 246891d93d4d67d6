import { newRows, type Sql, type SqlValue, sourceText, type TransactionalSql } from './sql.ts'

/** A table that is copied: its columns, and the columns of its primary key. */
interface CopiedTable {
  key: readonly string[]
  columns: readonly string[]
  /** How many rows are read at a time, if fewer than usual because each may have some megabytes. */
  pageRows?: number
}

/**
 * All tables whose rows outlive a run. Leases and limits of credentials are not copied, because they are learned again,
 * and neither are the operator's sessions and the pauses of credentials: on another database the operator signs in, and
 * pauses them, again.
 * Reservations of running requests are settled by their estimates once they have expired.
 */
export const copiedTables: Readonly<Record<string, CopiedTable>> = {
  keys: {
    key: ['id'],
    columns: words('id name label prefix hash disabled generation rules created expires changed last_used deleted'),
  },
  budgets: {
    key: ['id'],
    columns: words('id key unit lim settled reserved window_start window_ms generation span'),
  },
  reservations: { key: ['id', 'budget'], columns: words('id budget amount expires generation estimate counted') },
  settlements: { key: ['id'], columns: words('id at') },
  usage: {
    key: words('hour key model upstream client'),
    columns: words(
      'hour key model upstream client requests errors tokens_in tokens_cached tokens_out tokens_reasoning credits usd',
    ),
  },
  requests: {
    key: ['at', 'id'],
    columns: words(
      'id at key model upstream client session agent status error ms first_ms tokens_in tokens_cached tokens_out tokens_reasoning credits usd meta detail',
    ),
  },
  replies: { key: ['id'], columns: words('id key at expires bytes reply input') },
  batches: {
    key: ['id'],
    columns: words(
      'id key at expires cancelled ended size bytes dialect headers succeeded errored canceled expired node leased hidden',
    ),
  },
  used_approvals: { key: ['key', 'id'], columns: words('key id at') },
  batch_requests: { key: ['batch', 'n'], columns: words('batch n name body outcome response'), pageRows: 8 },
}

/** Tables that are not copied. */
export const transientTables = [
  'allowances',
  'background_events',
  'background_replies',
  'capacities',
  'cooldowns',
  'gateways',
  'identity',
  'leases',
  'operator_sessions',
  'paused_credentials',
  'schema_version',
]

type Row = Record<string, SqlValue>

const usualPageRows = 500
/** Rows are inserted by statements of about this length in characters, because each has a time limit of seconds. */
const insertedAtOnce = 4_000_000
const format = 1

/**
 * All rows of a database as lines of JSON: a line with the schema, then one line for each row. All rows are from the
 * same moment, even if a gateway writes meanwhile. `sql` must not be used for anything else until the end.
 */
export async function exportRows(sql: TransactionalSql, write: (line: string) => void): Promise<number> {
  if (sql.engine === 'sqlite') {
    // `transaction` is not used, because it would hold the lock for writing.
    await sql`BEGIN`
    try {
      return await rowsOf(sql)
    } finally {
      await sql`ROLLBACK`
    }
  }
  return await sql.transaction(async (inside) => {
    await inside`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
    return await rowsOf(inside)
  })

  async function rowsOf(reading: Sql): Promise<number> {
    write(JSON.stringify({ zai2api: format, schema: await schemaOf(reading) }))
    let count = 0
    for (const [table, copied] of Object.entries(copiedTables)) {
      const { pageRows = usualPageRows } = copied
      let after: Row | undefined
      do {
        const page = await pageOf(reading, table, copied, after)
        for (const row of page) write(JSON.stringify([table, row]))
        count += page.length
        after = page.length < pageRows ? undefined : page.at(-1)
      } while (after !== undefined)
    }
    return count
  }
}

/**
 * Stores the lines of `exportRows` in an empty database, either all or none. Resolves with the number of rows. Errors:
 * an Error for a user if the database has rows, or if the lines have another schema or are not an export.
 */
export async function importRows(sql: TransactionalSql, lines: AsyncIterable<string>): Promise<number> {
  return await sql.transaction(async (inside) => {
    for (const table of Object.keys(copiedTables)) {
      const [row] = await inside(sourceText(`SELECT 1 AS one FROM ${table} LIMIT 1`))
      if (row)
        throw new Error(
          `the database is not empty: its table ${table} has rows; DATABASE_URL names another, such as sqlite:new.sqlite`,
        )
    }
    const schema = await schemaOf(inside)
    let isBegun = false
    let count = 0
    let waiting: { table: string; rows: Row[]; length: number } = { table: '', rows: [], length: 0 }
    for await (const line of lines) {
      if (!isBegun) {
        checkHead(line, schema)
        isBegun = true
        continue
      }
      const [table, row] = readLine(line)
      const isFull = waiting.rows.length === usualPageRows || waiting.length + line.length > insertedAtOnce
      if (table !== waiting.table || isFull) {
        await insert(inside, waiting)
        waiting = { table, rows: [], length: 0 }
      }
      waiting.rows.push(row)
      waiting.length += line.length
      count++
    }
    if (!isBegun) throw new Error('the file is empty')
    await insert(inside, waiting)
    return count
  })
}

/** The version of the schema, and how many rows each table has. */
export async function databaseStatus(sql: Sql): Promise<{ schema: number; rows: Record<string, number> }> {
  const rows: Record<string, number> = {}
  for (const table of Object.keys(copiedTables)) {
    const [found] = await sql<{ n: number }>(sourceText(`SELECT count(*) AS n FROM ${table}`))
    rows[table] = found?.n ?? 0
  }
  return { schema: await schemaOf(sql), rows }
}

async function schemaOf(sql: Sql): Promise<number> {
  const [found] = await sql<{ version: number | null }>`SELECT max(version) AS version FROM schema_version`
  return found?.version ?? 0
}

/** The rows after a given one, in the order of the primary key. */
async function pageOf(sql: Sql, table: string, copied: CopiedTable, after: Row | undefined): Promise<Row[]> {
  const { key, columns, pageRows = usualPageRows } = copied
  const rest = ` ORDER BY ${key.join(', ')} LIMIT ${pageRows}`
  const select = `SELECT ${columns.join(', ')} FROM ${table}`
  if (after === undefined) return await sql(sourceText(select + rest))
  const between = key.slice(1).map(() => ', ')
  const texts = [`${select} WHERE (${key.join(', ')}) > (`, ...between, `)${rest}`]
  return await sql(sourceText(...texts), ...key.map((column) => after[column] ?? null))
}

async function insert(sql: Sql, { table, rows }: { table: string; rows: readonly Row[] }): Promise<void> {
  const { columns } = copiedTables[table] ?? { columns: [] }
  // Each table gets its own template object, because statement texts are cached by template.
  if (rows.length > 0) await sql(sourceText('INSERT INTO ', ''), newRows(table, columns, rows))
}

function checkHead(line: string, schema: number): void {
  const head: unknown = parsed(line)
  const isHead = typeof head === 'object' && head !== null && 'zai2api' in head && 'schema' in head
  if (!isHead || head.zai2api !== format) throw new Error('the file is not one that zai2api db export has written')
  if (head.schema !== schema)
    throw new Error(
      `the file has schema ${head.schema}, and this version of zai2api knows ${schema}: export it with this version`,
    )
}

function readLine(line: string): [string, Row] {
  const read: unknown = parsed(line)
  const [table, row]: unknown[] = Array.isArray(read) ? read : []
  if (typeof table !== 'string' || !Object.hasOwn(copiedTables, table) || typeof row !== 'object' || row === null)
    throw new Error('the file is damaged: it has a line that is no row of a table')
  return [table, Object.fromEntries(Object.entries(row))]
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function words(text: string): string[] {
  return text.split(' ')
}
