import { describe, expect, test } from 'bun:test'
import { eventStream } from '../../support/chat-zai.ts'
import type { manualClock } from '../../support/clock.ts'
import { chatRoute, chunkText, refusal, scriptedApi } from '../../support/zai-api.ts'
import { all, outcome, setUp } from './opening.ts'

/** Lets all pending promises and callbacks run. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** The same, second after second, until `work` is done. */
async function driven<T>(work: Promise<T>, clock: ReturnType<typeof manualClock>): Promise<T> {
  let over = false
  const done = work.finally(() => {
    over = true
  })
  while (!over) {
    await settled()
    clock.advance(1_000)
  }
  return done
}

/** A body that takes a while, and reports its end. */
function slowly(text: string, over: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await settled()
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
      over()
    },
  })
}

describe('keys', () => {
  test('take turns', async () => {
    const { api, upstream, call } = setUp(['key-1', 'key-2'])
    const zai = upstream()
    for (let turn = 0; turn < 3; turn++) await all(zai.open(call()))
    expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['key-1', 'key-2', 'key-1'])
  })

  test.each([
    ['is not accepted', () => refusal(401, '1002', 'Invalid token'), 'upstream_auth_failed'],
    ['has no balance', () => refusal(429, '1113', 'Insufficient balance'), 'insufficient_quota'],
    ['has used up its plan', () => refusal(429, '1308', 'reset at 2026-03-20 18:00:00'), 'usage_limit_reached'],
    ['is busy', () => refusal(429, '1302', 'Rate limit reached'), 'rate_limit_exceeded'],
  ])('the next one is used when the first %s', async (_name, reply, code) => {
    const { api, upstream, call, notes } = setUp(['key-1', 'key-2'])
    api.refuse('key-1', reply)
    expect(await outcome(upstream().open(call()))).toBe('Hello there.')
    expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['key-1', 'key-2'])
    expect(notes).toEqual([`key 1: ${code}`])
  })

  test('each is tried once, then suspended', async () => {
    const { api, clock, upstream, call } = setUp(['a', 'b', 'c', 'd'])
    for (const key of ['a', 'b', 'c', 'd']) api.refuse(key, () => refusal(401, '1002', 'Invalid token'))
    const zai = upstream()
    expect(await outcome(zai.open(call()))).toBe('upstream_auth_failed')
    expect(await outcome(zai.open(call()))).toBe('upstream_auth_failed')
    expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd'])
    await expect(zai.check(new AbortController().signal)).rejects.toMatchObject({ kind: 'upstream-auth' })
    clock.advance(60_000)
    await outcome(zai.open(call()))
    expect(api.to(chatRoute)).toHaveLength(8)
  })

  test('twenty callers share one that allows two at a time, and finally none is refused', async () => {
    const room = { taken: 0, most: 0, refused: 0 }
    const { api, clock, upstream, call } = setUp(
      ['key-1'],
      {},
      scriptedApi(['key-1'], () => {
        if (room.taken === 2) {
          room.refused++
          return refusal(429, '1302', 'Rate limit reached')
        }
        room.most = Math.max(room.most, ++room.taken)
        return eventStream(
          slowly(`data: ${chunkText({ delta: { content: 'Hi' }, finish_reason: 'stop' })}\n\n`, () => room.taken--),
        )
      }),
    )
    const zai = upstream()
    const texts = Array.from({ length: 20 }, () => outcome(zai.open(call())))
    expect(await driven(Promise.all(texts), clock)).toEqual(Array(20).fill('Hi'))
    expect(room.most).toBe(2)
    expect(api.to(chatRoute)).toHaveLength(20 + room.refused)
    // Eight calls were sent before the limit was known.
    expect(room.refused).toBe(6)
    expect(zai.gauges?.()).toMatchObject({ queued: 0, in_flight: 0, limit: 2, credentials_ready: 1 })
  })

  test.each([
    ['the only key is busy', '1302'],
    ['it is asked too often', '1303'],
    ['the model is overloaded', '1305'],
  ])('when %s the call waits and is retried', async (_name, code) => {
    const { api, clock, upstream, call, notes } = setUp()
    api.script(chatRoute, refusal(429, code, 'Later'), refusal(429, code, 'Later'))
    const opening = outcome(upstream().open(call()))
    await settled()
    expect(api.to(chatRoute)).toHaveLength(1)
    clock.advance(10_000)
    await settled()
    expect(api.to(chatRoute)).toHaveLength(2)
    clock.advance(19_999)
    await settled()
    expect(api.to(chatRoute)).toHaveLength(2)
    clock.advance(1)
    expect(await opening).toBe('Hello there.')
    expect(notes.filter((note) => note.startsWith('waited'))).toEqual([
      'waited 10 s for key 1',
      'waited 20 s for key 1',
    ])
  })

  test('another key does not help against an overloaded model, and another model is not overloaded', async () => {
    const { api, upstream, call } = setUp(['key-1', 'key-2'])
    api.script(chatRoute, refusal(429, '1305', 'overloaded'))
    const zai = upstream()
    const leaving = new AbortController()
    const waiting = outcome(zai.open(call({}, { signal: leaving.signal })))
    await settled()
    expect(await outcome(zai.open(call({}, {}, 'glm-4.6')))).toBe('Hello there.')
    expect(api.to(chatRoute)).toHaveLength(2)
    leaving.abort()
    expect(await waiting).toBe('cancelled')
    expect(zai.gauges?.()).toMatchObject({ queued: 0, in_flight: 0 })
  })

  test('a key that is refused for one model serves the others', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, refusal(429, '1113', 'Insufficient balance'))
    const zai = upstream()
    expect(await outcome(zai.open(call()))).toBe('insufficient_quota')
    expect(await outcome(zai.open(call({}, {}, 'glm-4.5-flash')))).toBe('Hello there.')
    expect(await outcome(zai.open(call()))).toBe('insufficient_quota')
    expect(api.to(chatRoute)).toHaveLength(2)
  })

  test('a used-up plan is reported at once with its reset time, and not used before that', async () => {
    const { api, clock, upstream, call } = setUp()
    const resetsAt = new Date(clock.now() + 3_600_000 + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ')
    api.script(chatRoute, refusal(429, '1308', `Usage limit reached. It resets at ${resetsAt}`))
    const zai = upstream()
    const told = async () =>
      zai.open(call()).then(
        () => 'answered',
        ({ kind, retryAfterMs }) => [kind, retryAfterMs],
      )
    expect(await told()).toEqual(['quota-exhausted', 3_600_000])
    clock.advance(1_800_000)
    expect(await told()).toEqual(['quota-exhausted', 1_800_000])
    expect(api.to(chatRoute)).toHaveLength(1)
    clock.advance(1_800_000)
    expect(await told()).toBe('answered')
  })

  test('without any, the message says where to set one', async () => {
    const { api, upstream, call } = setUp([])
    await expect(upstream().open(call())).rejects.toMatchObject({
      kind: 'upstream-auth',
      message: expect.stringContaining('ZAI_API_KEY'),
    })
    expect(api.seen).toEqual([])
  })
})
