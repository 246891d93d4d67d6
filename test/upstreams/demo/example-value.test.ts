import { describe, expect, test } from 'bun:test'
import { type TSchema, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import fc from 'fast-check'
import { synthesise } from '../../../src/upstreams/demo/example-value.ts'
import { runs } from '../../support/effort.ts'

describe('the value of a schema', () => {
  test.each<[string, unknown, unknown]>([
    ['a string says the text', { type: 'string' }, 'hello'],
    ['a string is cut to its longest', { type: 'string', maxLength: 2 }, 'he'],
    ['a string is filled to its shortest', { type: 'string', minLength: 7 }, 'hello..'],
    ['a format has its own example', { type: 'string', format: 'date' }, '2026-01-31'],
    ['an unknown format is only a string', { type: 'string', format: 'poem' }, 'hello'],
    ['a constant is itself', { const: 4 }, 4],
    ['an enum gives its first', { type: 'string', enum: ['b', 'a'] }, 'b'],
    ['an integer is one', { type: 'integer' }, 1],
    ['an integer stands at its lower limit', { type: 'integer', minimum: 3.5 }, 4],
    ['an integer stands above an open limit', { type: 'integer', exclusiveMinimum: 3 }, 4],
    ['an integer stands below its upper limit', { type: 'integer', exclusiveMaximum: -2 }, -3],
    ['an integer is a multiple', { type: 'integer', minimum: 7, multipleOf: 5 }, 10],
    ['a number stands between its limits', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    ['a boolean is true', { type: 'boolean' }, true],
    ['a null is null', { type: 'null' }, null],
    ['the first of several types counts', { type: ['null', 'integer'] }, 1],
    ['an array has one item', { type: 'array', items: { type: 'boolean' } }, [true]],
    ['an array has as many items as it must', { type: 'array', items: { type: 'null' }, minItems: 2 }, [null, null]],
    ['an array may have to be empty', { type: 'array', items: {}, maxItems: 0 }, []],
    ['a tuple keeps its order', { type: 'array', prefixItems: [{ const: 1 }, { type: 'null' }] }, [1, null]],
    [
      'an object has what it requires',
      { type: 'object', properties: { a: { const: 1 }, b: { const: 2 } }, required: ['b'] },
      { b: 2 },
    ],
    ['a required property may be undescribed', { type: 'object', required: ['toString'] }, { toString: 'hello' }],
    ['an object may be recognised by its properties', { properties: { a: {} }, required: ['a'] }, { a: 'hello' }],
    ['anyOf gives its first', { anyOf: [{ type: 'null' }, { type: 'string' }] }, null],
    [
      'anyOf adds to what stands beside it',
      { type: 'object', properties: { a: { const: 1 } }, anyOf: [{ required: ['a'] }] },
      { a: 1 },
    ],
    [
      'allOf adds up',
      {
        allOf: [
          { type: 'object', properties: { a: { const: 1 } }, required: ['a'] },
          { properties: { b: { const: 2 } }, required: ['b'] },
        ],
      },
      { a: 1, b: 2 },
    ],
    ['a local reference is followed', { $ref: '#/$defs/a~1b', $defs: { 'a/b': { const: 'x' } } }, 'x'],
    ['a reference to nowhere allows anything', { $ref: '#/$defs/gone' }, 'hello'],
    ['no schema allows anything', true, 'hello'],
  ])('%s', (_name, schema, expected) => {
    expect(synthesise(schema, 'hello')).toEqual(expected)
  })
})

describe('a recursive schema comes to an end', () => {
  const tree = {
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: {
          next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
          children: { type: 'array', items: { $ref: '#/$defs/node' } },
        },
        required: ['next', 'children'],
      },
    },
  }

  test('where it can', () => {
    const text = JSON.stringify(synthesise(tree, 'hello'))
    expect(text).toContain('"next":null')
    expect(text).toContain('"children":[]')
    expect(text).not.toContain('hello')
  })

  test('even where it cannot', () => {
    const endless = { properties: { a: { $ref: '#' }, b: { $ref: '#' } }, required: ['a', 'b'] }
    expect(JSON.stringify(synthesise(endless, 'hello')).length).toBeLessThan(1_000_000)
  })

  test('and limits of millions are not filled', () => {
    expect(synthesise({ type: 'array', items: { type: 'null' }, minItems: 1e9 }, '')).toHaveLength(10_000)
    expect(synthesise({ type: 'string', minLength: 1e9 }, '')).toHaveLength(10_000)
  })
})

// TypeBox mistakes an inherited member for an optional property.
const propertyName = fc.string().filter((name) => !(name in {}))
const limits = fc.record({ low: fc.integer({ min: -50, max: 50 }), span: fc.integer({ min: 2, max: 60 }) })
const leaf: fc.Arbitrary<TSchema> = fc.oneof(
  fc.constantFrom<TSchema[]>(Type.Boolean(), Type.Null(), Type.String(), Type.Number(), Type.Integer(), Type.Unknown()),
  fc.oneof(fc.string(), fc.integer(), fc.boolean()).map((value) => Type.Literal(value)),
  fc
    .record({ low: fc.nat(20), span: fc.nat(20) })
    .map(({ low, span }) => Type.String({ minLength: low, maxLength: low + span })),
  limits.map(({ low, span }) => Type.Number({ minimum: low, maximum: low + span })),
  limits.map(({ low, span }) => Type.Number({ exclusiveMinimum: low, exclusiveMaximum: low + span })),
  limits.map(({ low, span }) => Type.Integer({ minimum: low, maximum: low + span })),
  limits.map(({ low, span }) => Type.Integer({ exclusiveMinimum: low, exclusiveMaximum: low + span })),
  limits.map(({ low }) => Type.Integer({ exclusiveMaximum: low })),
  fc
    .tuple(limits, fc.integer({ min: 1, max: 9 }))
    .map(([{ low }, step]) => Type.Integer({ minimum: low, multipleOf: step })),
)
const { schema: anySchema } = fc.letrec<{ schema: TSchema }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc
      .dictionary(propertyName, fc.tuple(tie('schema'), fc.boolean()), {
        maxKeys: 4,
        noNullPrototype: true,
      })
      .map((properties) =>
        Type.Object(
          Object.fromEntries(
            Object.entries(properties).map(([name, [schema, optional]]) => [
              name,
              optional ? Type.Optional(schema) : schema,
            ]),
          ),
          { additionalProperties: false },
        ),
      ),
    fc
      .tuple(tie('schema'), fc.nat(3), fc.nat(3))
      .map(([items, low, span]) => Type.Array(items, { minItems: low, maxItems: low + span })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((items) => Type.Tuple(items)),
    fc.array(tie('schema'), { minLength: 2, maxLength: 3 }).map((options) => Type.Union(options)),
  ),
}))

test('the value is valid for any schema', () => {
  fc.assert(
    fc.property(anySchema, fc.string(), (schema, text) => {
      const value: unknown = JSON.parse(JSON.stringify(synthesise(JSON.parse(JSON.stringify(schema)), text)))
      expect(Value.Check(schema, value), JSON.stringify({ schema, value })).toBe(true)
    }),
    { numRuns: runs(500) },
  )
})
