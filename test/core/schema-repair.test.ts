import { describe, expect, test } from 'bun:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { repairedSchema } from '../../src/core/schema-repair.ts'

type Schema = Record<string, unknown>
const mend = (schema: Schema) => repairedSchema(schema, (problem) => new Error(problem))

describe('mended is', () => {
  test.each<[string, Schema, Schema]>([
    ['an empty list for an object', { properties: [], $defs: [] }, { properties: {}, $defs: {} }],
    ['an empty list for a schema', { items: { not: [] } }, { items: { not: {} } }],
    ['no rule in a list', { items: [], anyOf: [], enum: [], type: [] }, {}],
    ['an empty object for a list', { required: {}, enum: {}, oneOf: {} }, { required: [] }],
    [
      'a property that says of itself that it is required',
      { properties: { a: { type: 'string', required: true }, b: { required: false } }, required: ['c'] },
      { properties: { a: { type: 'string' }, b: {} }, required: ['c', 'a'] },
    ],
    ['a name twice', { required: ['a', 'b', 'a'] }, { required: ['a', 'b'] }],
    ['a number as text', { minimum: '0.5', maxLength: '9' }, { minimum: 0.5, maxLength: 9 }],
    ['a flag as text', { uniqueItems: 'true' }, { uniqueItems: true }],
    ['a description that is a number', { description: 7 }, { description: '7' }],
    [
      'a type in capitals',
      { type: 'STRING', items: { type: ['Number', 'null'] } },
      { type: 'string', items: { type: ['number', 'null'] } },
    ],
    [
      'deep inside',
      { allOf: [{ if: { properties: { a: { items: { properties: [] } } } } }] },
      { allOf: [{ if: { properties: { a: { items: { properties: {} } } } } }] },
    ],
  ])('%s', (_name, schema, mended) => {
    const before = structuredClone(schema)
    expect(mend(schema)).toEqual(mended)
    expect(schema).toEqual(before)
  })
})

describe('refused is', () => {
  test.each<[Schema, string]>([
    [{ required: [7] }, 'required.0: expected a string.'],
    [{ required: 'a' }, 'required: expected a list of names.'],
    [{ properties: ['a'] }, 'properties: expected an object of schemas.'],
    [{ properties: { a: 3 } }, 'properties.a: expected a schema.'],
    [{ properties: { 'a b': { type: 7 } } }, 'properties."a b".type: expected the name of a type.'],
    [{ type: ['string', {}] }, 'type.1: expected the name of a type.'],
    [{ enum: { a: 1 } }, 'enum: expected a list of values.'],
    [{ enum: 'a' }, 'enum: expected a list of values.'],
    [{ items: 3 }, 'items: expected a schema.'],
    [{ items: [{}, 3] }, 'items.1: expected a schema.'],
    [{ $ref: 5 }, '"$ref": expected a string.'],
    [{ pattern: 5 }, 'pattern: expected a string.'],
    [{ anyOf: { type: 'string' } }, 'anyOf: expected a list of schemas.'],
    [{ additionalProperties: 'no' }, 'additionalProperties: expected a schema.'],
    [{ description: {} }, 'description: expected a string.'],
    [{ minimum: 'low' }, 'minimum: expected a number.'],
    [{ minLength: -1 }, 'minLength: expected a whole number, 0 or more.'],
    [{ uniqueItems: 1 }, 'uniqueItems: expected true or false.'],
    [{ dependentRequired: { a: 'b' } }, 'dependentRequired.a: expected a list of names.'],
    [{ dependencies: { a: 'b' } }, 'dependencies.a: expected a schema.'],
    [
      { $defs: { a: { properties: { b: { anyOf: [{ items: [], not: 1 }] } } } } },
      '"$defs".a.properties.b.anyOf.0.not: expected a schema.',
    ],
  ])('%j', (schema, problem) => expect(() => mend(schema)).toThrow(problem))
})

test('a schema of any draft is left as it is', () => {
  const schema = {
    $schema: 'http://json-schema.org/draft-04/schema#',
    properties: {
      required: { type: ['string', 'null'], enum: ['a', null, 7, {}], default: [], const: {}, examples: {} },
      pair: { items: [{ type: 'string' }, true], minimum: 1, exclusiveMinimum: true, maximum: -0.5 },
    },
    dependencies: { a: ['b'], c: { properties: {} } },
    additionalProperties: false,
    items: true,
    required: [],
    'x-order': [7],
    nullable: 'yes',
  }
  expect(mend(schema)).toBe(schema)
})

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const keywords = [
  ...['type', 'properties', 'required', 'enum', 'anyOf', 'prefixItems', 'additionalProperties', 'not', 'description'],
  ...['minimum', 'maximum', 'minLength', 'uniqueItems', '$defs', 'patternProperties', 'dependentRequired'],
]
const value = fc.letrec<{ any: unknown; schema: Schema }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(7, -1, 0.5, '', 'string', 'OBJECT', '12', 'true', true, false),
    fc.constantFrom<unknown>([], {}),
    fc.array(tie('any'), { maxLength: 3 }),
    tie('schema'),
  ),
  schema: fc.dictionary(fc.constantFrom(...keywords, 'a'), tie('any'), { maxKeys: 4 }),
}))

test('whatever is not refused is a schema by the rules of JSON Schema', () => {
  let passed = 0
  fc.assert(
    fc.property(value.schema, (schema) => {
      let mended: Schema
      try {
        mended = mend(schema)
      } catch {
        return
      }
      passed++
      // Names of types that no draft has are the server's to judge.
      const errors = ajv.validateSchema(mended) ? [] : (ajv.errors ?? [])
      const others = errors.filter(
        ({ instancePath, keyword }) => !/\/type(\/\d+)?$/.test(instancePath) && keyword !== 'anyOf',
      )
      expect(others.map(({ instancePath, message }) => `${instancePath} ${message}`)).toEqual([])
      expect(mend(mended)).toBe(mended)
    }),
    { numRuns: 3_000 },
  )
  expect(passed).toBeGreaterThan(100)
})
