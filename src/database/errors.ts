/**
 * What can happen to a correct statement:
 * - `unique`: a row with this key exists
 * - `late`: no answer within the time limit; nobody knows whether the statement took effect
 * - `away`: the server cannot be reached, or has ended the connection; the same holds for the statement
 * - `full`: no room on the disk
 * - `unwritable`: the file or its folder cannot be written
 * - `damaged`: the file is no database, or a damaged one
 * - `locked`: another process writes for longer than a second
 */
export type DatabaseProblem = 'unique' | 'late' | 'away' | 'full' | 'unwritable' | 'damaged' | 'locked'

export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
  readonly problem: DatabaseProblem
  constructor(problem: DatabaseProblem, cause: unknown) {
    super(sentences[problem], { cause })
    this.problem = problem
  }
}

const sentences: Record<DatabaseProblem, string> = {
  unique: 'a row with this key exists already',
  late: 'the database did not answer in time',
  away: 'the database cannot be reached',
  full: 'the disk of the database is full',
  unwritable: 'the database cannot be written',
  damaged: 'the file is damaged, or is no database',
  locked: 'another process writes to the database',
}

/**
 * Turns an error of SQLite or PostgreSQL into a `DatabaseError` with its problem; any other value is returned
 * unchanged.
 */
export function databaseError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof DatabaseError) return thrown
  const { code, errno }: Error & { code?: unknown; errno?: unknown } = thrown
  const found = problems.find(([pattern]) => pattern.test(`${code} ${errno}`))
  return found ? new DatabaseError(found[1], thrown) : thrown
}

/**
 * Whether the values of a statement are why it failed, so that it would fail again at any time: they cannot be stored
 * (TypeError), or the engine refused them. Anything else, such as a table that is missing or a right that was taken away,
 * somebody may put right.
 */
export function isOfValues(thrown: unknown): boolean {
  if (thrown instanceof DatabaseError) return thrown.problem === 'unique'
  if (thrown instanceof TypeError) return true
  if (!(thrown instanceof Error)) return false
  const { code, errno }: Error & { code?: unknown; errno?: unknown } = thrown
  // Classes of SQLSTATE: wrong data, a broken constraint, more than a limit allows.
  return /^(?:22|23|54)[0-9A-Z]{3}$/.test(String(errno)) || /^SQLITE_(?:CONSTRAINT|MISMATCH|TOOBIG)/.test(String(code))
}

/**
 * SQLite's errors have their name in `code`. Bun.SQL has its own there, and the SQLSTATE in `errno` if the server sent
 * the error.
 */
const problems: readonly [RegExp, DatabaseProblem][] = [
  [/^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY) | 23505$/, 'unique'],
  [/^SQLITE_FULL | 53100$/, 'full'],
  [/^SQLITE_(CORRUPT|NOTADB)/, 'damaged'],
  [/^SQLITE_(BUSY|LOCKED)/, 'locked'],
  [/^SQLITE_(CANTOPEN|READONLY|IOERR|PERM|AUTH)/, 'unwritable'],
  // 57014: the server's own time limit. The rest of class 57, and 53300: it stops, starts or has too many clients. 25006:
  // it is a standby. 25P03: it has ended a transaction whose client was stopped.
  // 40P01, 40001: it has ended one of two that waited for each other. 55P03: it waited too long for a lock.
  [/ (57014|40P01|40001|55P03)$/, 'late'],
  [/ (57P|08|53300|25006|25P03)/, 'away'],
  [/^ERR_POSTGRES_(CONNECTION|IDLE_TIMEOUT|LIFETIME_TIMEOUT)|^E(CONN|PIPE|HOST|NET|TIMEDOUT)/, 'away'],
]
