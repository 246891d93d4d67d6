import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { type BatchStream, readBatch } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import { inPortions } from '../../src/core/text-portions.ts'
import { manualClock } from '../support/clock.ts'

function sourceOf(...batches: Delta[][]): BatchStream<Delta[]> {
  return { next: (hear) => hear(batches.shift()), cancel() {} }
}

async function readAll(source: BatchStream<Delta[]>): Promise<Delta[][]> {
  const all: Delta[][] = []
  for (let batch = await readBatch(source); batch; batch = await readBatch(source)) all.push(batch)
  return all
}

const text = (words: string): Delta => ({ type: 'text', text: words })
const finish: Delta = { type: 'finish', reason: 'stop' }

test('short texts are not split', async () => {
  const batches = [[text('a'), text('b')], [], [text('c'.repeat(4_096))], [finish]]
  expect(await readAll(inPortions(sourceOf(...batches), manualClock()))).toEqual(batches)
})

test('a long text is split between characters, and other deltas keep their order', async () => {
  const long = `${'x'.repeat(4_095)}${'😀'.repeat(3_000)}`
  const calls: Delta = { type: 'tool-call', key: 'a', name: 'it', arguments: '{}' }
  const source = sourceOf([text('a'), { type: 'reasoning', text: long }, calls, finish], [text('b')])
  const received = await readAll(inPortions(source, manualClock()))
  expect(received.map((batch) => batch.map((delta) => ('text' in delta ? delta.text.length : delta.type)))).toEqual([
    [1, 4_095],
    [4_096],
    [1_904, 'tool-call', 'finish'],
    [1],
  ])
  const reasoning = received.flat().flatMap((delta) => (delta.type === 'reasoning' ? [delta] : []))
  expect(reasoning.map((delta) => delta.text).join('')).toBe(long)
  expect(reasoning.every((delta) => delta.text.isWellFormed())).toBe(true)
})

test('long arguments are split between characters, and the name comes once', async () => {
  const long = `{"content":"${'x'.repeat(65_523)}${'😀'.repeat(40_000)}"}`
  const call: Delta = { type: 'tool-call', key: 'a', id: 'b', name: 'it', arguments: long }
  const received = await readAll(inPortions(sourceOf([text('a'), call, finish]), manualClock()))
  const calls = received.flat().flatMap((delta) => (delta.type === 'tool-call' ? [delta] : []))
  expect(received.map((batch) => batch.map(({ type }) => type).join(' '))).toEqual([
    'text',
    'tool-call',
    'tool-call',
    'tool-call finish',
  ])
  expect(calls.map(({ key, id, name }) => [key, id, name])).toEqual([
    ['a', 'b', 'it'],
    ['a', undefined, undefined],
    ['a', undefined, undefined],
  ])
  expect(calls.map(({ arguments: piece }) => piece).join('')).toBe(long)
  expect(calls.every(({ arguments: piece = '' }) => piece.isWellFormed())).toBe(true)
})

test('other requests run between two slow portions', async () => {
  const source = inPortions(sourceOf([text('x'.repeat(10 * 4_096))]), systemClock)
  const order: string[] = []
  const others = () => {
    if (order.push('others') < 100) setImmediate(others)
  }
  setImmediate(others)
  for (let batch = await readBatch(source); batch; batch = await readBatch(source)) {
    order.push('portion')
    const startedAt = performance.now()
    while (performance.now() - startedAt < 5);
  }
  expect(order.slice(order.indexOf('portion'), order.lastIndexOf('portion')).join(' ')).not.toContain('portion portion')
})

test('a stream cancelled between portions delivers nothing more', async () => {
  const clock = manualClock()
  const source = inPortions(sourceOf([text('x'.repeat(10 * 4_096))]), clock)
  await readBatch(source)
  clock.advance(100)
  const next = readBatch(source)
  source.cancel()
  expect(await next).toBeUndefined()
})
