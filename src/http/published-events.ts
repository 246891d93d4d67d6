import type { Clock } from '../core/clock.ts'
import type { EventPortion } from '../store/background-events.ts'
import type { BackgroundStore } from '../store/background-store.ts'

/** Stores the events of replies that this gateway writes while clients of other gateways want them. */
export interface PublishedEvents {
  /** A client of another gateway wants the events of this reply, for some seconds from now on. */
  want(id: string, reply: PublishedReply): void
  /** The reply is deleted. */
  stop(id: string): void
}

export interface PublishedReply {
  /** The events from this number on, as far as there are any. */
  eventsFrom(from: number): { events: readonly string[]; isOver: boolean }
}

/** How long events are stored after a client was last heard to want them; see `renewMs` of those that ask. */
const wantedMs = 10_000
/** Events that come within this time are stored together. */
const togetherMs = 200
/** The longest text of one portion, unless one event is longer. */
const mostText = 100_000

export function publishedEvents(store: BackgroundStore, clock: Clock): PublishedEvents {
  /** Until when the events of each reply are wanted. */
  const wantedUntil = new Map<string, number>()
  return {
    want(id, reply) {
      const isPublished = wantedUntil.has(id)
      wantedUntil.set(id, clock.monotonic() + wantedMs)
      if (!isPublished) void publish(id, reply)
    },
    stop(id) {
      if (wantedUntil.has(id)) wantedUntil.set(id, Number.NEGATIVE_INFINITY)
    },
  }

  async function publish(id: string, reply: PublishedReply): Promise<void> {
    let from = 0
    let isEnd = false
    while (clock.monotonic() < (wantedUntil.get(id) ?? 0)) {
      const portion: EventPortion | undefined = isEnd ? undefined : portionOf(reply, from)
      // The database module reports outages; the same portion is tried again.
      const isWritten = portion !== undefined && (await succeeds(store.events.write(id, portion)))
      if (isWritten) {
        from += portion.events.length
        isEnd = portion.isEnd
      }
      const hasMore = isWritten && !isEnd && reply.eventsFrom(from).events.length > 0
      if (!hasMore || portion.events.length < 2) await new Promise<void>((resolve) => clock.after(togetherMs, resolve))
    }
    await succeeds(store.events.delete(id))
    wantedUntil.delete(id)
  }
}

function portionOf(reply: PublishedReply, from: number): EventPortion | undefined {
  const { events, isOver } = reply.eventsFrom(from)
  let length = 0
  let count = 0
  while (count < events.length && (count === 0 || length < mostText)) length += events[count++]?.length ?? 0
  const isEnd = isOver && count === events.length
  return count > 0 || isEnd ? { from, events: events.slice(0, count), isEnd } : undefined
}

async function succeeds(work: Promise<void>): Promise<boolean> {
  return await work.then(
    () => true,
    () => false,
  )
}
