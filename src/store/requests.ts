import { forUpdate, inserted, newRows, part, type Sql, type SqlPart } from '../database/sql.ts'

/**
 * One finished request. There are columns for everything that lists filter by or sums need. `meta` has all facts, as
 * JSON.
 */
export interface StoredRequest {
  id: string
  /** When it came, in epoch milliseconds. */
  at: number
  /** Id of the client's key. */
  key: string
  model: string | null
  upstream: string | null
  client: string | null
  session: string | null
  agent: string | null
  status: number | null
  /** The code of the error. */
  error: string | null
  ms: number | null
  first_ms: number | null
  /** Tokens of the prompt, including cached ones. */
  tokens_in: number | null
  tokens_cached: number | null
  /** Tokens of the reply, including reasoning. */
  tokens_out: number | null
  tokens_reasoning: number | null
  credits: number | null
  usd: number | null
  meta: string
  /** Steps, attempts and route, as JSON; `null` in rows of older versions. */
  detail: string | null
}

/** A request to be stored. `countedAs` holds the names that its usage is counted under, if they differ from its own. */
export interface NewRequest extends StoredRequest {
  countedAs?: { model: string | null; client: string | null } | undefined
  /** The last attempt to store the request, if its answer was lost: see `markAttempt`. */
  attempt?: string
}

/** Absent members do not restrict. A name matches if it contains the text, in any case. */
export interface RequestFilter {
  /** All of these words must occur somewhere. */
  words?: string | undefined
  /** A number, or `error` for every failure except that the client left. */
  status?: string | undefined
  model?: string | undefined
  client?: string | undefined
  /** Id or label of the key. */
  key?: string | undefined
  upstream?: string | undefined
  session?: string | undefined
  /** Epoch milliseconds, inclusive. */
  since?: number | undefined
  /** Epoch milliseconds, exclusive. */
  until?: number | undefined
  minMs?: number | undefined
  /** Only requests with a note. */
  noted?: boolean | undefined
}

export interface RequestPage {
  /** Newest first. */
  rows: StoredRequest[]
  /** Where the next page begins; `undefined` at the end. */
  next: string | undefined
}

const columns = [
  ...(['id', 'at', 'key', 'model', 'upstream', 'client', 'session', 'agent', 'status', 'error', 'ms'] as const),
  ...([
    'first_ms',
    'tokens_in',
    'tokens_cached',
    'tokens_out',
    'tokens_reasoning',
    'credits',
    'usd',
    'meta',
    'detail',
  ] as const),
] as const

/** Filters without an index scan this many rows at a time, which takes SQLite about 10 ms. */
const sliceRows = 4_000
/** After this many scanned rows a page ends with the rows found so far, and the next page continues there. */
const maxScanned = 100_000

/** Stores rows and returns the ids of the new ones. */
export async function insertRequests(sql: Sql, rows: readonly StoredRequest[]): Promise<Set<string>> {
  const added = await sql<{ id: string }>`INSERT INTO ${newRows('requests', columns, rows)}
    ON CONFLICT (at, id) DO NOTHING ${inserted('id')}`
  return new Set(added.map(({ id }) => id))
}

export async function requestById(sql: Sql, id: string): Promise<StoredRequest | undefined> {
  const [row] = await sql<StoredRequest>`SELECT * FROM requests WHERE id = ${id}`
  return row
}

/** The requests of the same session and agent right before and after this one. */
export async function requestNeighbours(
  sql: Sql,
  { session, agent, at, id }: Pick<StoredRequest, 'session' | 'agent' | 'at' | 'id'>,
): Promise<{ previous?: string; next?: string }> {
  if (session === null) return {}
  const [before] = await sql<{ id: string }>`SELECT id FROM requests
    WHERE session = ${session} AND coalesce(agent, '') = ${agent ?? ''} AND (at, id) < (${at}, ${id})
    ORDER BY at DESC, id DESC LIMIT 1`
  const [after] = await sql<{ id: string }>`SELECT id FROM requests
    WHERE session = ${session} AND coalesce(agent, '') = ${agent ?? ''} AND (at, id) > (${at}, ${id})
    ORDER BY at, id LIMIT 1`
  return { ...(before ? { previous: before.id } : {}), ...(after ? { next: after.id } : {}) }
}

/**
 * A page of at most `limit` rows, newest first, from `before` on. A page with fewer rows, even none, may still have a
 * next page, because filters without an index scan only a part of the table.
 *
 * `undefined` if `before` is not a cursor. Errors: those of `Sql`.
 */
export async function requestPage(
  sql: Sql,
  filter: RequestFilter,
  limit: number,
  before?: string,
): Promise<RequestPage | undefined> {
  let from = before === undefined ? newest : cursorIn(before)
  if (from === undefined) return undefined
  const range = rangeOf(filter)
  const where = conditionOf(filter)
  const rows: StoredRequest[] = []
  for (let scanned = 0; scanned < maxScanned; scanned += sliceRows) {
    const { at, id }: RowPosition = from
    const last: RowPosition | undefined = (
      await sql<RowPosition>`SELECT at, id FROM requests WHERE (at, id) < (${at}, ${id}) ${range}
        ORDER BY at DESC, id DESC LIMIT 1 OFFSET ${sliceRows - 1}`
    )[0]
    const to = last ?? oldest
    const wanted = limit - rows.length
    rows.push(
      ...(await sql<StoredRequest>`SELECT * FROM requests
        WHERE (at, id) < (${at}, ${id}) AND (at, id) >= (${to.at}, ${to.id}) ${range} ${where}
        ORDER BY at DESC, id DESC LIMIT ${wanted}`),
    )
    const end = rows.at(-1)
    if (rows.length === limit && end) return { rows, next: cursorOf(end) }
    if (last === undefined) return { rows, next: undefined }
    from = last
    // Lets other work run in between.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { rows, next: cursorOf(from) }
}

/** Deletes at most `limit` of the oldest rows, or of the rows older than `before`. Returns their number. */
export async function deleteOldestRequests(sql: Sql, limit: number, before = Number.MAX_SAFE_INTEGER): Promise<number> {
  // A gateway that waits while another deletes the same rows deletes no other rows instead.
  const deleted = await sql`DELETE FROM requests WHERE (at, id) IN (
    SELECT at, id FROM requests WHERE (at, id) IN
      (SELECT at, id FROM requests WHERE at < ${before} ORDER BY at, id LIMIT ${limit})
    ORDER BY at, id ${forUpdate}) RETURNING 1 AS one`
  return deleted.length
}

export async function countRequests(sql: Sql): Promise<number> {
  const [found] = await sql<{ n: number }>`SELECT count(*) AS n FROM requests`
  return found?.n ?? 0
}

interface RowPosition {
  at: number
  id: string
}

const newest: RowPosition = { at: Number.MAX_SAFE_INTEGER, id: '' }
const oldest: RowPosition = { at: -1, id: '' }

function cursorOf({ at, id }: RowPosition): string {
  return `${at}.${id}`
}

function cursorIn(text: string): RowPosition | undefined {
  const [, at, id] = /^(\d{1,15})\.(.{1,100})$/.exec(text) ?? []
  return at === undefined || id === undefined ? undefined : { at: Number(at), id }
}

/** Conditions that an index can check. */
function rangeOf({ since, until, session }: RequestFilter): SqlPart {
  return and([
    ...(since === undefined ? [] : [part`at >= ${since}`]),
    ...(until === undefined ? [] : [part`at < ${until}`]),
    ...(session === undefined ? [] : [part`session = ${session}`]),
  ])
}

function conditionOf({ words = '', status, model, client, key, upstream, minMs, noted }: RequestFilter): SqlPart {
  return and([
    ...(status === undefined ? [] : [statusIs(status)]),
    ...(model === undefined
      ? []
      : [
          part`(lower(model) LIKE ${like(model)} ESCAPE '\\' OR lower(meta) LIKE ${like(member('asked', model))} ESCAPE '\\')`,
        ]),
    ...(client === undefined ? [] : [part`lower(client) LIKE ${like(client)} ESCAPE '\\'`]),
    ...(key === undefined
      ? []
      : [part`(key = ${key} OR meta LIKE ${like(`${member('label', key)}"`, false)} ESCAPE '\\')`]),
    ...(upstream === undefined ? [] : [part`upstream = ${upstream}`]),
    ...(minMs === undefined ? [] : [part`ms >= ${minMs}`]),
    ...(noted ? [part`meta NOT LIKE ${'%"notes":[]%'}`] : []),
    ...words
      .split(/\s+/)
      .filter((word) => word !== '')
      .slice(0, maxWords)
      .map((word) => part`lower(meta) LIKE ${like(JSON.stringify(word).slice(1, -1))} ESCAPE '\\'`),
  ])
}

const maxWords = 8

function statusIs(status: string): SqlPart {
  if (/^\d{3}$/.test(status)) return part`status = ${Number(status)}`
  return part`(error IS NOT NULL OR status >= 400) AND coalesce(error, '') <> 'cancelled'`
}

/** The beginning of a member with a text, as it is in `meta`. */
function member(name: string, text: string): string {
  return `"${name}":${JSON.stringify(text).slice(0, -1)}`
}

/** A pattern for LIKE that finds the text anywhere, in lower case unless case matters. `\` escapes on both engines. */
function like(text: string, anyCase = true): string {
  const escaped = (anyCase ? text.toLowerCase() : text).replaceAll(/[\\%_]/g, '\\$&')
  return `%${escaped}%`
}

function and(conditions: readonly SqlPart[]): SqlPart {
  return conditions.reduce((before, condition) => part`${before} AND ${condition}`, part``)
}
