/** The value of a parameter or a column. Booleans are stored as 0 and 1, instants as epoch milliseconds. */
export type SqlValue = string | number | null

/** Runs statements on both engines. On SQLite, transactions are queued, because all callers share one connection. */
export interface Database extends TransactionalSql {
  /** The same database for work that no request waits for. On PostgreSQL its statements may take seconds. */
  readonly background: TransactionalSql
  state(): ServerState
  /** Whether the server is known to be out of reach, or to store nothing. */
  isAway(): boolean
  /**
   * Calls `onPayload` with each payload that a gateway sends to the channel by `pg_notify`, and with `undefined` each
   * time listening begins, because earlier payloads are lost. Returns a function that stops listening. On SQLite
   * `onPayload` is never called.
   */
  listen(channel: string, onPayload: (payload: string | undefined) => void): () => void
  close(): Promise<void>
}

/**
 * - `read-only`: what is stored can be read, and statements that write fail with `away`
 * - `away`: the server cannot be reached, or is a standby
 */
export type ServerState = 'usable' | 'read-only' | 'away'

export interface TransactionalSql extends Sql {
  readonly engine: Engine
  /**
   * Runs `work` in one transaction. On SQLite it has the lock for writing from its beginning, so it cannot fail at its
   * first write. `work` must use the tag that it gets: on SQLite a statement of the database's own tag waits for the end
   * of the transaction. `work` must have no other effects, because it runs twice after some failures.
   *
   * `limitMs` is the time limit of each statement on PostgreSQL, if the default of a quarter of a second is too short.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, limitMs?: number): Promise<T>
}

/**
 * A template tag for one statement: values in braces become parameters, never text. Resolves with the rows. Errors:
 * `DatabaseError` for failures of correct statements, a TypeError for a value that the engines would store as something
 * else, such as `undefined`, and otherwise those of the engine.
 */
export type Sql = <Row = Record<string, SqlValue>>(
  text: TemplateStringsArray,
  ...values: readonly Parameter[]
) => Promise<Row[]>

export type Engine = 'sqlite' | 'postgres'

/**
 * The part of a statement after `INSERT INTO`, for any number of rows: the table, its columns and their values. A
 * statement may contain it once. On PostgreSQL all rows are one JSON parameter. With a parameter for each value there
 * would be a prepared statement for each number of rows and each combination of types. SQLite runs the statement once
 * for each row, because reading JSON takes it four times as long (50 µs instead of 12 µs for a row of the request
 * list).
 */
export function newRows<Row extends object>(
  table: string,
  columns: readonly (keyof Row & string)[],
  rows: readonly Row[],
): NewRows {
  return { kind: 'rows', table, columns, rows }
}

export interface NewRows {
  kind: 'rows'
  table: string
  columns: readonly string[]
  rows: readonly object[]
}

/** A statement whose text is composed by the program. It must never contain text from outside. */
export function sourceText(...texts: string[]): TemplateStringsArray {
  return Object.assign(texts, { raw: texts })
}

/**
 * A part of a statement, for optional filters. Each combination is another statement text, so there must be few of
 * them.
 */
export interface SqlPart {
  kind: 'part'
  text: TemplateStringsArray
  values: readonly Parameter[]
}

export function part(text: TemplateStringsArray, ...values: readonly Parameter[]): SqlPart {
  return { kind: 'part', text, values }
}

/**
 * A part of a statement that only PostgreSQL gets. SQLite needs no row locks, because a writer locks the whole
 * database.
 */
export interface PostgresText {
  kind: 'postgres'
  text: string
}

/**
 * Waits for rows that others have locked. Statements that lock several rows need `ORDER BY` before it, so that all lock
 * them in the same order.
 */
export const forUpdate: PostgresText = { kind: 'postgres', text: 'FOR UPDATE' }
/** Leaves out rows that others have locked. */
export const skipLocked: PostgresText = { kind: 'postgres', text: 'FOR UPDATE SKIP LOCKED' }

/**
 * The end of an INSERT of `newRows` with `ON CONFLICT … DO NOTHING`: the statement resolves with this column of the rows
 * that were inserted. On SQLite the number of changes is read instead of using RETURNING, which would take nearly as long
 * as the rest of the insert (4 µs of 10 for a row of the request list).
 */
export interface Inserted {
  kind: 'inserted'
  column: string
}

export function inserted(column: string): Inserted {
  return { kind: 'inserted', column }
}

export type Parameter = SqlValue | NewRows | SqlPart | PostgresText | Inserted

/** The text of a statement for one engine. */
export function render(text: TemplateStringsArray, values: readonly Parameter[], engine: Engine): string {
  const known = rendered[engine].get(text)
  if (known !== undefined) return known
  let count = 0
  let hasParts = false
  const whole = textOf(text, values)
  if (!hasParts) rendered[engine].set(text, whole)
  return whole

  function textOf(strings: TemplateStringsArray, between: readonly Parameter[]): string {
    return strings.reduce((before, after, index) => before + pieceOf(between[index - 1] ?? null) + after)
  }

  function pieceOf(value: Parameter): string {
    if (isOfKind(value, 'part')) {
      hasParts = true
      return textOf(value.text, value.values)
    }
    if (isOfKind(value, 'postgres')) return engine === 'postgres' ? value.text : ''
    if (isOfKind(value, 'inserted')) return engine === 'postgres' ? `RETURNING ${value.column}` : ''
    if (!isOfKind(value, 'rows')) return next()
    const { table, columns } = value
    const names = columns.join(', ')
    return engine === 'postgres'
      ? `${table} (${names}) SELECT ${names} FROM json_populate_recordset(NULL::${table}, ${next()}::text::json)`
      : `${table} (${names}) VALUES (${columns.map(next).join(', ')})`
  }

  function next(): string {
    count++
    return engine === 'sqlite' ? `?${count}` : `$${count}`
  }
}

/** Statement texts by template. A template in the source is one object for the life of the program. */
const rendered: Record<Engine, WeakMap<TemplateStringsArray, string>> = {
  sqlite: new WeakMap(),
  postgres: new WeakMap(),
}

/** The parameters of a statement on PostgreSQL, and of one without new rows on SQLite. */
export function parametersOf(values: readonly Parameter[]): SqlValue[] {
  return values.flatMap((value) => {
    if (isOfKind(value, 'part')) return parametersOf(value.values)
    if (isOfKind(value, 'postgres') || isOfKind(value, 'inserted')) return []
    return isOfKind(value, 'rows') ? jsonOf(value) : checked(value)
  })
}

/** What a statement with new rows needs on SQLite, which runs it once for each row. */
export interface RowRuns {
  /** The parameters of each run. */
  parameters: SqlValue[][]
  /** If the statement asks for a column of the rows that are `inserted`: that column, and its place in the parameters. */
  told: { column: string; at: number } | undefined
}

/** `undefined` for a statement without new rows. */
export function rowRunsOf(values: readonly Parameter[]): RowRuns | undefined {
  const at = values.findIndex((value) => isOfKind(value, 'rows'))
  const added = values[at]
  if (added === undefined || !isOfKind(added, 'rows')) return undefined
  const before = parametersOf(values.slice(0, at))
  const after = parametersOf(values.slice(at + 1))
  const column = values.find((value) => isOfKind(value, 'inserted'))?.column
  const isAlone = before.length + after.length === 0
  return {
    parameters: added.rows.map((row) => {
      const own = valuesOf(added, row)
      return isAlone ? own : [...before, ...own, ...after]
    }),
    told: column === undefined ? undefined : { column, at: before.length + added.columns.indexOf(column) },
  }
}

/**
 * The text as it is stored: NUL and lone surrogates, which clients may send in JSON, are replaced, because PostgreSQL
 * refuses them. So two texts may become one. Texts inside a JSON parameter are not replaced by themselves.
 */
export function storedText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd')
}

function isOfKind<Kind extends 'part' | 'rows' | 'postgres' | 'inserted'>(
  value: Parameter,
  kind: Kind,
): value is Extract<Parameter, { kind: Kind }> {
  return typeof value === 'object' && value !== null && value.kind === kind
}

function jsonOf(added: NewRows): string {
  const { columns, rows } = added
  return JSON.stringify(
    rows.map((row) => {
      const values = valuesOf(added, row)
      return Object.fromEntries(columns.map((name, index) => [name, values[index]]))
    }),
  )
}

function valuesOf({ columns }: NewRows, row: object): SqlValue[] {
  return columns.map((name) => checked(Reflect.get(row, name), name))
}

/**
 * The value in a form that both engines can store. `undefined`, NaN and objects are refused, because they would
 * silently become NULL, and so are integers above 2^53, which would become other numbers.
 */
function checked(value: unknown, name = 'a parameter'): SqlValue {
  if (value === null) return null
  if (typeof value === 'string') return storedText(value)
  const isStorable = typeof value === 'number' && Number.isFinite(value)
  if (isStorable && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value
  throw new TypeError(`${name} cannot be stored: ${typeof value === 'number' ? value : typeof value}`)
}
