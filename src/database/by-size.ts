import type { Database, TransactionalSql } from './sql.ts'

/**
 * The most bytes of text that a statement may carry while a request has to be answered within a quarter of a second. More
 * may take longer, and a network that is silent for that long counts as dead: all would lose the database.
 */
export const mostBytesInTime = 256 * 1024

/** What runs statements with so many bytes of text. Large ones have seconds, and connections of their own. */
export function bySize(database: Database, bytes: number): TransactionalSql {
  return bytes > mostBytesInTime ? database.background : database
}
