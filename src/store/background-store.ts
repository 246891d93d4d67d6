import type { StoredResponse } from '../core/stored-conversation.ts'
import { bySize } from '../database/by-size.ts'
import { type Database, forUpdate, type Sql } from '../database/sql.ts'
import { type BackgroundEvents, backgroundChannel, databaseEvents } from './background-events.ts'
import {
  type DatabaseResponsesOptions,
  findResponse,
  type ResponseTexts,
  responseWriter,
  textsOf,
} from './database-responses.ts'
import type { LiveGateways } from './live-gateways.ts'
import { mapDatabaseErrors } from './map-database-errors.ts'
import { failureReporter, ignoreUnavailable } from './responses.ts'

/**
 * Replies in the background of several gateways on one PostgreSQL. One gateway writes each of them, and the others tell it
 * through the database what its client asks of them. A reply ends once: whoever ends it first decides how.
 */
export interface BackgroundStore {
  /**
   * Stores a reply before its first event: this gateway writes it from now on. Resolves with whether it could be stored.
   */
  begin(owner: string, queued: StoredResponse): Promise<boolean>
  /**
   * Stores the last state of a reply that this gateway has written. Resolves with what is stored, which is something else
   * if another gateway has ended the reply; `undefined` if nothing can be stored now; `deleted` for a reply that was
   * stored before its first event (`hasBegun`) and has been deleted since. Never rejects.
   */
  end(owner: string, last: StoredResponse, hasBegun: boolean): Promise<StoredResponse | 'deleted' | undefined>
  /**
   * Ends a reply whose gateway does not react. Resolves with what is stored; `undefined` if it is deleted. Errors:
   * `overloaded`.
   */
  abandon(owner: string, last: StoredResponse): Promise<StoredResponse | undefined>
  /** Errors: `overloaded`. */
  get(owner: string, id: string): Promise<StoredResponse | undefined>
  /** The gateway that writes a reply, or has written it. Errors: `overloaded`. */
  writerOf(owner: string, id: string): Promise<Writer | undefined>
  /** Asks the gateway that writes a reply to cancel it. Errors: `overloaded`. */
  askToCancel(owner: string, id: string): Promise<void>
  /**
   * Asks the gateway that writes a reply, or has written it, to store its events for some seconds. Resolves with whether
   * there is one. Errors: `overloaded`.
   */
  askForEvents(owner: string, id: string): Promise<boolean>
  /** Errors: those of the database. */
  readonly events: BackgroundEvents
  /** The replies that this gateway has been asked to cancel and has not ended. Errors: those of the database. */
  toCancel(): Promise<ReplyName[]>
  /** Tells the gateway that has written a reply that it is deleted. Errors: `overloaded`. */
  delete(owner: string, id: string): Promise<void>
  /** The replies of this gateway that are not deleted. Errors: those of the database. */
  notDeleted(): Promise<ReplyName[]>
  /**
   * Calls `onMessage` with each message of the gateways, and with `undefined` each time listening begins, because earlier
   * messages are lost.
   */
  listen(onMessage: (message: BackgroundMessage | undefined) => void): void
}

export interface ReplyName {
  owner: string
  id: string
}

export interface Writer {
  /** Whether the reply is over. */
  isOver: boolean
  /** Whether the gateway has stopped for certain. */
  isStopped: boolean
}

const messageKinds = ['cancel', 'ended', 'deleted', 'wanted', 'events'] as const

export interface BackgroundMessage extends ReplyName {
  kind: (typeof messageKinds)[number]
}

export interface BackgroundStoreOptions extends DatabaseResponsesOptions {
  /** A database on PostgreSQL. */
  sql: Database
  /** The id of this gateway. */
  node: string
  gateways: Pick<LiveGateways, 'isComplete'>
  /** Called where replies can no longer be stored. */
  warn: (cause: unknown) => void
}

export function databaseBackground(options: BackgroundStoreOptions): BackgroundStore {
  const { sql, node, gateways, now, warn } = options
  const write = responseWriter(options)
  const attempt = failureReporter<'write'>((_, cause) => warn(cause))
  return {
    async begin(owner, queued) {
      const texts = textsOf(queued)
      const on = bySize(sql, texts.bytes)
      return await attempt('write', () => on.transaction((inside) => begin(inside, owner, texts))).catch(() => false)
    },
    end: (owner, last, hasBegun) =>
      attempt('write', () => endWith(owner, last, { by: 'writer', hasBegun })).catch(ignoreUnavailable),
    async abandon(owner, last) {
      const ended = await mapDatabaseErrors(endWith(owner, last, { by: 'other', hasBegun: true }))
      return ended === 'deleted' ? undefined : ended
    },
    get: (owner, id) => mapDatabaseErrors(find(owner, id)),
    writerOf: (owner, id) => mapDatabaseErrors(writerOf(owner, id)),
    async askToCancel(owner, id) {
      await mapDatabaseErrors(sql`
        WITH asked AS (
          UPDATE background_replies SET cancelled = ${now()} WHERE id = ${id} AND key = ${owner} AND ended IS NULL RETURNING id
        )
        SELECT pg_notify(${backgroundChannel}, ${payloadOf('cancel', owner, id)})::text AS notified FROM asked`)
    },
    async askForEvents(owner, id) {
      const writer = await mapDatabaseErrors(writerOf(owner, id))
      if (writer === undefined || writer.isStopped) return false
      await mapDatabaseErrors(
        sql`SELECT pg_notify(${backgroundChannel}, ${payloadOf('wanted', owner, id)})::text AS notified`,
      )
      return true
    },
    events: databaseEvents(sql, now, (id) => payloadOf('events', '', id)),
    toCancel: () => sql<ReplyName>`SELECT key AS owner, id FROM background_replies
      WHERE node = ${node} AND cancelled IS NOT NULL`,
    async delete(owner, id) {
      await mapDatabaseErrors(sql`
        WITH deleted AS (
          DELETE FROM background_replies WHERE id = ${id} AND key = ${owner} RETURNING id
        ), events AS (
          DELETE FROM background_events WHERE reply IN (SELECT id FROM deleted)
        )
        SELECT pg_notify(${backgroundChannel}, ${payloadOf('deleted', owner, id)})::text AS notified FROM deleted`)
    },
    notDeleted: () => sql<ReplyName>`SELECT key AS owner, id FROM background_replies WHERE node = ${node}`,
    listen: (onMessage) =>
      void sql.listen(backgroundChannel, (payload) => {
        const message = payload === undefined ? undefined : messageOf(payload)
        if (payload === undefined || message) onMessage(message)
      }),
  }

  /**
   * Waits for the disk: to its gateway, a reply that a crash of the server has lost would be a deleted one. An earlier
   * attempt may have succeeded without an answer, and the reply may be over since.
   */
  async function begin(inside: Sql, owner: string, texts: ResponseTexts): Promise<boolean> {
    await inside`SET LOCAL synchronous_commit = on`
    const begun = await inside`INSERT INTO background_replies (id, key, node, at)
      VALUES (${texts.id}, ${owner}, ${node}, ${now()}) ON CONFLICT (id) DO NOTHING RETURNING id`
    if (begun.length > 0) await write(inside, owner, texts)
    return true
  }

  function find(owner: string, id: string): Promise<StoredResponse | undefined> {
    return findResponse(sql, { owner, id, now: now() })
  }

  async function writerOf(owner: string, id: string): Promise<Writer | undefined> {
    const [row] = await sql<{ ended: number | null; alive: number }>`SELECT ended,
        (SELECT count(*) FROM gateways WHERE gateways.node = background_replies.node AND expires >= ${now()}) AS alive
      FROM background_replies WHERE id = ${id} AND key = ${owner}`
    return row && { isOver: row.ended !== null, isStopped: row.alive === 0 && gateways.isComplete() }
  }

  async function endWith(owner: string, last: StoredResponse, how: End): Promise<StoredResponse | 'deleted'> {
    const texts = textsOf(last)
    const result = await bySize(sql, texts.bytes).transaction((inside) => end(inside, owner, texts, how))
    if (result !== 'ended before') return result === 'deleted' ? result : last
    return (await find(owner, last.id)) ?? last
  }

  /** `cancelled` stays for a writer that may react yet. */
  async function end(
    inside: Sql,
    owner: string,
    texts: ResponseTexts,
    { by, hasBegun }: End,
  ): Promise<'stored' | 'ended before' | 'deleted'> {
    const { id } = texts
    const [row] = await inside<{ ended: number | null; cancelled: number | null }>`SELECT ended, cancelled
      FROM background_replies WHERE id = ${id} AND key = ${owner} ${forUpdate}`
    // Another gateway may have deleted it, and this one may not have heard of that.
    if (row === undefined && hasBegun) return 'deleted'
    const asked = row?.cancelled ?? null
    const ended = row?.ended ?? null
    await inside`UPDATE background_replies SET ended = ${ended ?? now()}, cancelled = ${by === 'writer' ? null : asked}
      WHERE id = ${id} AND key = ${owner}`
    if (ended !== null) return 'ended before'
    await write(inside, owner, texts)
    // Clients of other gateways wait for it.
    if (asked !== null) await inside`SELECT pg_notify(${backgroundChannel}, ${payloadOf('ended', owner, id)})::text`
    return 'stored'
  }
}

interface End {
  by: 'writer' | 'other'
  hasBegun: boolean
}

function payloadOf(kind: BackgroundMessage['kind'], owner: string, id: string): string {
  return JSON.stringify([kind, owner, id])
}

/** `undefined` for what a newer version sends. */
function messageOf(payload: string): BackgroundMessage | undefined {
  const [said, owner, id] = JSON.parse(payload)
  const kind = messageKinds.find((known) => known === said)
  return kind && { kind, owner: String(owner), id: String(id) }
}
