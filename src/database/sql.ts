/** What a parameter or a column holds. Booleans are stored as 0 and 1, instants as epoch milliseconds. */
export type SqlValue = string | number | null

/** Statements for both engines. Transactions are queued on SQLite, where all callers share one connection. */
export interface Database extends TransactionalSql {
  /** The same database for work that no request waits for: on PostgreSQL a statement of it may take seconds. */
  readonly background: TransactionalSql
  /** Whether the server is known to be out of reach. */
  isAway(): boolean
  /**
   * Calls `onPayload` with what any gateway sends to the channel by `pg_notify`, and with `undefined` whenever listening has
   * begun: what was sent before is lost. Returns a function that ends it. On SQLite it is never called.
   */
  listen(channel: string, onPayload: (payload: string | undefined) => void): () => void
  close(): Promise<void>
}

export interface TransactionalSql extends Sql {
  readonly engine: Engine
  /**
   * Runs `work` in one transaction that may write from its beginning, so that it never fails at its first write. `work`
   * must use the tag that it is given: a statement of the database's own tag would wait for the end of the transaction.
   * It may run twice, because some failures are repeated, and so must have no other effects.
   *
   * `limitMs` is the time limit of each statement on PostgreSQL where the usual quarter of a second is too short.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, limitMs?: number): Promise<T>
}

/**
 * A template tag for one statement: values in braces become parameters, never text. Resolves with the rows. Errors:
 * `DatabaseError` for what can happen to a correct statement, otherwise those of the engine; a TypeError for a value that
 * the engines would store as something else, such as `undefined`.
 */
export type Sql = <Row = Record<string, SqlValue>>(
  text: TemplateStringsArray,
  ...values: readonly Parameter[]
) => Promise<Row[]>

export type Engine = 'sqlite' | 'postgres'

/**
 * What follows `INSERT INTO` for any number of rows: the table, its columns and their values. A statement has it once at
 * most. On PostgreSQL all rows are one parameter of JSON: a parameter for each value would make another statement for each
 * number of rows and each combination of types, and each would stay prepared. SQLite would take four times as long to read
 * the JSON as to run the statement once for each row (50 µs a row of the list of requests, and 12 µs).
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

/** A statement whose text the program puts together: never from what others have written. */
export function sourceText(...texts: string[]): TemplateStringsArray {
  return Object.assign(texts, { raw: texts })
}

/** A part of a statement, for filters that are there or not. Each makes a text of its own, so there must be few of them. */
export interface SqlPart {
  kind: 'part'
  text: TemplateStringsArray
  values: readonly Parameter[]
}

export function part(text: TemplateStringsArray, ...values: readonly Parameter[]): SqlPart {
  return { kind: 'part', text, values }
}

/** What only PostgreSQL has in a statement. SQLite needs no locks of rows: a writer locks the database. */
export interface PostgresText {
  kind: 'postgres'
  text: string
}

/** Waits for rows that others have locked. Those that lock several rows need one order, by `ORDER BY` before it. */
export const forUpdate: PostgresText = { kind: 'postgres', text: 'FOR UPDATE' }
/** Leaves out rows that others have locked. */
export const skipLocked: PostgresText = { kind: 'postgres', text: 'FOR UPDATE SKIP LOCKED' }

export type Parameter = SqlValue | NewRows | SqlPart | PostgresText

/** The text of a statement for one engine. */
export function render(text: TemplateStringsArray, values: readonly Parameter[], engine: Engine): string {
  const known = rendered[engine].get(text)
  if (known !== undefined) return known
  let count = 0
  let hasParts = false
  const whole = textOf(text, values)
  if (!hasParts) rendered[engine].set(text, whole)
  return whole

  function textOf(strings: TemplateStringsArray, inserted: readonly Parameter[]): string {
    return strings.reduce((before, after, index) => before + pieceOf(inserted[index - 1] ?? null) + after)
  }

  function pieceOf(value: Parameter): string {
    if (isOfKind(value, 'part')) {
      hasParts = true
      return textOf(value.text, value.values)
    }
    if (isOfKind(value, 'postgres')) return engine === 'postgres' ? value.text : ''
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

/** Texts by template: a template in the source is one object for the life of the program, and names its tables. */
const rendered: Record<Engine, WeakMap<TemplateStringsArray, string>> = {
  sqlite: new WeakMap(),
  postgres: new WeakMap(),
}

/** The parameters of a statement on PostgreSQL. */
export function parametersOf(values: readonly Parameter[]): SqlValue[] {
  return values.flatMap((value) => {
    if (isOfKind(value, 'part')) return parametersOf(value.values)
    if (isOfKind(value, 'postgres')) return []
    return isOfKind(value, 'rows') ? jsonOf(value) : checked(value)
  })
}

/** The parameters of each run of a statement on SQLite: one run, or as many as it has rows to insert. */
export function runsOf(values: readonly Parameter[]): SqlValue[][] {
  const inserted = values.find((value) => isOfKind(value, 'rows'))
  if (inserted === undefined) return [parametersOf(values)]
  return inserted.rows.map((row) =>
    values.flatMap((value) => (value === inserted ? valuesOf(inserted, row) : parametersOf([value]))),
  )
}

function isOfKind<Kind extends 'part' | 'rows' | 'postgres'>(
  value: Parameter,
  kind: Kind,
): value is Extract<Parameter, { kind: Kind }> {
  return typeof value === 'object' && value !== null && value.kind === kind
}

function jsonOf(inserted: NewRows): string {
  const { columns, rows } = inserted
  return JSON.stringify(
    rows.map((row) => {
      const values = valuesOf(inserted, row)
      return Object.fromEntries(columns.map((name, index) => [name, values[index]]))
    }),
  )
}

function valuesOf({ columns }: NewRows, row: object): SqlValue[] {
  return columns.map((name) => checked(Reflect.get(row, name), name))
}

/**
 * The value as both engines can store it. `undefined`, NaN and objects would silently become NULL, and whole numbers
 * above 2^53 other numbers. PostgreSQL refuses texts with NUL or half a surrogate pair, which JSON of clients may hold.
 */
function checked(value: unknown, name = 'a parameter'): SqlValue {
  if (value === null) return null
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\ufffd')
  const isStorable = typeof value === 'number' && Number.isFinite(value)
  if (isStorable && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value
  throw new TypeError(`${name} cannot be stored: ${typeof value === 'number' ? value : typeof value}`)
}
