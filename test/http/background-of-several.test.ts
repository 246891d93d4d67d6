import { expect, test } from 'bun:test'
import type { BackgroundFormat, StoredResponse } from '../../src/core/stored-conversation.ts'
import { createBackgroundReplies } from '../../src/http/background-replies.ts'
import type { BackgroundMessage, BackgroundStore } from '../../src/store/background-store.ts'
import { noResponseStore } from '../../src/store/responses.ts'
import { manualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'

const format: BackgroundFormat = {
  update: (reply) => reply,
  cancelled: (reply) => ({ ...reply, status: 'cancelled' }),
  failIfAbandoned: (reply) => (reply.status === 'queued' ? { ...reply, status: 'failed' } : reply),
  queued: () => queued,
}
const queued = { id: 'resp_1', reply: { status: 'queued' }, input: [] }

/** One gateway that writes replies, and what it tells the database. */
function writer(end: BackgroundStore['end'], beginning = Promise.resolve()) {
  let say: (message: BackgroundMessage | undefined) => void = () => {}
  const left = new Set<string>()
  const shared: BackgroundStore = {
    async begin(_owner, { id }) {
      left.add(id)
      await beginning
      return true
    },
    end,
    abandon: async (_owner, last) => last,
    get: async () => undefined,
    writerOf: async () => undefined,
    askToCancel: async () => {},
    askForEvents: async () => false,
    events: {
      write: async () => {},
      read: async () => ({ events: [], isEnd: false }),
      has: async () => false,
      delete: async () => {},
    },
    toCancel: async () => [],
    delete: async (_owner, id) => void left.delete(id),
    notDeleted: async () => [...left].map((id) => ({ owner: 'ann', id })),
    listen(onMessage) {
      say = onMessage
    },
  }
  const clock = manualClock()
  const replies = createBackgroundReplies({ store: noResponseStore, shared, clock })
  let aborted = 0
  const begin = () =>
    replies.begin('ann', {
      ...{ format, queued, streaming: new Promise(() => {}), isStored: () => false },
      abort: () => aborted++,
    })
  return { replies, shared, clock, begin, aborted: () => aborted, say: (message?: BackgroundMessage) => say(message) }
}

test('an end that could not be stored is stored as soon as it can be', async () => {
  const stored: StoredResponse[] = []
  let isAway = true
  const { begin, clock } = writer(async (_owner, last) => {
    if (isAway) return undefined
    stored.push(last)
    return last
  })
  await (await begin()).cancel()
  clock.advance(1_000)
  expect(stored).toEqual([])
  isAway = false
  await eventually(() => {
    clock.advance(1_000)
    expect(stored).toMatchObject([{ reply: { status: 'cancelled' } }])
  })
  await eventually(() => expect(clock.pending()).toBe(0))
})

test('an end is stored behind the beginning, however soon it comes', async () => {
  const stored: StoredResponse[] = []
  const beginning = Promise.withResolvers<void>()
  const { replies, begin } = writer(async (_owner, last) => {
    stored.push(last)
    return last
  }, beginning.promise)
  const begun = begin()
  const saving = replies.save('ann', { ...queued, reply: { status: 'completed' } })
  await new Promise((resolve) => setImmediate(resolve))
  expect(stored).toEqual([])
  beginning.resolve()
  await Promise.all([begun, saving])
  expect(stored).toMatchObject([{ reply: { status: 'completed' } }])
})

test('a reply that another gateway has ended is as that has left it', async () => {
  const { replies, begin, say, aborted } = writer(async () => ({ ...queued, reply: { status: 'failed' } }))
  await begin()
  say({ kind: 'cancel', owner: 'ann', id: queued.id })
  await eventually(() => expect(replies.find('ann', queued.id)?.current().reply.status).toBe('failed'))
  expect(aborted()).toBe(1)
})

test('a reply that another gateway has deleted ends and is forgotten, also where the message of it is lost', async () => {
  const { replies, shared, begin, say, aborted } = writer(async (_owner, last) => last)
  await begin()
  await shared.delete('ann', queued.id)
  say({ kind: 'deleted', owner: 'ann', id: queued.id })
  expect([aborted(), replies.find('ann', queued.id)]).toEqual([1, undefined])
  await (await begin()).cancel()
  await shared.delete('ann', queued.id)
  say()
  await eventually(() => expect(replies.find('ann', queued.id)).toBeUndefined())
  await begin()
  await shared.delete('ann', queued.id)
  say()
  await eventually(() => expect(replies.find('ann', queued.id)).toBeUndefined())
  expect(aborted()).toBe(3)
})

test('a deleted reply is not stored at its end', async () => {
  const ends: boolean[] = []
  const { replies, begin, say, aborted } = writer(async (_owner, _last, hasBegun) => {
    ends.push(hasBegun)
    return 'deleted'
  })
  await begin()
  const saving = replies.save('ann', { ...queued, reply: { status: 'completed' } })
  await saving
  expect([aborted(), replies.find('ann', queued.id)]).toEqual([1, undefined])
  await begin()
  say({ kind: 'deleted', owner: 'ann', id: queued.id })
  await replies.save('ann', { ...queued, reply: { status: 'completed' } })
  expect(ends).toEqual([true])
})

test('a beginning that could not be stored is tried again', async () => {
  const { replies, shared, begin, clock } = writer(async (_owner, last, hasBegun) => {
    expect(hasBegun).toBe(true)
    return last
  })
  const { begin: store } = shared
  let attempts = 0
  shared.begin = async (owner, reply) => ++attempts > 2 && (await store(owner, reply))
  await begin()
  await eventually(() => {
    clock.advance(1_000)
    expect(attempts).toBe(3)
  })
  await replies.find('ann', queued.id)?.cancel()
})

test('what cannot be stored is tried again after growing pauses, and at once when the database is back', async () => {
  let attempts = 0
  const { begin, clock, say } = writer(async () => {
    attempts++
    return undefined
  })
  await (await begin()).cancel()
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  for (let seconds = 0; seconds < 600; seconds++) {
    clock.advance(1_000)
    await settle()
  }
  expect(attempts).toBeWithin(10, 20)
  const before = attempts
  say()
  await eventually(() => expect(attempts).toBe(before + 1))
})
