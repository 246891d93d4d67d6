import { describe, expect, test } from 'bun:test'
import { readBatch } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import { rangeOf } from '../../src/http-client/byte-range.ts'
import type { ByteStream } from '../../src/http-client/send.ts'
import type { PayloadReader } from '../../src/wire/event-parser.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'
import { inPieces } from '../support/pieces.ts'
import { readAll, setUp } from './reading.ts'

function chunks(text: string, size: number): ReadableStream<Uint8Array> {
  return inPieces(new TextEncoder().encode(text), size)
}

describe('server-sent events', () => {
  test.each([
    ['plain', 'data: a\n\ndata: b\n\n', ['a', 'b']],
    ['without the space', 'data:a\n\n', ['a']],
    ['with CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n', ['a', 'b']],
    ['with a byte order mark', '\ufeffdata: a\n\n', ['a']],
    ['with comments, events and ids', ': hi\n\nevent: x\nid: 7\ndata: a\n\n', ['a']],
    ['with several data lines', 'data: a\ndata: b\n\n', ['a\nb']],
    ['without the last blank line', 'data: a\n\ndata: b', ['a', 'b']],
    ['beyond ASCII', 'data: 你好🌏👩‍👩‍👧\n\n', ['你好🌏👩‍👩‍👧']],
    ['nothing at all', '', []],
  ])('%s, for every cut of the bytes', async (_name, text, expected) => {
    for (const size of [1, 2, 3, 7, 64, 1000]) expect(await readAll(setUp(chunks(text, size)).source)).toEqual(expected)
  })

  test('a body that breaks delivers what it brought, then the error', async () => {
    let pulls = 0
    const { source, seen } = setUp(
      new ReadableStream({
        pull(controller) {
          if (pulls++ === 0) controller.enqueue(new TextEncoder().encode('data: a\n\n'))
          else controller.error(new Error('reset'))
        },
      }),
    )
    expect(await readAll(source)).toEqual(['a', 'error upstream-truncated'])
    expect(seen.cancels).toBe(1)
  })

  test('a body that breaks because the client left is cancelled', async () => {
    const { source, client } = setUp(
      new ReadableStream({
        pull(controller) {
          client.abort()
          controller.error(new Error('aborted'))
        },
      }),
    )
    expect(await readAll(source)).toEqual(['error cancelled'])
  })

  test('silence ends it, counted from the last byte', async () => {
    let feed: ReadableStreamDefaultController<Uint8Array> | undefined
    const { source, clock, seen } = setUp(
      new ReadableStream({
        start(controller) {
          feed = controller
        },
      }),
    )
    const first = readBatch(source)
    clock.advance(4_000)
    feed?.enqueue(new TextEncoder().encode(': still here\n\n'))
    await first
    const second = readBatch(source)
    clock.advance(4_999)
    expect(seen.cancels).toBe(0)
    clock.advance(1)
    expect(await second).toMatchObject([
      {
        type: 'error',
        error: {
          kind: 'timeout',
          code: 'upstream_idle',
          message: 'home sent nothing for 5 s, so the answer was given up.',
        },
      },
    ])
    expect(await readBatch(source)).toBeUndefined()
    expect(clock.pending()).toBe(0)
  })

  describe('a reply that has been told to its end', () => {
    /** Read up to its last delta; the body ends when told so. */
    async function told() {
      const { promise: rest, resolve: end } = Promise.withResolvers<void>()
      let pulls = 0
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (pulls++ === 0) controller.enqueue(new TextEncoder().encode('data: a\n\ndata: END\n\n'))
          else await rest.then(() => controller.close())
        },
      })
      const reply = setUp(body)
      expect(await readBatch(reply.source)).toHaveLength(2)
      reply.source.cancel()
      return { ...reply, end }
    }

    test('leaves its connection to the next call once the body is over', async () => {
      const { clock, seen, end } = await told()
      expect(clock.pending()).toBe(1)
      end()
      await until(() => clock.pending() === 0, 'the end of the body')
      clock.advance(10_000)
      expect(seen.cancels).toBe(0)
    })

    test('closes it where the body does not end within a second', async () => {
      const { clock, seen } = await told()
      clock.advance(999)
      expect(seen.cancels).toBe(0)
      clock.advance(1)
      expect(seen.cancels).toBe(1)
    })
  })

  describe('a complete reply whose stream goes on', () => {
    /** A body that the test feeds, read by a decoder for which the reply is complete from the event `COMPLETE` on. */
    function endless() {
      const clock = manualClock()
      const seen = { cancels: 0, over: false }
      let complete = false
      const arrived: string[] = []
      let onRange: Parameters<ByteStream['next']>[0] | undefined
      const answer = (text: string | undefined) => {
        const receive = onRange
        onRange = undefined
        receive?.(text === undefined ? undefined : rangeOf(Buffer.from(text)))
      }
      const body: ByteStream = {
        next(receive) {
          onRange = receive
          if (arrived.length > 0) answer(arrived.shift())
          else if (seen.cancels > 0) answer(undefined)
        },
        cancel() {
          seen.cancels++
          answer(undefined)
        },
      }
      const decoder: PayloadReader = {
        push(data, out) {
          if (data === 'COMPLETE') complete = true
          else out.push({ type: 'text', text: data })
        },
        isComplete: () => complete,
        end: (out) => void out.push({ type: 'finish', reason: 'stop' }),
      }
      const { signal } = new AbortController()
      const source = sseDeltas(body, { label: 'home', decoder, clock, signal, idleMs: 60_000 })
      const feed = (text: string) => {
        if (onRange) answer(text)
        else arrived.push(text)
      }
      return { clock, seen, source, feed }
    }

    async function readToEnd(source: ReturnType<typeof endless>['source'], seen: { over: boolean }): Promise<Delta[]> {
      const all: Delta[] = []
      for (let batch = await readBatch(source); batch; batch = await readBatch(source)) all.push(...batch)
      seen.over = true
      return all
    }

    test.each([
      ['comments', ': ping\n\n', ''],
      ['text', 'data: more\n\n', 'more'],
      ['half an event', 'data: never ended', ''],
      ['the end of the message again', 'data: COMPLETE\n\n', ''],
    ])('with %s ends a second after it was complete', async (_what, unit, text) => {
      const { clock, seen, source, feed } = endless()
      const all = readToEnd(source, seen)
      feed('data: a\n\ndata: COMPLETE\n\n')
      let ms = 0
      for (; ms < 10_000 && seen.cancels === 0; ms += 300) {
        await Bun.sleep(0)
        feed(unit)
        await Bun.sleep(0)
        clock.advance(300)
      }
      expect(ms).toBe(1_200)
      const said = (await all).flatMap((delta) => (delta.type === 'text' ? [delta.text] : [delta.type]))
      expect(said.join(' ')).toBe(['a', ...(text ? Array(4).fill(text) : []), 'finish'].join(' '))
      expect(clock.pending()).toBe(0)
    })

    test('is read as far as it has arrived where the client is slow', async () => {
      const { clock, seen, source, feed } = endless()
      feed('data: a\n\ndata: COMPLETE\n\n')
      expect(await readBatch(source)).toHaveLength(1)
      feed('data: b\n\n')
      expect(await readBatch(source)).toHaveLength(1)
      feed('data: late\n\n')
      clock.advance(5_000)
      expect(await readToEnd(source, seen)).toEqual([
        { type: 'text', text: 'late' },
        { type: 'finish', reason: 'stop' },
      ])
      expect(seen.cancels).toBeGreaterThan(0)
    })

    test('ends though there is always more to read', async () => {
      const clock = manualClock()
      const flood = Buffer.from('data: more\n\n'.repeat(1_000))
      const first = [Buffer.from('data: COMPLETE\n\n')]
      let cancelled = false
      const body: ByteStream = {
        next: (onRange) => onRange(cancelled ? undefined : rangeOf(first.shift() ?? flood)),
        cancel() {
          cancelled = true
        },
      }
      let complete = false
      const decoder: PayloadReader = {
        push(data, out) {
          complete ||= data === 'COMPLETE'
          out.push({ type: 'text', text: data })
        },
        isComplete: () => complete,
        end: (out) => void out.push({ type: 'finish', reason: 'stop' }),
      }
      const { signal } = new AbortController()
      const source = sseDeltas(body, { label: 'home', decoder, clock, signal, idleMs: 60_000 })
      await readBatch(source)
      await readBatch(source)
      clock.advance(1_000)
      let last: Delta | undefined
      let batches = 0
      for (let batch = await readBatch(source); batch && batches < 500; batch = await readBatch(source), batches++)
        last = batch.at(-1) ?? last
      expect(last).toEqual({ type: 'finish', reason: 'stop' })
      expect(cancelled).toBe(true)
    })
  })

  test('giving up closes the connection once and leaves no timer', async () => {
    const { source, clock, seen } = setUp(new ReadableStream())
    source.cancel()
    source.cancel()
    expect(seen.cancels).toBe(1)
    expect(clock.pending()).toBe(0)
    expect(await readBatch(source)).toBeUndefined()
  })
})
