import { createSignals } from '../async/signals.ts'
import { type Clock, withTimeout } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { BackgroundFormat, StoredResponse } from '../core/stored-conversation.ts'
import { truncate } from '../core/truncate.ts'
import type { BackgroundStore } from '../store/background-store.ts'
import { createEventsElsewhere, type EventsElsewhere } from './events-elsewhere.ts'

/** Stored replies that this gateway does not write. Another one may be writing them in the background. */
export interface RepliesElsewhere {
  /**
   * A stored reply as the client sees it. An unfinished one has failed if its gateway has stopped. Errors: `overloaded`
   * while the database is away.
   */
  current(owner: string, stored: StoredResponse, format: BackgroundFormat): Promise<StoredResponse>
  /**
   * Has an unfinished reply cancelled by the gateway that writes it. Resolves with the reply after that: it may have been
   * complete before, or have failed, if its gateway does not react; `undefined` if it was deleted meanwhile. Errors:
   * `invalid-request` if that gateway cannot be told, `overloaded` while the database is away.
   */
  cancel(owner: string, stored: StoredResponse, format: BackgroundFormat): Promise<StoredResponse | undefined>
  /**
   * As `cancel`, for a reply that is deleted next. If its gateway cannot be told, the stored reply is returned, and that
   * gateway goes on writing.
   */
  cancelIfPossible: RepliesElsewhere['cancel']
  /** The events of a reply in the background: see `EventsElsewhere`. */
  events: EventsElsewhere['open']
  /** Has a deleted reply forgotten by the gateway that has written it. Errors: `overloaded` while the database is away. */
  forget(owner: string, id: string): Promise<void>
}

export interface RepliesElsewhereOptions {
  /** Absent where no other gateway shares the store. */
  shared: BackgroundStore | undefined
  clock: Clock
}

/** How long a gateway has to react, and how often the database is asked meanwhile: a message may be lost. */
const reactionMs = 5_000
const askEveryMs = 250

export function createRepliesElsewhere({ shared, clock }: RepliesElsewhereOptions): RepliesElsewhere {
  const ends = createSignals()
  shared?.listen((message) => {
    if (message?.kind === 'ended') ends.send(message.id)
  })
  const elsewhere = shared && createEventsElsewhere(shared, clock)

  return {
    async current(owner, stored, format) {
      const aged = failedByAge(stored, format)
      if (!shared || !isUnfinished(aged, format)) return aged
      const writer = await shared.writerOf(owner, stored.id)
      // It was ended between the two statements.
      if (writer?.isOver) return (await shared.get(owner, stored.id)) ?? stored
      return writer?.isStopped ? failed(stored, format) : stored
    },
    async cancel(owner, stored, format) {
      const aged = failedByAge(stored, format)
      if (!isUnfinished(aged, format)) return aged
      if (!shared || !(await shared.writerOf(owner, stored.id))) throw unknownWriter(stored.id)
      return await cancelAndWait(shared, owner, stored, format)
    },
    async cancelIfPossible(owner, stored, format) {
      if (!shared || !isUnfinished(stored, format) || !(await shared.writerOf(owner, stored.id))) return stored
      return await cancelAndWait(shared, owner, stored, format)
    },
    events: async (owner, id, options) => await elsewhere?.open(owner, id, options),
    forget: async (owner, id) => await shared?.delete(owner, id),
  }

  function failedByAge(stored: StoredResponse, format: BackgroundFormat): StoredResponse {
    return { ...stored, reply: format.failIfAbandoned(stored.reply, Math.floor(clock.now() / 1000)) }
  }

  /** Asks the gateway of the reply to cancel it. If it does not react in time, the reply is stored as failed. */
  async function cancelAndWait(
    replies: BackgroundStore,
    owner: string,
    stored: StoredResponse,
    format: BackgroundFormat,
  ): Promise<StoredResponse | undefined> {
    await replies.askToCancel(owner, stored.id)
    if (await endsInTime(replies, owner, stored.id)) return await replies.get(owner, stored.id)
    return await replies.abandon(owner, failed(stored, format))
  }

  /** Resolves with whether the reply ends before its gateway has stopped, or has had enough time. */
  async function endsInTime(replies: BackgroundStore, owner: string, id: string): Promise<boolean> {
    const deadline = clock.monotonic() + reactionMs
    for (;;) {
      const ended = ends.next(id)
      try {
        const writer = await replies.writerOf(owner, id)
        if (writer === undefined || writer.isOver) return true
        if (writer.isStopped || clock.monotonic() >= deadline) return false
        await withTimeout(ended.promise, askEveryMs, () => {}, clock)
      } finally {
        ended.stop()
      }
    }
  }
}

function isUnfinished(stored: StoredResponse, format: BackgroundFormat): boolean {
  return failed(stored, format).reply !== stored.reply
}

/** The reply as that of a gateway that has stopped. */
function failed(stored: StoredResponse, format: BackgroundFormat): StoredResponse {
  return { ...stored, reply: format.failIfAbandoned(stored.reply, Number.POSITIVE_INFINITY) }
}

function unknownWriter(id: string): GatewayError {
  return new GatewayError(
    'invalid-request',
    `This gateway does not write the response '${truncate(id)}': it was restarted meanwhile, or another gateway writes it. Cancel it there; gateways with STORE=database on one PostgreSQL do that for each other.`,
    { status: 409, code: 'response_written_elsewhere' },
  )
}
