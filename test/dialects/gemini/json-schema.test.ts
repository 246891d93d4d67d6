import { expect, test } from 'bun:test'
import { jsonSchemaOf } from '../../../src/dialects/gemini/json-schema.ts'

test.each<[string, object, object]>([
  [
    'types are in lower case',
    { type: 'OBJECT', properties: { a: { type: 'STRING' } } },
    { type: 'object', properties: { a: { type: 'string' } } },
  ],
  [
    'nullable is a type',
    { type: 'STRING', nullable: true, enum: ['a'] },
    { type: ['string', 'null'], enum: ['a', null] },
  ],
  [
    'nullable without a type is a branch',
    { any_of: [{ type: 'STRING' }], nullable: true },
    { anyOf: [{ type: 'string' }, { type: 'null' }] },
  ],
  [
    'numbers that are text are numbers',
    { type: 'ARRAY', minItems: '1', max_items: '3', items: { type: 'INTEGER', format: 'int64' } },
    { type: 'array', minItems: 1, maxItems: 3, items: { type: 'integer' } },
  ],
  [
    'formats of values stay',
    { type: 'STRING', format: 'date-time', example: 'x', title: 'T' },
    { type: 'string', format: 'date-time', title: 'T' },
  ],
  ['no type is none', { type: 'TYPE_UNSPECIFIED', description: 'Any' }, { description: 'Any' }],
  [
    'names of properties stay',
    { type: 'OBJECT', properties: { any_of: { type: 'STRING' } }, required: ['any_of'] },
    { type: 'object', properties: { any_of: { type: 'string' } }, required: ['any_of'] },
  ],
  [
    'JSON schema stays as it is',
    { type: ['string', 'null'], $defs: { a: { type: 'number' } }, not: { const: 1 } },
    { type: ['string', 'null'], $defs: { a: { type: 'number' } }, not: { const: 1 } },
  ],
])('%s', (_name, schema, expected) => {
  expect(jsonSchemaOf({ ...schema })).toEqual({ ...expected })
})

test('properties come in the order that is asked for', () => {
  const schema = { type: 'OBJECT', properties: { a: {}, b: {}, c: {} }, propertyOrdering: ['c', 'a', 'none'] }
  expect(Object.keys(Object(jsonSchemaOf(schema).properties))).toEqual(['c', 'a', 'b'])
})
