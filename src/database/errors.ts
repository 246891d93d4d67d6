/**
 * What can happen to a correct statement:
 * - `unique`: a row with this key exists
 * - `late`: no answer within the time limit; it is unknown whether the statement took effect
 * - `away`: the server cannot be reached, or ended the connection; it is unknown whether the statement took effect
 * - `full`: no room on the disk
 * - `unwritable`: the file or its folder cannot be written
 * - `damaged`: the file is damaged, or is not a database
 * - `locked`: another process has held the lock for longer than a second
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
 * Whether a statement failed because of its values, so that every later attempt fails, too: they cannot be stored
 * (TypeError), or the engine refused them. Any other error may go away, such as a missing table or a missing
 * permission.
 */
export function isOfValues(thrown: unknown): boolean {
  if (thrown instanceof DatabaseError) return thrown.problem === 'unique'
  if (thrown instanceof TypeError) return true
  if (!(thrown instanceof Error)) return false
  const { code, errno }: Error & { code?: unknown; errno?: unknown } = thrown
  // Classes of SQLSTATE: two rows for one, wrong data, a broken constraint, more than a limit allows.
  return (
    /^(?:21|22|23|54)[0-9A-Z]{3}$/.test(String(errno)) || /^SQLITE_(?:CONSTRAINT|MISMATCH|TOOBIG)/.test(String(code))
  )
}

/**
 * SQLite puts the name of an error into `code`. Bun.SQL puts its own code there, and the SQLSTATE of an error of the
 * server into `errno`.
 */
const problems: readonly [RegExp, DatabaseProblem][] = [
  [/^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY) | 23505$/, 'unique'],
  [/^SQLITE_FULL | 53100$/, 'full'],
  [/^SQLITE_(CORRUPT|NOTADB)/, 'damaged'],
  [/^SQLITE_(BUSY|LOCKED)/, 'locked'],
  [/^SQLITE_(CANTOPEN|READONLY|IOERR|PERM|AUTH)/, 'unwritable'],
  // SQLSTATEs. 57014: the statement reached the server's time limit. 40P01, 40001: the server ended one of two
  // transactions that waited for each other. 55P03: the wait for a lock was too long. The rest of class 57, and 53300:
  // the server stops, starts or has too many clients. 25006: the server is a standby, or read-only. 25P03: the server ended a
  // transaction whose client was idle.
  [/ (57014|40P01|40001|55P03)$/, 'late'],
  [/ (57P|08|53300|25006|25P03)/, 'away'],
  [/^ERR_POSTGRES_(CONNECTION|IDLE_TIMEOUT|LIFETIME_TIMEOUT)|^E(CONN|PIPE|HOST|NET|TIMEDOUT)/, 'away'],
]
