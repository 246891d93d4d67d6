import { expect, test } from 'bun:test'
import { longTextJson } from '../../src/core/long-json.ts'

const long = `${'a line\n"'.repeat(50_000)}🙂汉字`

test.each<[string, object]>([
  ['an object', { a: long, left: undefined, b: [1, null, undefined, long, { c: long }], short: { left: undefined } }],
  ['a list', [[], {}, [long], undefined, 'short', 1.5]],
  ['a name that needs escapes', { '"\n': { long } }],
  ['no long text', { a: [undefined, 'b'], c: undefined }],
])('%s with long texts has the JSON of JSON.stringify', (_name, value) => {
  const json = longTextJson()
  // The second time long texts are known.
  for (const _ of [1, 2]) expect(json(value) === JSON.stringify(value)).toBe(true)
})
