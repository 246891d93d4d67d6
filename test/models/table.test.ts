import { describe, expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import * as defaultModels from '../../src/core/default-models.ts'
import file from '../../src/models/models.toml'
import { builtInRow, type EffortWord, modelFields, modelRow } from '../../src/models/row.ts'
import { effortWord, type ModelFacts, modelTable } from '../../src/models/table.ts'
import { preferredModels } from '../../src/upstreams/zai-api/preferred-models.ts'

const table = modelTable()
/** `1048576 131072 text,image always` */
const told = ({ contextTokens, maxOutputTokens, input, reasoning }: ModelFacts) =>
  [contextTokens, maxOutputTokens, [...input], reasoning].join(' ')

test('every row of the file fits the schema, whose facts of the vendor are not for the user’s rows', () => {
  const faults = file.models.flatMap((row) => [...Value.Errors(builtInRow, row)].map(({ path }) => `${row.id}${path}`))
  expect(faults).toEqual([])
  expect(Value.Check(modelRow, { id: 'GLM-5.5', web_name: 'glm-5.5' })).toBe(false)
  expect([...Value.Errors(modelFields, file.assumed)]).toEqual([])
})

test('models for names of other vendors: the newest first, and on the coding plan its own', () => {
  const small = ['GLM-4.5-Air', 'GLM-4.7', 'GLM-4.7-Flash', 'GLM-4.5-Flash']
  expect(preferredModels(table, 'general')).toEqual({
    primary: ['GLM-5.4', 'GLM-5.3', 'GLM-5.2', 'GLM-5.1', 'GLM-5', 'GLM-4.7', 'GLM-4.6', 'GLM-4.5'],
    small,
  })
  expect(preferredModels(table, 'coding')).toEqual({
    primary: ['GLM-5.4', 'GLM-5.3', 'GLM-5-Turbo', 'GLM-4.7', 'GLM-4.6', 'GLM-4.5'],
    small,
  })
})

test('a model with the facts of a family has no place of its own in a list', () => {
  const { webName, standsIn, smallRank } = table.of('GLM-4.5-Air-2508')
  expect({ webName, standsIn, smallRank }).toEqual({ webName: undefined, standsIn: [], smallRank: undefined })
})

test.each(Object.entries(defaultModels))('%s has a row', (_name, model) =>
  expect(table.named.map(({ id }) => id)).toContain(model),
)

test('every model has a source and the day of the last comparison with it', () => {
  const ids = (has: (row: (typeof file.models)[number]) => boolean) =>
    new Set(file.models.filter(has).flatMap(({ id }) => id))
  // The vendor does not say since when it has its embedding models, and nothing is sorted by it.
  const isDated = (row: (typeof file.models)[number]) => Boolean(row.released) || row.kind === 'embedding'
  expect([...ids((row) => Boolean(row.source && row.checked && isDated(row)))].sort()).toEqual(
    [...ids(() => true)].sort(),
  )
})

test.each([
  ['GLM-5.4', 1],
  ['glm-6', 1],
  ['glm-4.6v-flash-1201', 1],
  ['glm-4.5-air', 0.6],
  ['glm-4.5v', 0.6],
  ['GLM-4.1V-Thinking-Flash', undefined],
  ['house', undefined],
])('the temperature of %s is %p where nobody names one', (name, expected) =>
  expect(table.of(name).defaultTemperature).toBe(expected),
)

test.each(['zai-org/GLM-5.3', 'GLM-5.3:free', 'zai-org/glm-5.3:free'])('%s is a GLM-5.3 without its price', (name) => {
  const { price, ownPrice, id, ...facts } = table.of(name)
  expect({ price, ownPrice }).toEqual({ price: undefined, ownPrice: undefined })
  const { price: _price, id: _id, credits: _credits, checked: _checked, ...known } = table.of('GLM-5.3')
  const { webName: _name, standsIn: _standsIn, ...expected } = known
  expect(facts).toMatchObject(JSON.parse(JSON.stringify({ ...expected, input: undefined })))
  expect(id).toBe(name)
})

test.each(['zai-org/GLM-4.6-FP8', 'GLM-4.6-FP8', 'GLM-4.6*'])('a row for %s is about zai-org/GLM-4.6-FP8', (id) => {
  const price = { input: 1, output: 2 }
  const own = modelTable([{ id, context_tokens: 32_000, price }])
  expect(own.of('zai-org/GLM-4.6-FP8')).toMatchObject({
    id: 'zai-org/GLM-4.6-FP8',
    ...{ contextTokens: 32_000, maxOutputTokens: table.of('GLM-4.6').maxOutputTokens, price, ownPrice: price },
  })
})

test.each([
  ['2026-01-31', true],
  ['2026-06-30', true],
  ['2026-06-31', false],
  ['2026-02-28', true],
  ['2026-02-29', false],
  ['2028-02-29', true],
  ['2028-02-30', false],
  ['2026-13-01', false],
  ['2026-00-01', false],
  ['2026-10-00', false],
])('%s is a day: %p', (released, expected) => expect(Value.Check(modelRow, { id: 'a', released })).toBe(expected))

describe('the facts about', () => {
  const all = 'text,image,video,file'
  test.each([
    ['GLM-5.4', `1048576 131072 ${all} always`],
    ['glm-5.3-flash', '1048576 131072 text,image,video always'],
    ['GLM-5.3-FlashX', '1048576 131072 text,image,video always'],
    ['glm-5.3', '1048576 131072 text always'],
    ['glm-4.6v', `128000 32768 ${all} switchable`],
    ['glm-4.5-air', '128000 98304 text switchable'],
    ['a member of a family, glm-5.3-flash-1201', '1048576 131072 text,image,video always'],
    ['a new one, glm-5.4-air', `1048576 131072 ${all} always`],
    ['a new one, glm-5.10', `1048576 131072 ${all} always`],
    ['a new one, glm-6', `1048576 131072 ${all} always`],
    ['a new one, glm-6v-flash', `1048576 131072 ${all} always`],
    ['an old one, glm-4.8', '  text switchable'],
    ['an old one that sees, glm-4.8v', `  ${all} switchable`],
    ['an old one, glm-4-plus', '  text never'],
    ['one without a number, glm-next', '  text,image never'],
    ['anything, llama-3', '  text,image never'],
  ])('%s', (name, expected) => expect(told(table.of(name.split(' ').at(-1) ?? ''))).toBe(expected))
})

test.each([
  ['glm-4.6', 'GLM-4.6'],
  ['GLM-4.5-AIR', 'GLM-4.5-Air'],
  ['glm-5.1-highspeed', 'GLM-5.1-HighSpeed'],
  ['glm-6v-mini', 'GLM-6V-Mini'],
  ['Foo-2', 'Foo-2'],
])('%s is called %s', (name, expected) => expect(table.of(name).id).toBe(expected))

test('a model has a price if one is known', () => {
  expect(table.of('glm-5.3').price).toEqual({ input: 1.4, cached: 0.26, output: 4.4 })
  expect(table.of('glm-5.3-flash').price).toEqual({ input: 0.15, cached: 0.03, output: 0.5 })
  expect(table.of('glm-4.5').price).toEqual({ input: 0.6, cached: 0.11, output: 2.2 })
  expect(table.of('glm-5.4').price).toBeUndefined()
  expect(table.of('glm-5.3-flash-1201').price).toBeUndefined()
})

describe('a row of the user', () => {
  test('overrides the fields that it has, and no others', () => {
    const facts = modelTable([{ id: 'glm-5.3', context_tokens: 400_000, price: { input: 1 } }]).of('GLM-5.3')
    expect([told(facts), facts.id, facts.price]).toEqual(['400000 131072 text always', 'GLM-5.3', { input: 1 }])
  })

  test('adds a model, which is listed, with the facts assumed for its kind', () => {
    const own = modelTable([{ id: 'GLM-5.5', input: ['text'], released: '2027-01-02' }])
    expect(own.named[0]?.id).toBe('GLM-5.5')
    expect(told(own.of('glm-5.5'))).toBe('1048576 131072 text always')
    expect(told(own.of('glm-5.5-air'))).toBe('1048576 131072 text always')
  })

  test('may be about several, and about all that match a pattern', () => {
    const own = modelTable([
      { id: ['glm-5.3', 'house'], context_tokens: 1 },
      { id: 'glm-5*', max_output_tokens: 2 },
    ])
    expect(['glm-5.3', 'house', 'GLM-5.9', 'glm-4.7'].map((name) => told(own.of(name)))).toEqual([
      '1 2 text always',
      '1  text,image never',
      '1048576 2 text,image,video,file always',
      '200000 131072 text switchable',
    ])
    expect(own.named.map(({ id }) => id)).not.toContain('glm-5*')
  })
})

test.each<[EffortWord, EffortWord[], EffortWord | undefined]>([
  ['low', ['low', 'high', 'max'], 'low'],
  ['medium', ['low', 'high', 'max'], 'high'],
  ['max', ['low', 'high'], 'high'],
  ['low', ['high'], 'high'],
  ['high', [], undefined],
])('an effort of %s among %j is %s', (effort, taken, expected) => expect(effortWord(effort, taken)).toBe(expected))
