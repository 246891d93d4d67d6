import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Delta } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { outputLimit } from '../../src/gateway/output-limit.ts'

/** A simple token counter: four characters a token. */
const countTokens = (text: string) => text.length / 4
const finish: Delta = { type: 'finish', reason: 'stop' }
const received = (maxTokens: number, deltas: Delta[]) => runTransform(outputLimit(maxTokens, countTokens), deltas)

const lengthOf = (deltas: Delta[]) =>
  deltas.reduce((sum, delta) => {
    if (delta.type === 'text' || delta.type === 'reasoning') return sum + delta.text.length
    return delta.type === 'tool-call' ? sum + (delta.arguments ?? '').length : sum
  }, 0)
const ends = (deltas: Delta[]) => deltas.filter(({ type }) => type === 'finish')

test.each<[string, number, Delta[]]>([
  ['a reply within its limit', 100, [{ type: 'text', text: 'x'.repeat(400) }, finish]],
  ['one that is over by a quarter as we count', 1_000, [{ type: 'text', text: 'x'.repeat(5_000) }, finish]],
  ['a few words where one token is allowed', 1, [{ type: 'text', text: 'Hello there, friend!' }, finish]],
  [
    'usage, searches and errors',
    1,
    [
      { type: 'usage', usage: { inputTokens: 1, outputTokens: 9_000 } },
      { type: 'server-tool', tool: { id: 's', name: 'search', arguments: '{}', kind: 'web-search', sources: [] } },
      finish,
    ],
  ],
])('%s passes', (_name, maxTokens, deltas) => {
  expect(received(maxTokens, deltas)).toEqual(deltas)
})

test.each<[string, Delta[]]>([
  ['text', [{ type: 'text', text: 'x'.repeat(9_000) }, finish]],
  [
    'thinking and text together',
    [
      { type: 'reasoning', text: 'x'.repeat(300) },
      { type: 'text', text: 'x'.repeat(9_000) },
    ],
  ],
  ['many small pieces', [...Array.from({ length: 3_000 }, (): Delta => ({ type: 'text', text: 'abc' })), finish]],
])('a reply far beyond its limit ends with length: %s', (_name, deltas) => {
  const out = received(100, deltas)
  expect(ends(out)).toEqual([{ type: 'finish', reason: 'length' }])
  expect(out.at(-1)).toEqual({ type: 'finish', reason: 'length' })
  expect(lengthOf(out) / 4).toBeGreaterThan(125)
  expect(lengthOf(out) / 4).toBeLessThan(125 + 16 + 100 / 4)
})

test('a call that is cut stays incomplete, and the reply ends with length', () => {
  const out = received(50, [
    { type: 'tool-call', key: 'a', name: 'write', arguments: `{"content":"${'x'.repeat(5_000)}"}` },
    { type: 'finish', reason: 'tool-calls' },
  ])
  expect(out.map(({ type }) => type)).toEqual(['tool-call', 'finish'])
  expect(out[0]).toMatchObject({ key: 'a', name: 'write', arguments: expect.stringMatching(/^\{"content":"x+$/) })
  expect(out[1]).toEqual({ type: 'finish', reason: 'length' })
})

test('no cut splits a surrogate pair', () => {
  for (let before = 0; before < 40; before++) {
    const [said] = received(5, [{ type: 'text', text: 'x'.repeat(before) + '🌊'.repeat(500) }])
    expect(said?.type === 'text' && said.text.isWellFormed()).toBe(true)
  }
})

test('the result is always a beginning of the reply, and nothing within the limit is cut', () => {
  const piece = fc.record({
    type: fc.constantFrom('text' as const, 'reasoning' as const),
    text: fc.string({ maxLength: 200 }),
  })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 400 }), (pieces, maxTokens) => {
      const said = pieces.map(({ text }) => text).join('')
      const out = received(maxTokens, [...pieces, finish])
      const told = out.map((delta) => (delta.type === 'text' || delta.type === 'reasoning' ? delta.text : '')).join('')
      expect(said).toStartWith(told)
      expect(ends(out)).toHaveLength(1)
      if (countTokens(said) <= maxTokens) expect(out.at(-1)).toEqual(finish)
    }),
  )
})
