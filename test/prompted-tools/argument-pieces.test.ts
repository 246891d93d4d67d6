import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { argumentPieces } from '../../src/prompted-tools/argument-pieces.ts'
import { runs } from '../support/effort.ts'

/** The text appended after each piece and at the end. */
function appended(pieces: readonly unknown[]): string[] {
  const reader = argumentPieces()
  return [...pieces.map((piece) => reader.push(piece)), reader.end()]
}

const joined = (pieces: readonly unknown[]) => appended(pieces).join('')

/** Longer than what is read before another piece follows. */
const long = 'x'.repeat(100_000)

describe('pieces of arguments', () => {
  test.each<[string, unknown[], string[]]>([
    ['alone', [`{"a":"${long}"}`], ['', `{"a":"${long}"}`]],
    ['that is no object', [`{"a":"${long}}`, 'b"}'], ['', `{"a":"${long}}b"}`, '']],
    ['that is no object, and a whole one', [`{"a":"${long}}`, '{"a":1}'], ['', `{"a":"${long}}{"a":1}`, '']],
    ['that is no object, and all so far', [`{"a":"${long}}`, `{"a":"${long}}"}`], ['', `{"a":"${long}}"}`, '']],
    ['more behind it', [`{"a":"${long}"}`, '}'], ['', `{"a":"${long}"}}`, '']],
    ['it again', [`{"a":"${long}"}`, `{ "a": "${long}" }`], ['', '', `{"a":"${long}"}`]],
    ['it grown', [`{"a":"${long}"}`, { a: `${long}y` }], ['', '', `{"a":"${long}y"}`]],
  ])('a long piece: %s', (_name, pieces, texts) => {
    expect(appended(pieces)).toEqual(texts)
  })

  test('a long piece is known to be a whole object, or none', () => {
    const answers = [`{"a":"${long}"}`, `{"a":"${long}}`].map((piece) => {
      const reader = argumentPieces()
      reader.push(piece)
      return [reader.holdsObject, reader.repeats('{"a":1}'), reader.repeats(`${piece}"}`), reader.settle() === piece]
    })
    expect(answers).toEqual([
      [true, false, false, true],
      [false, false, true, true],
    ])
  })

  test.each<[string, unknown[], string[]]>([
    ['fragments are appended as they come', ['{"a', '":1', '}'], ['{"a', '":1', '}', '']],
    ['snapshots give what they add', ['{"a', '{"a":1', '{"a":1}'], ['{"a', '":1', '}', '']],
    ['the same again adds nothing', ['{"a":1}', '{"a":1}', '{"a":1}'], ['', '', '', '{"a":1}']],
    ['the same again in other words adds nothing', ['{"a":1}', '{ "a": 1 }'], ['', '', '{"a":1}']],
    ['whole objects that grow', ['{"a":""}', '{"a":"x"}', '{"a":"x","b":1}'], ['', '', '', '{"a":"x","b":1}']],
    ['whole objects that differ', ['{"a":"x"}', '{"a":"y"}'], ['', '{"a":"x"}{"a":"y"}', '']],
    ['more behind a whole object', ['{"a":1}', '}'], ['', '{"a":1}}', '']],
    [
      'numbers stay as they were written',
      ['{"a":1e400}', '{"a":12345678901234567890}'],
      ['', '{"a":1e400}{"a":12345678901234567890}', ''],
    ],
    ['each piece twice', ['{"a":', '{"a":', '"x', '"x', 'y"}', 'y"}'], ['{"a":', '', '', '', '', '', '"xy"}']],
    ['each piece twice, cut', ['{"a":', '{"a":', '"x', '"x'], ['{"a":', '', '', '', '{"a":"x"x']],
    ['a piece twice and others once', ['{"a":', '{"a":', '1}', '}'], ['{"a":', '', '', '{"a":1}}', '']],
    [
      'pairs that make arguments as they are',
      ['{"a":', '{"a":', '[', '[', ']', ']', '}', '}'],
      ['{"a":', '', '', '', '', '', '', '', '{"a":[[]]}}'],
    ],
    ['a fragment may begin as all did', ['{"a":', '{"a":1}', '}'], ['{"a":', '', '{"a":1}}', '']],
    ['where only a fragment fits it is one', ['{"a":', '{"a":1}}'], ['{"a":', '{"a":1}}', '']],
    ['what is whole at the end is all', ['{"a":', '{"a":1}'], ['{"a":', '', '1}']],
    ['lists go down as well', ['{"a":[', '{"a":[', '{"a":[1]}'], ['{"a":[', '', '', '1]}']],
    ['a key that begins with a colon', ['{":', '{":1', '{":1":2}'], ['{":', '', '1":2}', '']],
    ['a placeholder in front is none of all', ['{}', '{"a', '{"a":1}'], ['{}', '{"a', '":1}', '']],
    ['cut in the middle', ['{"a":"x', '{"a":"xy'], ['{"a":"x', 'y', '']],
    ['text in text', ['"{\\"a', '"{\\"a\\":1}"'], ['"{\\"a', '\\":1}"', '']],
    ['nearly JSON', ["{'a'", "{'a': 1}"], ["{'a'", '', ': 1}']],
    ['nearly JSON in a fence', ['```json\n{"a"', '```json\n{"a":1}\n```'], ['```json\n{"a"', '', ':1}\n```']],
    ['objects that grow', [{ a: 'x' }, { a: 'xy' }, { a: 'xy', b: [1] }], ['', '', '', '{"a":"xy","b":[1]}']],
    ['objects that differ', [{ a: 'x' }, { a: 'y' }], ['', '{"a":"x"}{"a":"y"}', '']],
    ['an object and text', [{}, '{"a":1}'], ['', '', '{"a":1}']],
    ['text and an object that says the same', ['{"a":1', { a: 1 }], ['{"a":1', '', '}']],
    ['nothing', [null, undefined, ''], ['', '', '', '']],
  ])('%s', (_name, pieces, expected) => expect(appended(pieces)).toEqual(expected))

  const texts = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('{"a":', '{"', '}', '"', ':', '\\'))
  const { value: values } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.integer(), fc.boolean(), texts, tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 3 }),
    object: fc.dictionary(fc.constantFrom('a', 'b', '', ':', ':1', '{'), tie('value'), { maxKeys: 3 }),
  }))
  const objects = fc.dictionary(fc.constantFrom('a', 'b', ':'), values, { minKeys: 1, maxKeys: 3 })
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 })

  test('fragments are passed on unchanged, however they are split', () =>
    fc.assert(
      fc.property(objects, sizes, (value, lengths) => {
        const text = JSON.stringify(value)
        expect(joined(cut(text, lengths))).toBe(text)
      }),
      { numRuns: runs(2_000) },
    ))

  test('snapshots become the last one, however they are split or repeated', () =>
    fc.assert(
      fc.property(
        objects,
        sizes,
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1 }),
        (value, lengths, times) => {
          const text = JSON.stringify(value)
          let end = 0
          const snapshots = cut(text, lengths).flatMap((piece, at) => {
            end += piece.length
            return Array.from({ length: times[at % times.length] ?? 1 }, () => text.slice(0, end))
          })
          expect(joined(snapshots)).toBe(text)
        },
      ),
      { numRuns: runs(2_000) },
    ))
})

/** Splits a text into pieces of these lengths, repeated. */
function cut(text: string, lengths: readonly number[]): string[] {
  const pieces: string[] = []
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1
    pieces.push(text.slice(at, at + length))
    at += length
  }
  return pieces
}
