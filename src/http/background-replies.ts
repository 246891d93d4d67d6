import { createParser } from 'eventsource-parser'
import { type Clock, withTimeout } from '../core/clock.ts'
import { sseMessage } from '../core/sse.ts'
import type { BackgroundFormat, StoredResponse } from '../core/stored-conversation.ts'
import type { ResponseStore } from '../store/responses.ts'

/** Replies that are written while no client waits. Each belongs to an owner, the `keyId` of a caller. */
export interface BackgroundReplies {
  /** Stores the reply before its first event, and then reads the stream to its end. */
  begin(owner: string, options: BackgroundOptions): Promise<BackgroundReply>
  /** A reply that is being written, or was until recently. */
  find(owner: string, id: string): BackgroundReply | undefined
  /** Forgets a reply that is over. Returns whether there was one. */
  forget(owner: string, id: string): boolean
}

export interface BackgroundOptions {
  format: BackgroundFormat
  /** The reply before its first event. */
  queued: StoredResponse
  /** The events of the stream, numbered from 0. Never rejects. */
  streaming: Promise<ReadableStream<Uint8Array> | null>
  /** Whether the stream has stored the complete reply before its last event. */
  isStored: () => boolean
  /** Cancels the upstream's call. */
  abort: () => void
}

export interface BackgroundReply {
  /** The reply as far as it is written. */
  current(): StoredResponse
  /** The events behind this number, as they come. The client may leave and come back. */
  events(after: number, keepAlive: { text: string; everyMs: number }): ReadableStream<Uint8Array>
  /** Cancels the reply if it is not over yet. Resolves with the stored reply after that. */
  cancel(): Promise<StoredResponse>
}

/** Characters of all replies that are over, with their events and conversations, which clients may still read again. */
const mostKeptText = 64 * 1024 * 1024

export function createBackgroundReplies(
  store: ResponseStore,
  clock: Clock,
  maxKeptText = mostKeptText,
): BackgroundReplies {
  const running = new Map<string, BackgroundReply>()
  const over = new Map<string, { background: BackgroundReply; length: number }>()
  let keptText = 0

  return {
    find: (owner, id) => running.get(keyOf(owner, id)) ?? over.get(keyOf(owner, id))?.background,
    forget: (owner, id) => drop(keyOf(owner, id)),
    async begin(owner, options) {
      const key = keyOf(owner, options.queued.id)
      const reply = writtenReply(options, {
        clock,
        put: (last) => store.put(owner, last),
        onOver(length) {
          running.delete(key)
          keep(key, reply.background, length)
        },
      })
      running.set(key, reply.background)
      await store.put(owner, options.queued)
      reply.read().catch(() => {})
      return reply.background
    },
  }

  function keep(key: string, background: BackgroundReply, length: number): void {
    over.set(key, { background, length })
    keptText += length
    for (const oldest of over.keys()) {
      if (keptText <= maxKeptText) return
      drop(oldest)
    }
  }

  function drop(key: string): boolean {
    keptText -= over.get(key)?.length ?? 0
    return over.delete(key)
  }
}

interface WrittenReplyOptions {
  clock: Clock
  put: (reply: StoredResponse) => Promise<void>
  /** Called when the reply is over, with the characters of its events and its conversation. */
  onOver: (length: number) => void
}

/** One reply from its first event to its end. `read` reads the stream, and rejects if the stream breaks off. */
function writtenReply(
  { format, queued, streaming, isStored, abort }: BackgroundOptions,
  { clock, put, onOver }: WrittenReplyOptions,
): { background: BackgroundReply; read(): Promise<void> } {
  const events: string[] = []
  // Resolves when the last state of the reply is stored.
  const stored = Promise.withResolvers<void>()
  // Resolves at the next event or at the end, and is then replaced.
  let change = Promise.withResolvers<void>()
  let reply = queued.reply
  let isOver = false
  const current = () => ({ ...queued, reply })

  return { background: { current, events: eventsAfter, cancel }, read }

  async function read(): Promise<void> {
    const parser = createParser({
      onEvent({ event, data }) {
        if (isOver) return
        events.push(sseMessage(data, event))
        reply = format.update(reply, data)
      },
    })
    const decoder = new TextDecoder()
    try {
      for await (const bytes of (await streaming) ?? []) {
        parser.feed(decoder.decode(bytes, { stream: true }))
        wake()
      }
    } finally {
      // A stream without an end must not leave a reply that clients wait for in vain.
      const last = format.settled(reply, Number.POSITIVE_INFINITY)
      finish(last, last === reply && isStored())
    }
  }

  async function cancel(): Promise<StoredResponse> {
    if (!isOver) {
      finish(format.cancelled(reply), false)
      abort()
    }
    await stored.promise
    return current()
  }

  /** Ends the reply. Unless the stream has stored it, its last state replaces what was stored before it began. */
  function finish(last: StoredResponse['reply'], wasStored: boolean): void {
    if (isOver) return
    reply = last
    isOver = true
    wake()
    onOver(events.reduce((sum, { length }) => sum + length, 0) + JSON.stringify(current()).length)
    if (wasStored) stored.resolve()
    else void put(current()).then(stored.resolve)
  }

  function wake(): void {
    change.resolve()
    change = Promise.withResolvers()
  }

  function eventsAfter(after: number, keepAlive: { text: string; everyMs: number }): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder()
    let next = after + 1
    return new ReadableStream({
      async pull(controller) {
        while (next >= events.length && !isOver) {
          if (await changesWithin(keepAlive.everyMs)) continue
          controller.enqueue(encoder.encode(keepAlive.text))
          return
        }
        const due = events.slice(next)
        next += due.length
        if (due.length > 0) controller.enqueue(encoder.encode(due.join('')))
        else controller.close()
      },
    })
  }

  async function changesWithin(ms: number): Promise<boolean> {
    const changed = change.promise.then(() => true)
    return await withTimeout(changed, ms, () => false, clock)
  }
}

function keyOf(owner: string, id: string): string {
  return JSON.stringify([owner, id])
}
