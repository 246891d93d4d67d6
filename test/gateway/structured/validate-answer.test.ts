import { describe, expect, test } from 'bun:test'
import { loadSchemaCompiler } from '../../../src/gateway/structured/schema-compiler.ts'
import { checkObject, validateAnswer } from '../../../src/gateway/structured/validate-answer.ts'
import { loadValidation } from '../../../src/gateway/structured/validation.ts'
import { cpuTimeMs } from '../../support/cpu-time.ts'

type Schema = Record<string, unknown>

const checkerOf = await loadSchemaCompiler()

const city: Schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    name: { type: 'string' },
    people: { type: 'integer' },
    coastal: { type: 'boolean' },
    size: { enum: ['small', 'large'] },
    founded: { type: 'string', format: 'date' },
    districts: { type: 'array', items: { $ref: '#/$defs/district' } },
  },
  required: ['name', 'people'],
  additionalProperties: false,
  $defs: { district: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } },
}

async function verdict(answer: string, schema?: Schema) {
  const check = schema === undefined ? checkObject : checkerOf(schema)
  if (check instanceof Error) throw check
  return validateAnswer(answer, { type: 'json', ...(schema === undefined ? {} : { schema }) }, check)
}

const oslo = '{"name":"Oslo","people":717710}'

describe('valid answers become clean JSON', () => {
  test.each<[string, string, string]>([
    ['as they are', oslo, oslo],
    [
      'in the spelling of the model',
      ' {\n  "name": "Oslo",\n  "people": 717710\n}\n',
      '{\n  "name": "Oslo",\n  "people": 717710\n}',
    ],
    ['without a byte order mark', `\uFEFF${oslo}`, oslo],
    ['without a fence', `\`\`\`json\n${oslo}\n\`\`\``, oslo],
    ['without a fence and words', `Here you are:\n\n\`\`\`\n${oslo}\n\`\`\`\nAnything else?`, oslo],
    ['without words', `The city is ${oslo}. I hope it helps [1].`, oslo],
    ['without words in brackets', `[Note: from memory] {maybe} ${oslo}`, oslo],
    ['said twice', `First: ${oslo}\nAgain: {"name": "Oslo", "people": 717710}`, '{"name": "Oslo", "people": 717710}'],
    ['beside a value that does not fit', `{"draft":true}\n${oslo}`, oslo],
    ['with brackets in strings', '{"name":"a } b ] \\" {","people":1}', '{"name":"a } b ] \\" {","people":1}'],
    ['with trailing commas taken out', '{"name":"Oslo","people":717710,}', oslo],
    [
      "with Python's literals",
      '{"name":"Oslo","people":1,"coastal":True}',
      '{"name":"Oslo","people":1,"coastal":true}',
    ],
    ['with a number for its text', '{"name":"Oslo","people":"717710"}', oslo],
    ['with a text for its number', '{"name":7,"people":1}', '{"name":"7","people":1}'],
    [
      'with a date that is none: formats are not looked at',
      '{"name":"a","people":1,"founded":"x"}',
      '{"name":"a","people":1,"founded":"x"}',
    ],
  ])('%s', async (_name, answer, expected) => {
    expect(await verdict(answer, city)).toEqual({ text: expected })
  })

  test.each<[string, string, string]>([
    ['any object', ' {"a":[1]} ', '{"a":[1]}'],
    ['in words', 'Sure! {"a":1}', '{"a":1}'],
    ['whose numbers are too long for us', '{"id":12345678901234567890.10}', '{"id":12345678901234567890.10}'],
  ])('without a schema: %s', async (_name, answer, expected) => {
    expect(await verdict(answer)).toEqual({ text: expected })
  })
})

describe('invalid answers have violations with paths', () => {
  test.each<[string, string, string]>([
    ['no JSON', 'I cannot do that.', 'the answer is not JSON'],
    ['nothing', '', 'the answer is not JSON'],
    ['half an object', '{"name":"Os', 'the answer is not JSON'],
    ['a missing field', '{"name":"Oslo"}', "the value must have required property 'people'"],
    ['a number that is none', '{"name":"Oslo","people":"many"}', 'people must be integer'],
    [
      'a field nobody knows',
      '{"name":"Oslo","people":1,"mayor":"x"}',
      'the value must NOT have additional properties: mayor',
    ],
    [
      'a word out of the list',
      '{"name":"a","people":1,"size":"huge"}',
      'size must be equal to one of the allowed values: ["small","large"]',
    ],
    [
      'deep inside',
      '{"name":"a","people":1,"districts":[{"name":"b"},{}]}',
      "districts.1 must have required property 'name'",
    ],
    ['the wrong kind of value', '[1]', 'the value must be object'],
    ['two values that fit', `${oslo} or {"name":"Bergen","people":1}`, 'the answer holds more than one JSON value'],
  ])('%s', async (_name, answer, expected) => {
    expect(await verdict(answer, city)).toMatchObject({ violations: [expected] })
  })

  test.each([
    ['an array', '[{"a":1}]'],
    ['a number', '7'],
    ['a text', '"a"'],
  ])('without a schema only an object is valid, not %s', async (_name, answer) => {
    expect(await verdict(answer)).toEqual({ violations: ['the value must be an object'] })
  })
})

describe('schemas', () => {
  test.each<[string, Schema, unknown, unknown]>([
    ['draft-07 with definitions', { $ref: '#/definitions/n', definitions: { n: { type: 'number' } } }, 1, 'a'],
    [
      'draft-07 tuples',
      { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] },
      ['a'],
      [1],
    ],
    [
      '2020-12 tuples',
      { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'string' }] },
      ['a'],
      [1],
    ],
    ['an $id and unknown keywords', { $id: 'https://example.com/s', 'x-hint': 1, type: 'string' }, 'a', 1],
    ['nullable, as OpenAPI has it', { type: 'string', nullable: true }, null, 1],
    ['a pattern', { type: 'array', items: { type: 'string', pattern: '^\\d{4}$' } }, ['2026'], ['2026', '26']],
    ['two patterns', { properties: { a: { pattern: '^a$' }, b: { pattern: '^b$' } } }, { a: 'a', b: 'b' }, { a: 'b' }],
    ['nothing', {}, 1, undefined],
  ])('%s', async (_name, schema, good, bad) => {
    const check = checkerOf(schema)
    if (check instanceof Error) throw check
    expect(check(good)).toEqual([])
    if (bad !== undefined) expect(check(bad)).not.toEqual([])
    // Compiling the same schema again must work, too.
    expect(checkerOf(schema)).toBeFunction()
  })

  test.each<[string, Schema]>([
    ['a reference that leads nowhere', { $ref: '#/$defs/none' }],
    ['a reference to elsewhere', { $ref: 'https://example.com/schema.json' }],
    ['a regular expression of another language', { type: 'string', pattern: '(?P<year>\\d+)' }],
    ['a type that does not exist', { type: 'text' }],
  ])('that cannot be used are named: %s', async (_name, schema) => {
    expect(checkerOf(schema)).toBeInstanceOf(Error)
  })
})

test('a pattern that takes too long does not fail the answer, and is not tried on the next value', async () => {
  const schema = JSON.stringify({ type: 'array', items: { type: 'string', pattern: '^(a+)+$' } })
  const validation = await loadValidation()
  const judged = (value: string[]) => validation({ type: 'answer', text: JSON.stringify(value), schema })
  expect(judged(['aaa', 'b'])).toEqual({ verdict: { violations: ['1 must match pattern "^(a+)+$"'] } })
  const slow = Array.from({ length: 30 }, () => `${'a'.repeat(25)}b`)
  expect(judged(slow)).toEqual({
    verdict: { text: JSON.stringify(slow) },
    unchecked: 'a pattern took longer than 100 ms: ^(a+)+$',
  })
})

describe('an answer is read in a time in proportion to its length', () => {
  const times = (count: number, make: (index: number) => string) => Array.from({ length: count }, (_, at) => make(at))
  test.each([
    ['brackets', '{['.repeat(250_000)],
    ['brackets that are closed', `${'[1,,'.repeat(100_000)}${']'.repeat(100_000)}`],
    ['broken objects', times(25_000, (index) => `{"a${index}":[1,{"b":"c`).join('')],
    ['quotes and brackets', '{"["'.repeat(100_000)],
    ['spaces in a fence', `\`\`\`json\n${' '.repeat(500_000)}x`],
    ['spaces behind a fence', `\`\`\`json${' '.repeat(500_000)}x`],
    ['fences', '```a\n{'.repeat(70_000)],
    ['backticks', '`'.repeat(500_000)],
  ])(
    '%s',
    async (_name, answer) => {
      const startedAt = cpuTimeMs()
      expect(await verdict(answer, city)).toEqual({ violations: ['the answer is not JSON'] })
      expect(cpuTimeMs() - startedAt).toBeLessThan(4_000)
    },
    60_000,
  )

  test.each([
    ['a thousand brackets', `${'[ '.repeat(1_000)}${oslo}`],
    ['a thousand brackets that are closed', `${'[1,,'.repeat(300)}${']'.repeat(300)} ${oslo}`],
    ['a single quote among brackets', `[Note: 5" of rain] [and 3" more {than} ever: ${oslo}`],
    ['an open fence', `\`\`\`json\n{"name": \n${oslo}`],
  ])('and a valid value is found behind %s', async (_name, answer) => {
    expect(await verdict(answer, city)).toEqual({ text: oslo })
  })
})

describe('an answer that is nested too deep', () => {
  const lists = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
  const tooDeep = ['the value is nested deeper than 200 levels']
  const tree: Schema = { type: 'object', properties: { people: { type: 'integer' }, inner: {} } }

  test.each<[string, string, Schema]>([
    ['whose values would have to be converted', `{"people":"1","inner":${lists(100_000)}}`, tree],
    [
      'whose schema goes as deep',
      `${'{"inner":'.repeat(100_000)}{}${'}'.repeat(100_000)}`,
      { $ref: '#/$defs/node', $defs: { node: { type: 'object', properties: { inner: { $ref: '#/$defs/node' } } } } },
    ],
    ['in a fence', `Here:\n\`\`\`json\n{"inner":${lists(100_000)}}\n\`\`\``, tree],
  ])('does not fit: %s', async (_name, answer, schema) => {
    expect(await verdict(answer, schema)).toEqual({ violations: tooDeep })
  })

  test('passes unchanged if it only has to be an object', async () => {
    const answer = `{"inner":${lists(100_000)}}`
    expect(await verdict(answer)).toEqual({ text: answer })
  })
})
