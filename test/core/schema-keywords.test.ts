import { describe, expect, test } from 'bun:test'
import { withoutNullKeywords } from '../../src/core/schema-keywords.ts'

describe('a schema without keywords whose value is null', () => {
  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['at the top', { type: 'object', properties: null, required: null }, { type: 'object' }],
    [
      'in a property',
      { properties: { a: { type: 'string', description: null, maxLength: null } } },
      { properties: { a: { type: 'string' } } },
    ],
    ['in items', { items: { items: { enum: null } } }, { items: { items: {} } }],
    ['in alternatives', { anyOf: [{ type: 'string', format: null }, null] }, { anyOf: [{ type: 'string' }] }],
    ['in definitions', { $defs: { k: { properties: null } }, definitions: null }, { $defs: { k: {} } }],
    ['in a list of names', { required: ['a', null] }, { required: ['a'] }],
    ['in a list of types, where it becomes "null"', { type: ['string', null] }, { type: ['string', 'null'] }],
    ['in place of a property, which may be anything', { properties: { a: null } }, { properties: { a: {} } }],
    [
      'under the name of a property',
      { properties: { required: { required: null } } },
      { properties: { required: {} } },
    ],
    ['in unknown keywords', { 'x-order': null, 'x-ui': { hint: null } }, { 'x-ui': {} }],
    ['but not null among values', { enum: ['a', null] }, { enum: ['a', null] }],
    ['but not null as the only value', { const: null }, { const: null }],
    ['but not null as the default', { default: null }, { default: null }],
    [
      'but not null inside values',
      { default: { a: null }, examples: [{ b: null }, null] },
      { default: { a: null }, examples: [{ b: null }, null] },
    ],
  ])('%s', (_name, schema, expected) => expect(withoutNullKeywords(schema)).toEqual(expected))

  test('is the same object if it had none', () => {
    const schema = { type: 'object', properties: { a: { enum: [null], default: null } }, anyOf: [{ required: ['a'] }] }
    expect(withoutNullKeywords(schema)).toBe(schema)
  })
})
