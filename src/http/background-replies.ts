import { createParser } from 'eventsource-parser'
import { type Clock, withTimeout } from '../core/clock.ts'
import { sseMessage } from '../core/sse.ts'
import type { BackgroundFormat, StoredResponse } from '../core/stored-conversation.ts'
import type { ResponseStore } from '../store/responses.ts'

/** Replies that are written while no client waits. Each belongs to an owner, the `keyId` of a caller. */
export interface BackgroundReplies {
  /** Stores the reply as it is before its first event, and then reads the stream to its end. */
  begin(owner: string, options: BackgroundOptions): Promise<BackgroundReply>
  /** A reply that is being written, or was until recently. */
  find(owner: string, id: string): BackgroundReply | undefined
  /** Whether there was one that is over. */
  forget(owner: string, id: string): boolean
}

export interface BackgroundOptions {
  format: BackgroundFormat
  /** Before its first event. */
  queued: StoredResponse
  /** The events of the stream, numbered from 0. Never rejects. */
  streaming: Promise<ReadableStream<Uint8Array> | null>
  /** Ends the work. */
  abort: () => void
}

export interface BackgroundReply {
  /** As far as it is written. */
  current(): StoredResponse
  /** The events behind this number, as they come. The client may leave and come back. */
  events(after: number, keepAlive: { text: string; everyMs: number }): ReadableStream<Uint8Array>
  /** Ends the work if it is not over yet. Resolves with what there is then. */
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
    async begin(owner, { format, queued, streaming, abort }) {
      const key = keyOf(owner, queued.id)
      const events: string[] = []
      const ended = Promise.withResolvers<void>()
      let next = Promise.withResolvers<void>()
      let reply = queued.reply
      let isOver = false
      const current = () => ({ ...queued, reply })
      const background: BackgroundReply = {
        current,
        events: (after, { text, everyMs }) => {
          let at = after + 1
          const encoder = new TextEncoder()
          return new ReadableStream({
            async pull(controller) {
              while (at >= events.length && !isOver) {
                const isSilent = await withTimeout(
                  next.promise.then(() => false),
                  everyMs,
                  () => true,
                  clock,
                )
                if (!isSilent) continue
                controller.enqueue(encoder.encode(text))
                return
              }
              const due = events.slice(at)
              at += due.length
              if (due.length > 0) controller.enqueue(encoder.encode(due.join('')))
              else controller.close()
            },
          })
        },
        async cancel() {
          if (!isOver) {
            finish(format.cancelled(reply))
            abort()
          }
          await ended.promise
          return current()
        },
      }
      running.set(key, background)
      await store.put(owner, queued)
      read().catch(() => {})
      return background

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
          finish(format.settled(reply, Number.POSITIVE_INFINITY))
        }
      }

      /** The last state replaces what a complete reply has stored, or what was stored before it began. */
      function finish(last: StoredResponse['reply']): void {
        if (isOver) return
        reply = last
        isOver = true
        wake()
        running.delete(key)
        const ofEvents = events.reduce((sum, { length }) => sum + length, 0)
        keep(key, background, ofEvents + JSON.stringify(current()).length)
        void store.put(owner, current()).then(ended.resolve)
      }

      function wake(): void {
        next.resolve()
        next = Promise.withResolvers()
      }
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

function keyOf(owner: string, id: string): string {
  return JSON.stringify([owner, id])
}
