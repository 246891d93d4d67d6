/** A schema of a client's and an answer of the model's that take long to judge, each in a way of its own. */
export interface CostlyCase {
  name: string
  schema: Record<string, unknown>
  answer: string
}

const times = <Item>(count: number, make: (place: number) => Item) =>
  Array.from({ length: count }, (_, place) => make(place))
const properties = (count: number, make: (place: number) => unknown) =>
  Object.fromEntries(times(count, (place) => [`key${place}`, make(place)]))

const holding = (value: object) => ({
  type: 'object',
  properties: { value, count: { type: 'integer' } },
  required: ['value'],
})

/** Types that are united without a tag, as generators write them. */
const variant = (place: number) => ({
  type: 'object',
  properties: { kind: { const: place }, ...properties(12, (key) => ({ type: 'string', maxLength: place + key })) },
  required: ['kind', 'key0'],
  additionalProperties: false,
})

export const costlyCases: readonly CostlyCase[] = [
  {
    name: 'half a megabyte of schema',
    schema: {
      type: 'object',
      properties: properties(4_000, () => ({
        type: 'object',
        properties: { a: { type: 'string', minLength: 1 }, b: { anyOf: [{ type: 'integer' }, { type: 'null' }] } },
        required: ['a'],
      })),
    },
    answer: '{"key1":{"a":"b","b":1}}',
  },
  {
    name: 'a pattern that goes back and forth',
    schema: holding({ type: 'array', items: { type: 'string', pattern: '^(a+)+$' } }),
    answer: JSON.stringify({ value: times(300, () => `${'a'.repeat(21)}b`), count: '1' }),
  },
  {
    name: 'unique items',
    schema: holding({ type: 'array', uniqueItems: true }),
    answer: JSON.stringify({ value: times(20_000, (place) => ({ id: place, name: `n${place}` })), count: '1' }),
  },
  {
    name: 'a union of 150 variants',
    schema: {
      type: 'object',
      properties: { items: { type: 'array', items: { anyOf: times(150, variant) } } },
      required: ['items'],
    },
    answer: JSON.stringify({ items: times(20, (place) => ({ kind: `${place}`, key0: 'a' })) }),
  },
  {
    name: 'schemas of schemas of schemas',
    schema: {
      $defs: { a: { allOf: times(12, () => ({ $ref: '#/$defs/a' })) } },
      type: 'object',
      properties: { value: { $ref: '#/$defs/a' }, count: { type: 'integer' } },
    },
    answer: '{"value":{"a":1},"count":"1"}',
  },
  {
    name: 'half a megabyte of broken JSON',
    schema: { type: 'object' },
    answer: times(25_000, (place) => `{"a${place}":[1,{"b":"c`).join(''),
  },
  { name: 'half a megabyte of spaces in a fence', schema: {}, answer: `\`\`\`json\n${' '.repeat(500_000)}x` },
  { name: 'a long answer of brackets', schema: { type: 'object' }, answer: '[{'.repeat(250_000) },
]
