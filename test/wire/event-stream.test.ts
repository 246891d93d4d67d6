import { describe, expect, test } from 'bun:test'
import { readBatch } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import type { Transform } from '../../src/core/transform.ts'
import { rangeOf } from '../../src/http-client/byte-range.ts'
import { type ByteStream, byteStreamOf } from '../../src/http-client/send.ts'
import type { PayloadReader } from '../../src/wire/event-parser.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import { eventTemplateOf } from '../../src/wire/event-template.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'
import { inPieces } from '../support/pieces.ts'

/** Says every payload back as text, and `END` as the end of the reply. */
const echo: Transform<string, Delta> = {
  push: (data, out) =>
    void out.push(data === 'END' ? { type: 'finish', reason: 'stop' } : { type: 'text', text: data }),
  end() {},
}

function setUp(body: ReadableStream<Uint8Array>) {
  const clock = manualClock()
  const client = new AbortController()
  const seen = { cancels: 0 }
  const inner = byteStreamOf(body)
  const cancel = () => {
    seen.cancels++
    inner.cancel()
  }
  const source = sseDeltas(
    { next: inner.next, cancel },
    {
      label: 'home',
      decoder: echo,
      clock,
      signal: client.signal,
      idleMs: 5_000,
    },
  )
  return { clock, client, seen, source }
}

/** All payloads are alike, as long as they are `{"t":"…"}`. */
const alike: PayloadReader = {
  ...echo,
  template: () =>
    eventTemplateOf('{"t":"x"}', {
      read: (payload) => JSON.parse(payload).t,
      emit: (text, out) => void out.push({ type: 'text', text }),
      kind: () => 'text',
    }),
}

test('a client that cannot be written to directly hears nothing twice', async () => {
  const pieces = ['data: {"t":"one"}\n\n', 'data: {"t":"two"}\n\n'].map((text) => rangeOf(Buffer.from(text)))
  const body: ByteStream = { next: (hear) => hear(pieces.shift()), cancel() {} }
  const source = sseDeltas(body, {
    ...{ label: 'home', decoder: alike, clock: manualClock(), signal: new AbortController().signal },
    idleMs: 5_000,
  })
  expect((await readBatch(source))?.map(({ type }) => type)).toEqual(['text'])
  const write = () => {
    throw new Error('gone')
  }
  const account = () => {}
  const batch = await new Promise<Delta[] | undefined>((hear) => source.next(hear, { kind: 'text', write, account }))
  expect(batch?.map(({ type }) => type)).toEqual(['error'])
})

/** Payloads, and `error <kind>` where the stream failed. */
async function readAll(source: ReturnType<typeof setUp>['source']): Promise<string[]> {
  const all: string[] = []
  for (let batch = await readBatch(source); batch; batch = await readBatch(source))
    for (const delta of batch) {
      if (delta.type === 'text') all.push(delta.text)
      if (delta.type === 'error') all.push(`error ${delta.error.kind}`)
    }
  return all
}

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

/** The next batch that holds something: a read of half an event brings none. */
async function readSome(source: ReturnType<typeof setUp>['source']): Promise<Delta[] | undefined> {
  let batch = await readBatch(source)
  while (batch?.length === 0) batch = await readBatch(source)
  return batch
}

test.each([
  ['on one line', 'x'.repeat(65_536), 'data: ', 20],
  // Of nine bytes of a line three are kept.
  ['on lines without an end', 'data: xx\n'.repeat(8_192), '', 60],
])(
  'an event %s that never ends is an error before it fills the memory',
  async (_how, piece, beginning, mostMegabytes) => {
    let sent = 0
    const bytes = new TextEncoder().encode(piece)
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(sent === 0 ? new TextEncoder().encode(`data: first\n\n${beginning}`) : bytes)
        sent += bytes.length
      },
    })
    const { source, seen } = setUp(body)
    expect(await readBatch(source)).toEqual([{ type: 'text', text: 'first' }])
    expect(await readSome(source)).toMatchObject([
      { type: 'error', error: { code: 'upstream_event_too_large', message: 'home sent an event of more than 16 MB.' } },
    ])
    expect(await readBatch(source)).toBeUndefined()
    expect(seen.cancels).toBeGreaterThan(0)
    expect(sent).toBeLessThan(mostMegabytes * 1024 * 1024)
  },
  20_000,
)

test('an event of ten million characters is read', async () => {
  const text = 'y'.repeat(10_000_000)
  const { source } = setUp(new Response(`data: ${text}\n\n`).body ?? new ReadableStream())
  expect((await readAll(source)).join('') === text).toBe(true)
}, 20_000)

test.each([
  ['comments', ': hello\n\n'],
  ['comments on end', ': hello\n'],
  ['blank lines', '\n'],
  ['events without a word', 'data: \n\n'],
  ['events with carriage returns', 'data: x\r\n\r\n'],
  ['events that are alike', 'data: {"t":"x"}\n\n'],
])('a flood of %s leaves others their turn', async (_what, unit) => {
  const flood = Buffer.from(unit.repeat(Math.ceil(70_000 / unit.length)))
  const pieces = Array.from({ length: 8 }, () => rangeOf(flood))
  const body: ByteStream = { next: (hear) => hear(pieces.shift()), cancel() {} }
  const options = { label: 'home', clock: manualClock(), signal: new AbortController().signal, idleMs: 5_000 }
  const source = sseDeltas(body, { ...options, decoder: alike })
  let turns = 0
  let over = false
  const others = () => {
    turns++
    if (!over) setImmediate(others)
  }
  setImmediate(others)
  for (let batch = await readBatch(source); batch; batch = await readBatch(source));
  over = true
  expect(turns).toBeGreaterThanOrEqual(7)
})

test('what is read bit by bit is read to the last', async () => {
  const words = Array.from({ length: 50_000 }, (_, index) => `word ${index}`)
  const all = words.map((text, index) => `${index % 3 === 0 ? ': ping\n\n' : ''}data: ${text}\n\n`).join('')
  const { source } = setUp(new Response(all).body ?? new ReadableStream())
  expect(await readAll(source)).toEqual(words)
})

describe('what has arrived and is not read when the stream is cancelled', () => {
  const event = (text: string) => `data: {"t":"${text}"}\n\n`
  const setUpWith = (pieces: string[], decoder: PayloadReader) => {
    const ranges = pieces.map((text) => rangeOf(Buffer.from(text)))
    let onEnd: (range: undefined) => void = () => {}
    const body: ByteStream = {
      next(onRange) {
        const range = ranges.shift()
        if (range) onRange(range)
        else onEnd = onRange
      },
      cancel: () => onEnd(undefined),
    }
    const { signal } = new AbortController()
    return sseDeltas(body, { label: 'home', decoder, clock: manualClock(), signal, idleMs: 5_000 })
  }

  test.each([
    ['whole events', [event('one'), event('two') + event('three'), event('four')]],
    ['an event in two parts', [event('one'), event('two').slice(0, 9), event('two').slice(9), event('three')]],
  ])('is passed to the decoder: %s', async (_name, pieces) => {
    for (const template of [undefined, alike.template]) {
      const decoded: string[] = []
      const decoder: PayloadReader = {
        push: (data, out) => {
          decoded.push(JSON.parse(data).t)
          out.push({ type: 'text', text: data })
        },
        end() {},
        ...(template
          ? {
              template: () =>
                eventTemplateOf('{"t":"x"}', {
                  read: (payload) => JSON.parse(payload).t,
                  emit: (text) => void decoded.push(text),
                  kind: () => 'text',
                }),
            }
          : {}),
      }
      const source = setUpWith(pieces, decoder)
      await readBatch(source)
      source.cancel()
      const expected = pieces.join('').matchAll(/"t":"(\w+)"/g)
      expect(decoded).toEqual([...expected].map(([, text = '']) => text))
    }
  })

  test('is not awaited', async () => {
    const source = setUpWith([event('one')], echo)
    await readBatch(source)
    const next = readBatch(source)
    source.cancel()
    expect(await next).toBeUndefined()
  })
})
