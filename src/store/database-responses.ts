import type { StoredResponse, StoredResponseJson } from '../core/stored-conversation.ts'
import { bySize, mostBytesInTime } from '../database/by-size.ts'
import { type Database, forUpdate, part, type Sql, skipLocked } from '../database/sql.ts'
import { jsonOf, responseOf } from './response-json.ts'
import type { LongSteps, ResponseChange, ResponseStore } from './responses.ts'

export interface DatabaseResponsesOptions {
  sql: Database
  /** The most bytes of all stored texts. */
  maxBytes: number
  maxRows: number
  maxAgeMs: number
  /** Epoch milliseconds. */
  now: () => number
  /** Absent: long replies are changed in one step. */
  longSteps?: LongSteps | undefined
}

/**
 * Stored replies in the gateway's database, for `STORE=database`: several gateways on one PostgreSQL share them. When they
 * are too many or too large together, the oldest reply of the key that has the most is deleted. Methods reject with the
 * errors of the database.
 */
export function databaseResponses(options: DatabaseResponsesOptions): ResponseStore {
  const { sql, now, longSteps } = options
  const write = responseWriter(options)
  return {
    async put(owner, response, json) {
      const texts = textsOf(response, json)
      await bySize(sql, texts.bytes).transaction((inside) => write(inside, owner, texts))
    },
    async change(owner, id, change) {
      const changed = await sql.transaction((inside) => changeIn(inside, { owner, id, change }, mostBytesInTime))
      if (changed !== tooLarge) return changed
      const large = await sql.background.transaction((inside) =>
        changeIn(inside, { owner, id, change }, Number.POSITIVE_INFINITY),
      )
      return large === tooLarge ? undefined : large
    },
    get: (owner, id) => findResponse(sql, { owner, id, now: now() }),
    async delete(owner, id) {
      const deleted = await sql`DELETE FROM replies WHERE id = ${id} AND key = ${owner} RETURNING id`
      return deleted.length > 0
    },
    // Does nothing, because others use the database, too.
    close: async () => {},
  }

  /** Resolves with `tooLarge`, and has changed nothing, if there are more bytes than `most` before or after it. */
  async function changeIn(
    inside: Sql,
    { owner, id, change }: { owner: string; id: string; change: ResponseChange },
    most: number,
  ): Promise<StoredResponse | typeof tooLarge | undefined> {
    const [found] = await inside<{ bytes: number }>`SELECT bytes FROM replies
      WHERE id = ${id} AND key = ${owner} AND expires >= ${now()} ${forUpdate}`
    if (found === undefined) return undefined
    if (found.bytes > most) return tooLarge
    const [row] = await inside<ResponseRow>`SELECT reply, input FROM replies WHERE id = ${id}`
    if (row === undefined) return undefined
    const steps = found.bytes > mostBytesInTime ? longSteps : undefined
    await steps?.pause()
    const stored = responseOf(id, row)
    await steps?.pause()
    const changed = change(stored)
    const texts = textsOf(changed, await steps?.json(changed))
    if (texts.bytes > most) return tooLarge
    await write(inside, owner, texts)
    return changed
  }
}

const tooLarge = Symbol('too large')

/** A stored reply, unless it has expired at `now`. */
export async function findResponse(
  sql: Database,
  { owner, id, now }: { owner: string; id: string; now: number },
): Promise<StoredResponse | undefined> {
  const isInTime = part`bytes <= ${mostBytesInTime}`
  const [row] = await sql<{ reply: string | null; input: string | null }>`SELECT
      CASE WHEN ${isInTime} THEN reply END AS reply, CASE WHEN ${isInTime} THEN input END AS input
    FROM replies WHERE id = ${id} AND key = ${owner} AND expires >= ${now}`
  if (row === undefined) return undefined
  const { reply, input } = row
  if (reply !== null && input !== null) return responseOf(id, { reply, input })
  return await largeResponse(sql.background, owner, id)
}

async function largeResponse(sql: Sql, owner: string, id: string): Promise<StoredResponse | undefined> {
  const [row] = await sql<ResponseRow>`SELECT reply, input FROM replies WHERE id = ${id} AND key = ${owner}`
  return row && responseOf(id, row)
}

interface ResponseRow {
  reply: string
  input: string
}

/** A reply as it is stored. */
export interface ResponseTexts extends ResponseRow {
  id: string
  /** Of both texts. */
  bytes: number
}

export function textsOf(response: StoredResponse, json: StoredResponseJson = jsonOf(response)): ResponseTexts {
  const { reply, input } = json
  return { id: response.id, reply, input, bytes: Buffer.byteLength(reply) + Buffer.byteLength(input) }
}

/** Stores a reply in a transaction, and makes room for it. */
export type WriteResponse = (inside: Sql, owner: string, texts: ResponseTexts) => Promise<void>

export function responseWriter({
  maxBytes,
  maxRows,
  maxAgeMs,
  now,
}: Omit<DatabaseResponsesOptions, 'sql'>): WriteResponse {
  return async (inside, owner, { id, reply, input, bytes }) => {
    // A reply larger than the store would displace all others and then itself.
    if (bytes > maxBytes) return
    const at = now()
    await inside`INSERT INTO replies (id, key, at, expires, bytes, reply, input)
      VALUES (${id}, ${owner}, ${at}, ${at + maxAgeMs}, ${bytes}, ${reply}, ${input})
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
