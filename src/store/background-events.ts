import { bySize, mostBytesInTime } from '../database/by-size.ts'
import type { Database, Sql } from '../database/sql.ts'

/**
 * Events of replies in the background, on one PostgreSQL. A gateway stores those of a reply only while a client of another
 * gateway wants them.
 */
export interface BackgroundEvents {
  /** Stores events that follow each other. */
  write(id: string, portion: EventPortion): Promise<void>
  /** The next stored events, beginning with that of the number `from`, and whether the reply ends with them. */
  read(id: string, from: number): Promise<{ events: string[]; isEnd: boolean }>
  /** Whether any are stored. */
  has(id: string): Promise<boolean>
  delete(id: string): Promise<void>
}

export interface EventPortion {
  /** The number of the first one. */
  from: number
  events: readonly string[]
  /** Whether the reply ends with them. */
  isEnd: boolean
}

interface Row {
  n: number
  count: number
  last: number
  /** `null` where the text is too large to be read in time. */
  events: string | null
}

const portionsAtOnce = 4

export function databaseEvents(sql: Database, now: () => number, notify: (id: string) => string): BackgroundEvents {
  return {
    async write(id, { from, events, isEnd }) {
      const text = JSON.stringify(events)
      await bySize(sql, text.length)`
        WITH written AS (
          INSERT INTO background_events (reply, n, at, count, last, events)
          VALUES (${id}, ${from}, ${now()}, ${events.length}, ${Number(isEnd)}, ${text})
          ON CONFLICT (reply, n) DO UPDATE SET at = excluded.at, count = excluded.count, last = excluded.last,
            events = excluded.events
          RETURNING n
        )
        SELECT pg_notify(${backgroundChannel}, ${notify(id)})::text AS notified FROM written`
    },
    read: (id, from) => read(sql, id, from),
    async has(id) {
      return (await sql`SELECT n FROM background_events WHERE reply = ${id} LIMIT 1`).length > 0
    },
    async delete(id) {
      await sql`DELETE FROM background_events WHERE reply = ${id}`
    },
  }
}

/** The channel of the messages about replies in the background. */
export const backgroundChannel = 'zai2api_background'

async function read(sql: Database, id: string, from: number): Promise<{ events: string[]; isEnd: boolean }> {
  const rows = await sql<Row>`SELECT n, count, last,
      CASE WHEN octet_length(events) <= ${mostBytesInTime} THEN events END AS events
    FROM background_events WHERE reply = ${id} AND (n + count > ${from} OR last = 1) ORDER BY n LIMIT ${portionsAtOnce}`
  const found: string[] = []
  for (const { n, count, last, events } of rows) {
    const next = from + found.length
    // The portion in between is not there yet.
    if (n > next) break
    const texts: string[] = JSON.parse(events ?? (await largePortion(sql.background, id, n)))
    found.push(...texts.slice(next - n))
    if (last === 1 && n + count <= from + found.length) return { events: found, isEnd: true }
  }
  return { events: found, isEnd: false }
}

/** The list is empty if the portion is gone, and shorter or longer if it was stored again. */
async function largePortion(sql: Sql, id: string, n: number): Promise<string> {
  const [row] = await sql<{ events: string }>`SELECT events FROM background_events WHERE reply = ${id} AND n = ${n}`
  return row?.events ?? '[]'
}
