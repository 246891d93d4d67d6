import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { stopAt } from '../../src/gateway/stop-sequences.ts'
import { runs } from '../support/effort.ts'

const finish: Delta = { type: 'finish', reason: 'stop' }

function answer(sequences: string[], pieces: string[]): [text: string, stopSequence: string | undefined] {
  const out = runTransform(stopAt(sequences), [...pieces.map((text): Delta => ({ type: 'text', text })), finish])
  const text = out.map((delta) => (delta.type === 'text' ? delta.text : '')).join('')
  const end = out.at(-1)
  return [text, end?.type === 'finish' ? end.stopSequence : 'no finish']
}

test.each<[string, string[], string[], [string, string | undefined]]>([
  ['nothing to stop at', ['END'], ['one ', 'two'], ['one two', undefined]],
  ['in one piece', ['END'], ['one END two'], ['one ', 'END']],
  ['over pieces', ['END'], ['one E', 'N', 'D two'], ['one ', 'END']],
  ['a false start is text', ['END'], ['one E', 'N', 'X'], ['one ENX', undefined]],
  ['a false start at the very end is text', ['END'], ['one EN'], ['one EN', undefined]],
  ['the first of several wins', ['B', 'A'], ['xAyB'], ['x', 'A']],
  ['the one that is complete first wins over the one that began first', ['b', 'cba'], ['cba'], ['c', 'b']],
  ['at the very beginning', ['A'], ['Abc'], ['', 'A']],
])('%s', (_name, sequences, pieces, expected) => {
  expect(answer(sequences, pieces)).toEqual(expected)
})

test('reasoning is not searched', () => {
  const out = runTransform(stopAt(['END']), [{ type: 'reasoning', text: 'END' }, { type: 'text', text: 'x' }, finish])
  expect(out).toEqual([{ type: 'reasoning', text: 'END' }, { type: 'text', text: 'x' }, finish])
})

test('every split of a text gives the same answer as the whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })),
      fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 }), {
        minLength: 1,
        maxLength: 3,
      }),
      (pieces, sequences) => {
        const text = pieces.join('')
        expect(answer(sequences, pieces)).toEqual(answer(sequences, [text]))
        // The expected stop: the first prefix, letter by letter, that ends in a sequence.
        const ends = Array.from(text, (_letter, at) => text.slice(0, at + 1))
        const met = ends.find((prefix) => sequences.some((sequence) => prefix.endsWith(sequence)))
        const lengths = sequences.filter((sequence) => met?.endsWith(sequence)).map(({ length }) => length)
        expect(answer(sequences, pieces)[0]).toBe(
          met === undefined ? text : met.slice(0, met.length - Math.max(...lengths)),
        )
      },
    ),
    { numRuns: runs(2_000) },
  )
})

test('what was held back comes in front of an error, of a call and of the end, for nothing that follows could make it a stop', () => {
  const error: Delta = { type: 'error', error: new GatewayError('timeout', 'slow') }
  const call: Delta = { type: 'tool-call', key: '0', name: 'f', arguments: '{}' }
  const finish: Delta = { type: 'finish', reason: 'stop' }
  for (const last of [error, call, finish])
    expect(runTransform(stopAt(['END']), [{ type: 'text', text: 'the EN' }, last])).toEqual([
      { type: 'text', text: 'the ' },
      { type: 'text', text: 'EN' },
      last,
    ])
})
