import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { portionLength, shapeReader, usualMostValues } from '../../src/http/body-shape.ts'
import { parseInPortions } from '../../src/http/parse-in-portions.ts'

/** Longer than a portion. */
const long = 'a "quoted" \\ 世界🙂 \u2028\n'.repeat(portionLength / 20)

function shapeOf(json: Buffer) {
  const reader = shapeReader(json, usualMostValues)
  // Of any length, and of none.
  while (reader.read(7));
  return reader.shape()
}

async function parse(text: string): Promise<{ value: unknown } | 'malformed'> {
  const json = Buffer.from(text)
  let pauses = 0
  const pause = () => (++pauses % 3 === 0 ? Promise.resolve() : undefined)
  try {
    return { value: await parseInPortions(json, shapeOf(json).longValues, pause) }
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return 'malformed'
    throw thrown
  }
}

function expected(json: string): { value: unknown } | 'malformed' {
  try {
    return { value: JSON.parse(json) }
  } catch {
    return 'malformed'
  }
}

/** Small values, and some that are longer than a portion, inside each other. */
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'xsmall', withCrossShrink: true },
    fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string({ unit: 'grapheme' }), fc.constant(long)),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'a', '1', '"')), tie('any'), { maxKeys: 4 }),
    fc.array(fc.integer(), { minLength: 10, maxLength: 10 }).map((few) => Array(1_900).fill(few)),
    fc
      .dictionary(fc.string(), fc.integer(), { minKeys: 1, maxKeys: 5 })
      .map((few) => Object.fromEntries(Array.from({ length: 4_000 }, (_, at) => [`key of a member ${at}`, few]))),
  ),
})).any

const spaces = fc.constantFrom(undefined, 1, '\t')

test('any JSON text is what JSON.parse makes of it', async () => {
  await fc.assert(
    fc.asyncProperty(value, spaces, async (value, indent) => {
      const json = JSON.stringify(value, undefined, indent)
      const parsed = await parse(json)
      expect(Bun.deepEquals(parsed, expected(json), true)).toBe(true)
      if (parsed !== 'malformed') expect(JSON.stringify(parsed.value) === JSON.stringify(JSON.parse(json))).toBe(true)
    }),
    { numRuns: 30 },
  )
}, 60_000)

test('a text that is broken anywhere is malformed where JSON.parse says so', async () => {
  const breaks = fc.constantFrom(',', ':', '[', ']', '{', '}', '"', '\\', ' ', '1', 'null', '')
  await fc.assert(
    fc.asyncProperty(
      value,
      fc.double({ min: 0, max: 1, noNaN: true }),
      breaks,
      fc.boolean(),
      async (value, where, by, cut) => {
        const json = JSON.stringify([value, long, { a: long, b: value }])
        const at = Math.floor(where * json.length)
        const broken = json.slice(0, at) + by + json.slice(cut ? at + 1 : at)
        expect(Bun.deepEquals(await parse(broken), expected(broken), true)).toBe(true)
      },
    ),
    { numRuns: 80 },
  )
}, 60_000)

test.each([
  ['nothing between commas', `[${JSON.stringify(long)},,1]`],
  ['a comma at the end of a list', `[${JSON.stringify(long)},]`],
  ['a comma at the end of an object', `{"a":${JSON.stringify(long)},}`],
  ['a comma at the beginning', `[,${JSON.stringify(long)}]`],
  ['no comma', `[${JSON.stringify(long)} 1]`],
  ['no key', `{${JSON.stringify(long)}}`],
  ['two colons', `{"a"::${JSON.stringify(long)}}`],
  ['two keys', `{"a":"b":${JSON.stringify(long)}}`],
  ['a value before the value', `[1 ${JSON.stringify(long)}]`],
  ['a number before the value of a key', `{"a":1${JSON.stringify(long)}}`],
  ['a sign before the value of a key', `{"a":-${JSON.stringify([long])}}`],
  [
    'more levels than are told apart',
    `"${'{'.repeat(300)}"${'['.repeat(300)}${' '.repeat(portionLength)}${']'.repeat(300)}`,
  ],
  ['a list in a list that ends as an object', `[[${JSON.stringify(long)}}]`],
  ['an object that ends as a list', `{"a":${JSON.stringify(long)}]`],
  ['something behind it', `[${JSON.stringify(long)}] 1`],
  ['a key that is no text', `{a:${JSON.stringify(long)}}`],
  ['a group of nothing', `[${'1,'.repeat(portionLength)},1]`],
  ['a comma behind a group', `[${'1,'.repeat(portionLength)}]`],
])('malformed: %s', async (_name, json) => {
  expect(expected(json)).toBe('malformed')
  expect(await parse(json)).toBe('malformed')
})

test.each([
  ['spaces in an empty list', `[${' '.repeat(2 * portionLength)}]`],
  ['spaces around it', `  [${JSON.stringify(long)} , 1 ] \n`],
  ['a key twice, once with a long value', `{"a":1,"a":${JSON.stringify(long)},"b":2,"a":3}`],
  ['a long key', `{${JSON.stringify(long)}:1,"b":${JSON.stringify(long)}}`],
  ['a long string alone', ` ${JSON.stringify(long)} `],
  ['__proto__', `{"__proto__":${JSON.stringify(long)},"b":{"__proto__":1}}`],
])('read: %s', async (_name, json) => {
  const parsed = await parse(json)
  expect(Bun.deepEquals(parsed, { value: JSON.parse(json) }, true)).toBe(true)
  expect(parsed !== 'malformed' && JSON.stringify(parsed.value) === JSON.stringify(JSON.parse(json))).toBe(true)
})

// A string is read in portions of a quarter of a megabyte, which must not end inside of an escape.
test.each(['\\\\', '\\"', '\\u00e9', '\\ud83d\\ude00', '\\\\\\u0041', '\\\\\\\\u0041', '🙂', '\\n\\\\u'])(
  'read: a string of %j, however it is cut',
  async (unit) => {
    for (let lead = 0; lead < 13; lead++) {
      const json = `["${'a'.repeat(lead)}${unit.repeat(1_200_000 / unit.length)}"]`
      expect(Bun.deepEquals(await parse(json), expected(json), true)).toBe(true)
    }
  },
)

test.each(['\\x', '\\u12', '\u0001', '\\'])('malformed: a long string with %j', async (fault) => {
  for (const place of [10, 262_138, 262_143, 262_144, 262_145, 1_100_000]) {
    const json = `["${'a'.repeat(place)}${fault}${'b'.repeat(1_100_001 - place)}"]`
    expect([place, await parse(json)]).toEqual([place, expected(json)])
  }
})

test('a string of nothing but quotes is found in steps', () => {
  const json = Buffer.from(JSON.stringify(['"'.repeat(500_000), 1]))
  const reader = shapeReader(json, usualMostValues)
  let steps = 1
  while (reader.read(10_000)) steps++
  expect(steps).toBe(Math.ceil(json.length / 10_000))
  expect(reader.shape().longValues).toEqual(
    new Map([
      [1, json.length - 4],
      [0, json.length - 1],
    ]),
  )
})
