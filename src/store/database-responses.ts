import type { StoredResponse } from '../core/stored-conversation.ts'
import { type Database, forUpdate, part, type Sql, skipLocked } from '../database/sql.ts'
import type { ResponseStore } from './responses.ts'

export interface DatabaseResponsesOptions {
  sql: Database
  /** The most bytes of all stored texts. */
  maxBytes: number
  maxRows: number
  maxAgeMs: number
  /** Epoch milliseconds. */
  now: () => number
}

/**
 * Stored replies in the gateway's database, for `STORE=database`: several gateways on one PostgreSQL share them. When they
 * are too many or too large together, the oldest reply of the key that has the most is deleted. Methods reject with the
 * errors of the database.
 */
export function databaseResponses(options: DatabaseResponsesOptions): ResponseStore {
  const { sql, now } = options
  const write = responseWriter(options)
  return {
    put: (owner, response) => sql.transaction((inside) => write(inside, owner, response)),
    async change(owner, id, change) {
      return await sql.transaction(async (inside) => {
        const [row] = await inside<{ reply: string; input: string }>`SELECT reply, input FROM replies
          WHERE id = ${id} AND key = ${owner} AND expires >= ${now()} ${forUpdate}`
        if (row === undefined) return undefined
        const changed = change(responseOf(id, row))
        await write(inside, owner, changed)
        return changed
      })
    },
    async get(owner, id) {
      const [row] = await sql<{ reply: string; input: string }>`SELECT reply, input FROM replies
        WHERE id = ${id} AND key = ${owner} AND expires >= ${now()}`
      return row && responseOf(id, row)
    },
    async delete(owner, id) {
      const deleted = await sql`DELETE FROM replies WHERE id = ${id} AND key = ${owner} RETURNING id`
      return deleted.length > 0
    },
    // Does nothing, because others use the database, too.
    close: async () => {},
  }
}

/** Stores a reply in a transaction, and makes room for it. */
export type WriteResponse = (inside: Sql, owner: string, response: StoredResponse) => Promise<void>

export function responseWriter({
  maxBytes,
  maxRows,
  maxAgeMs,
  now,
}: Omit<DatabaseResponsesOptions, 'sql'>): WriteResponse {
  return async (inside, owner, { id, reply, input }) => {
    const texts = { reply: JSON.stringify(reply), input: JSON.stringify(input) }
    const bytes = Buffer.byteLength(texts.reply) + Buffer.byteLength(texts.input)
    // A reply larger than the store would displace all others and then itself.
    if (bytes > maxBytes) return
    const at = now()
    await inside`INSERT INTO replies (id, key, at, expires, bytes, reply, input)
      VALUES (${id}, ${owner}, ${at}, ${at + maxAgeMs}, ${bytes}, ${texts.reply}, ${texts.input})
      ON CONFLICT (id) DO UPDATE SET at = excluded.at, expires = excluded.expires, bytes = excluded.bytes,
        reply = excluded.reply, input = excluded.input WHERE replies.key = excluded.key`
    // Each transaction that stores a reply has locked a row, so it must not wait for the rows of others.
    await inside`DELETE FROM replies WHERE id IN (SELECT id FROM replies WHERE expires < ${at} ${skipLocked})`
    await makeRoom(inside)
  }

  async function makeRoom(inside: Sql): Promise<void> {
    for (;;) {
      const [size] = await inside<Size>`SELECT count(*) AS n, coalesce(sum(bytes), 0) AS bytes FROM replies`
      if (size === undefined || (size.n <= maxRows && size.bytes <= maxBytes)) return
      const deleted = await inside`DELETE FROM replies WHERE id = (SELECT id FROM replies WHERE key =
          (SELECT key FROM replies GROUP BY key ORDER BY ${size.n > maxRows ? part`count(*)` : part`sum(bytes)`} DESC LIMIT 1)
        ORDER BY at, id LIMIT 1 ${skipLocked}) RETURNING id`
      // Another transaction is making room.
      if (deleted.length === 0) return
    }
  }
}

interface Size {
  n: number
  bytes: number
}

export function responseOf(id: string, { reply, input }: { reply: string; input: string }): StoredResponse {
  return { id, reply: JSON.parse(reply), input: JSON.parse(input) }
}
