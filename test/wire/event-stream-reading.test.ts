import { describe, expect, test } from 'bun:test'
import { readBatch } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import { rangeOf } from '../../src/http-client/byte-range.ts'
import type { ByteStream } from '../../src/http-client/send.ts'
import type { PayloadReader } from '../../src/wire/event-parser.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import { eventTemplateOf } from '../../src/wire/event-template.ts'
import { manualClock } from '../support/clock.ts'
import { echo, readAll, setUp } from './reading.ts'

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
