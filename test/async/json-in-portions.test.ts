import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { holdsLongText, jsonBytesInPortions, jsonInPortions } from '../../src/async/json-in-portions.ts'

/** Longer than a portion, and cut inside a character of two units. */
const long = `${'a'.repeat(1_048_575)}🙂"\\\n汉字\u2028`

const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'xsmall', withCrossShrink: true },
    fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string({ unit: 'grapheme' }), fc.constant(long)),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('a', '1', '"')), tie('any'), { maxKeys: 4 }),
    tie('any').map((of) => ({ left: undefined, of })),
  ),
})).any

test('any value has the JSON of JSON.stringify, as text and as bytes', async () => {
  let pauses = 0
  const pause = () => (++pauses % 3 === 0 ? Promise.resolve() : undefined)
  await fc.assert(
    fc.asyncProperty(value, async (value) => {
      const expected = JSON.stringify(value)
      expect((await jsonInPortions(value, pause)).join('') === expected).toBe(true)
      expect(Buffer.from(expected).equals(await jsonBytesInPortions(value, pause))).toBe(true)
    }),
    { numRuns: 40 },
  )
}, 60_000)

test('a long text is written in portions, with a pause behind each', async () => {
  let pauses = 0
  const pause = () => {
    pauses++
    return undefined
  }
  const pieces = await jsonInPortions({ a: [long + long], b: 1 }, pause)
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(1_100_000)
  expect(pauses).toBeGreaterThanOrEqual(3)
})

test('a long text is found anywhere', () => {
  expect([long, [1, [long]], { a: { b: [long] } }].map(holdsLongText)).toEqual([true, true, true])
  expect(['a', null, 7, [], { a: ['b'], c: null }].map(holdsLongText)).toEqual([false, false, false, false, false])
})
