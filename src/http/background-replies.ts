import { createParser } from 'eventsource-parser'
import { type Clock, withTimeout } from '../core/clock.ts'
import { sseMessage } from '../core/sse.ts'
import type { BackgroundFormat, StoredResponse } from '../core/stored-conversation.ts'
import type { BackgroundStore, ReplyName } from '../store/background-store.ts'
import { ignoreUnavailable, type ResponseStore } from '../store/responses.ts'
import { type PublishedReply, publishedEvents } from './published-events.ts'

/** Replies that are written while no client waits. Each belongs to an owner, the `keyId` of a caller. */
export interface BackgroundReplies {
  /** Stores the reply before its first event, and then reads the stream to its end. */
  begin(owner: string, options: BackgroundOptions): Promise<BackgroundReply>
  /** A reply that is being written, or was until recently. */
  find(owner: string, id: string): BackgroundReply | undefined
  /** Forgets a reply that is over. Returns whether there was one. */
  forget(owner: string, id: string): boolean
  /** Stores a complete reply. `ResponseStore.get` finds it once the promise has resolved. Never rejects. */
  save(owner: string, complete: StoredResponse): Promise<void>
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

export interface BackgroundRepliesOptions {
  store: ResponseStore
  /** Absent where no other gateway shares the store. */
  shared: BackgroundStore | undefined
  clock: Clock
  /** Characters of all replies that are over, with their events and conversations, which clients may still read again. */
  maxKeptText?: number
}

const mostKeptText = 64 * 1024 * 1024
/** How often this gateway looks for what others have asked of it, while it writes: a message may be lost. */
const lookEveryMs = 1_000
/** What could not be stored is tried again after growing pauses: it may be too large for a slow network. */
const longestPauseMs = 60_000

export function createBackgroundReplies({
  store,
  shared,
  clock,
  maxKeptText = mostKeptText,
}: BackgroundRepliesOptions): BackgroundReplies {
  const running = new Map<string, WrittenReply>()
  const over = new Map<string, WrittenReply>()
  /** The owners of replies whose end could not be stored. */
  const unstored = new Map<string, string>()
  let keptText = 0
  let isLooking = false
  let storesAt = Number.NEGATIVE_INFINITY
  let storePauseMs = lookEveryMs
  const published = shared && publishedEvents(shared, clock)
  shared?.listen((message) => {
    if (message === undefined) void lookAtOnce().catch(ignore)
    else if (message.kind === 'cancel') cancelFor(message)
    else if (message.kind === 'wanted') publish(message)
    else if (message.kind === 'deleted') discard(message)
  })

  return {
    find: (owner, id) => writtenHere(keyOf(owner, id)),
    forget: (owner, id) => drop(keyOf(owner, id)),
    async save(owner, last) {
      const reply = writtenHere(keyOf(owner, last.id))
      // It was deleted while it was written.
      if (reply) await put(owner, last, reply)
    },
    async begin(owner, options) {
      const { queued } = options
      const key = keyOf(owner, queued.id)
      const reply = writtenReply(options, {
        ...{ clock, owner },
        put: (last) => put(owner, last, reply),
        onOver() {
          running.delete(key)
          keep(key, reply)
        },
      })
      running.set(key, reply)
      reply.begun = putQueued(owner, queued, reply)
      await reply.begun
      reply.read().catch(ignore)
      plan()
      return reply
    },
  }

  async function putQueued(owner: string, queued: StoredResponse, reply: WrittenReply): Promise<void> {
    if (shared) reply.isShared ||= await shared.begin(owner, queued)
    else await store.put(owner, queued).catch(ignoreUnavailable)
  }

  /** Stores the last state of a reply. If another gateway has ended it before, that is its last state. */
  async function put(owner: string, last: StoredResponse, reply: WrittenReply): Promise<StoredResponse> {
    // A short reply may be over before its beginning is stored, which would then replace it.
    await reply.begun
    if (!shared) {
      await store.put(owner, last).catch(ignoreUnavailable)
      return last
    }
    const key = keyOf(owner, last.id)
    const stored = await shared.end(owner, last, reply.isShared)
    if (stored === undefined) unstored.set(key, owner)
    else unstored.delete(key)
    if (stored === 'deleted') discard({ owner, id: last.id })
    else if (stored && stored !== last) reply.replace(stored.reply)
    plan()
    return stored === 'deleted' || stored === undefined ? last : stored
  }

  function writtenHere(key: string): WrittenReply | undefined {
    return running.get(key) ?? over.get(key)
  }

  function cancelFor({ owner, id }: ReplyName): void {
    void running.get(keyOf(owner, id))?.cancel()
  }

  function publish({ owner, id }: ReplyName): void {
    const reply = writtenHere(keyOf(owner, id))
    if (reply) published?.want(id, reply)
  }

  /** Other gateways would not know a reply, or take it for unfinished. */
  async function storeAgain(): Promise<void> {
    for (const reply of running.values()) {
      if (!shared || reply.isShared) continue
      reply.begun = reply.begun.then(() => putQueued(reply.name.owner, reply.queued, reply))
      await reply.begun
    }
    for (const [key, owner] of unstored) {
      const reply = over.get(key)
      if (reply) await put(owner, reply.current(), reply)
      else if (!running.has(key)) unstored.delete(key)
    }
    const isFailing = unstored.size > 0 || running.values().some(({ isShared }) => !isShared)
    storePauseMs = isFailing ? Math.min(2 * storePauseMs, longestPauseMs) : lookEveryMs
    storesAt = clock.monotonic() + storePauseMs
  }

  /** The reply was deleted on another gateway. */
  function discard({ owner, id }: ReplyName): void {
    const key = keyOf(owner, id)
    running.get(key)?.discard()
    drop(key)
    published?.stop(id)
  }

  async function look(): Promise<void> {
    for (const name of (await shared?.toCancel()) ?? []) cancelFor(name)
    if (clock.monotonic() >= storesAt) await storeAgain()
  }

  /** Messages may be lost: the database was away. */
  async function lookAtOnce(): Promise<void> {
    storesAt = Number.NEGATIVE_INFINITY
    await look()
    await dropDeleted()
  }

  async function dropDeleted(): Promise<void> {
    // Those that begin meanwhile may be missing in what is read.
    const known = [...running.values(), ...over.values()].filter(({ isShared }) => isShared)
    if (!shared || known.length === 0) return
    const kept = new Set((await shared.notDeleted()).map(({ owner, id }) => keyOf(owner, id)))
    for (const { name } of known) if (!kept.has(keyOf(name.owner, name.id))) discard(name)
  }

  function plan(): void {
    if (!shared || isLooking || running.size + unstored.size === 0) return
    isLooking = true
    clock.after(lookEveryMs, () => {
      void look()
        .catch(ignore)
        .finally(() => {
          isLooking = false
          plan()
        })
    })
  }

  function keep(key: string, reply: WrittenReply): void {
    over.set(key, reply)
    keptText += reply.length()
    for (const oldest of over.keys()) {
      if (keptText <= maxKeptText) return
      drop(oldest)
    }
  }

  function drop(key: string): boolean {
    keptText -= over.get(key)?.length() ?? 0
    return over.delete(key)
  }
}

/** The database module reports outages. */
function ignore(): void {}

interface WrittenReplyOptions {
  clock: Clock
  owner: string
  put: (reply: StoredResponse) => Promise<StoredResponse>
  onOver: () => void
}

interface WrittenReply extends BackgroundReply, PublishedReply {
  name: ReplyName
  queued: StoredResponse
  /** Resolves when the reply is stored as it is before its first event. */
  begun: Promise<void>
  /** Whether other gateways know it. */
  isShared: boolean
  /** Reads the stream. Rejects if that breaks off. */
  read(): Promise<void>
  /** The reply was ended by another gateway, which has stored this. */
  replace(last: StoredResponse['reply']): void
  /** Ends the reply, and stores nothing. */
  discard(): void
  /** The characters of its events and its conversation, once it is over. */
  length(): number
}

/** One reply from its first event to its end. */
function writtenReply(
  { format, queued, streaming, isStored, abort }: BackgroundOptions,
  { clock, owner, put, onOver }: WrittenReplyOptions,
): WrittenReply {
  const events: string[] = []
  // Resolves when the last state of the reply is stored.
  const stored = Promise.withResolvers<void>()
  // Resolves at the next event or at the end, and is then replaced.
  let change = Promise.withResolvers<void>()
  let reply = queued.reply
  let isOver = false
  let length = 0
  const current = () => ({ ...queued, reply })

  const eventsFrom = (from: number) => ({ events: events.slice(from), isOver })
  const shown = { current, events: eventsAfter, eventsFrom, length: () => length }

  const name = { owner, id: queued.id }
  return { name, queued, begun: Promise.resolve(), isShared: false, ...shown, cancel, read, replace, discard }

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
      const last = format.failIfAbandoned(reply, Number.POSITIVE_INFINITY)
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

  function discard(): void {
    if (isOver) return
    finish(format.cancelled(reply), true)
    abort()
  }

  function replace(last: StoredResponse['reply']): void {
    discard()
    reply = last
  }

  /** Ends the reply. Unless the stream has stored it, its last state replaces what was stored before it began. */
  function finish(last: StoredResponse['reply'], wasStored: boolean): void {
    if (isOver) return
    reply = last
    isOver = true
    wake()
    length = events.reduce((sum, event) => sum + event.length, 0) + JSON.stringify(current()).length
    onOver()
    if (wasStored) stored.resolve()
    else void put(current()).then(() => stored.resolve())
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
