import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Tool } from '../../src/core/request.ts'
import { readJson } from '../../src/json/lenient-json.ts'
import { repairArguments, toolNamed, typedArguments } from '../../src/json/repair.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'
import { runs } from '../support/effort.ts'

describe('almost-JSON is read', () => {
  test.each([
    ['with raw line breaks, tabs and control characters in strings', '{"a":"x\n\ty\u0001"}', [{ a: 'x\n\ty\u0001' }]],
    ['with trailing commas', '{"a":[1,2,],}', [{ a: [1, 2] }]],
    ['with paired inner quotes', '{"a":"say "hi" now","b":1}', [{ a: 'say "hi" now', b: 1 }]],
    ['with paired inner quotes before a comma', '{"a":"say "hi", twice"}', [{ a: 'say "hi", twice' }]],
    ['with paired inner quotes at the end', '{"a":["say "hi"", "b"]}', [{ a: ['say "hi"', 'b'] }]],
    ['with typographic quotes outside strings', '{“a”: “it’s”, "b": "“x”"}', [{ a: 'it’s', b: '“x”' }]],
    ['with single quotes', "{'a': 'b'}", [{ a: 'b' }]],
    ["with Python's literals", '{"a":True,"b":None}', [{ a: true, b: null }]],
    ['with a backslash that escapes nothing', String.raw`{"a":"\d+\u00e9\uZZ"}`, [{ a: '\\d+é\\uZZ' }]],
    ['with closing brackets too many', '{"a":{"b":1}}}]', [{ a: { b: 1 } }]],
    ['when objects are joined', '{"a":1}{"b":2}\n{"c":3}', [{ a: 1 }, { b: 2 }, { c: 3 }]],
    ['with a key called __proto__', '{"__proto__":1,}', [Object.fromEntries([['__proto__', 1]])]],
  ])('%s', (_name, text, expected) => {
    expect(readJson(text)).toEqual(expected)
  })

  test.each([
    ['a final brace is missing', '{"a":{"b":1}'],
    ['a string has no end', '{"a":"b'],
    ['a list has no end', '["a",'],
    ['an inner quote is odd', '{"a":"5" wide"}'],
    ['a bracket closes another kind', '{"a":[1}'],
    ['a value is missing', '{"a":}'],
    ['a comma is missing', '{"a":1 "b":2}'],
    ['a word stands for a value', '{"a":ls}'],
    ['there is nothing', ''],
    ['it is nested without end', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['it is nested without end and not quite JSON', `${'['.repeat(100_000)},`],
  ])('but not when %s', (_name, text) => {
    expect(readJson(text)).toBeUndefined()
  })

  test('and JSON is not changed', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(readJson(JSON.stringify(value))).toEqual([JSON.parse(JSON.stringify(value))])
      }),
    )
  })

  // Quotes inside strings are left out: repairing them is a guess, which may be wrong for a cut text.
  test('and a cut object without quotes in its strings is never read', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (value, at) => {
        // Backslashes come in pairs: a single one would escape the closing quote.
        const text = JSON.stringify(value).replaceAll(/'|\\./g, (sign) => (/['"]/.test(sign) ? '' : sign))
        const cut = text.slice(0, at % text.length)
        expect(readJson(cut)).toBeUndefined()
      }),
      { numRuns: runs(2_000) },
    )
  })
})

describe('arguments take the types of their schema', () => {
  const tree = {
    type: 'object',
    properties: { node: { $ref: '#/$defs/node' } },
    $defs: { node: { type: 'object', properties: { size: { type: 'integer' }, next: { $ref: '#/$defs/node' } } } },
  }
  test.each([
    ['a number from text', { type: 'number' }, '1.5', 1.5],
    ['an integer from text', { type: 'integer' }, ' 30 ', 30],
    ['no integer from a fraction', { type: 'integer' }, '1.5', '1.5'],
    ['no number from a word', { type: 'number' }, 'three', 'three'],
    ['a boolean from text', { type: 'boolean' }, 'true', true],
    ["a boolean from Python's text", { type: 'boolean' }, 'False', false],
    ['a list from text', { type: 'array', items: { type: 'integer' } }, '["1", 2]', [1, 2]],
    ['an object from text', { type: 'object', properties: { a: { type: 'string' } } }, '{"a":1}', { a: '1' }],
    ['an object by its properties alone', { properties: { a: { type: 'string' } } }, '{"a":1}', { a: '1' }],
    ['a list by its items alone', { items: { type: 'string' } }, '[1]', ['1']],
    ['null from text', { type: ['integer', 'null'] }, 'null', null],
    ['null from text of a nullable', { type: 'integer', nullable: true }, 'null', null],
    ['text from a number', { type: 'string' }, 7, '7'],
    ['text from a boolean', { type: 'string' }, true, 'true'],
    ['text from an object', { type: 'string' }, { a: 1 }, '{"a":1}'],
    ['no text from null', { type: 'string' }, null, null],
    ['text that looks like a number', { type: 'string' }, '7', '7'],
    ['text where text is one choice', { type: ['number', 'string'] }, '7', '7'],
    ['a number by the enum', { enum: [1, 2] }, '2', 2],
    ['text by the enum', { enum: ['1', '2'] }, 2, '2'],
    ['a number by the const', { const: 1 }, '1', 1],
    ['anything without a type', {}, '7', '7'],
    ['an alternative that fits as it is', { anyOf: [{ type: 'integer' }, { type: 'string' }] }, '7', '7'],
    ['the first alternative that can be made to fit', { anyOf: [{ type: 'null' }, { type: 'integer' }] }, '7', 7],
    ['no alternative', { oneOf: [{ type: 'boolean' }, { type: 'integer' }] }, 'x', 'x'],
    [
      'the alternative whose constant matches',
      {
        oneOf: [
          { type: 'object', properties: { kind: { const: 'a' }, n: { type: 'string' } } },
          { type: 'object', properties: { kind: { const: 'b' }, n: { type: 'integer' } } },
        ],
      },
      { kind: 'b', n: '1' },
      { kind: 'b', n: 1 },
    ],
    [
      'every schema of allOf',
      { allOf: [{ type: 'object' }, { properties: { a: { type: 'integer' } } }] },
      '{"a":"1"}',
      { a: 1 },
    ],
    ['additional properties', { type: 'object', additionalProperties: { type: 'integer' } }, { a: '1' }, { a: 1 }],
    [
      'places of a tuple',
      { type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }] },
      [1, '2'],
      ['1', 2],
    ],
    ['an alternative that refers to itself', { anyOf: [{ $ref: '#/properties/value' }] }, '7', '7'],
  ])('%s', (_name, rules, value, expected) => {
    const schema = { type: 'object', properties: { value: rules } }
    expect(repairArguments({ value, other: '1' }, schema)).toEqual({ ok: true, value: { value: expected, other: '1' } })
  })

  test('through references', () => {
    const value = { node: { size: '1', next: { size: '2' } } }
    expect(repairArguments(value, tree)).toEqual({ ok: true, value: { node: { size: 1, next: { size: 2 } } } })
  })
})

describe('arguments are an object', () => {
  test.each([
    ['from JSON text', '{"a":1}', { a: 1 }],
    ['from JSON text of JSON text', JSON.stringify('{"a":1}'), { a: 1 }],
    ['from nothing', undefined, {}],
    ['from null', null, {}],
    ['from the text null', 'null', {}],
    ['from white space', ' ', {}],
  ])('%s', (_name, raw, value) => {
    expect(repairArguments(raw, {})).toEqual({ ok: true, value })
  })

  test.each([
    ['a list', [1]],
    ['prose', 'ls -la'],
    ['a number', 3],
    ['two objects', '{"a":1}{"b":2}'],
    ['a cut object', '{"a":1'],
  ])('but not from %s', (_name, raw) => {
    expect(repairArguments(raw, { type: 'object' })).toEqual({ ok: false })
  })
})

describe('the work on nested alternatives is limited', () => {
  const itself = (count: number) => Array.from({ length: count }, () => ({ $ref: '#/$defs/a' }))
  const words = Array.from({ length: 100_000 }, (_, index) => `word ${index}`)
  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      'all of itself, many times over',
      { $defs: { a: { allOf: itself(20) } }, properties: { a: { $ref: '#/$defs/a' } } },
      { a: { b: 1 } },
    ],
    [
      'one of itself, many times over',
      {
        $defs: { a: { type: 'object', properties: { a: { anyOf: itself(20) } }, required: ['x'] } },
        properties: { a: { anyOf: itself(20) } },
      },
      { a: { a: { a: { a: { a: { a: {} } } } } } },
    ],
    [
      'a hundred thousand words for each item',
      { properties: { a: { items: { enum: words } } } },
      { a: Array(20_000).fill('no word') },
    ],
    [
      'a thousand readings of a long text',
      { properties: { a: { anyOf: Array.from({ length: 1_000 }, () => ({ type: 'object' })) } } },
      { a: `[${'1,'.repeat(200_000)}1]` },
    ],
  ])('%s', (_name, schema, value) => {
    const startedAt = cpuTimeMs()
    expect(repairArguments(value, { type: 'object', ...schema })).toEqual({ ok: true, value })
    expect(cpuTimeMs() - startedAt).toBeLessThan(4_000)
  })
})

test('plain texts are typed with limited work for a recursive schema', () => {
  const itself = Array.from({ length: 20 }, () => ({ $ref: '#/$defs/a' }))
  const schema = { $defs: { a: { anyOf: itself } }, properties: { a: { $ref: '#/$defs/a' } } }
  const startedAt = cpuTimeMs()
  expect(typedArguments(new Map([['a', '1']]), schema)).toEqual({ a: 1 })
  expect(cpuTimeMs() - startedAt).toBeLessThan(4_000)
})

test('plain texts are typed by the schema, otherwise parsed as JSON', () => {
  const schema = {
    properties: {
      id: { type: 'string' },
      tag: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      n: { type: 'integer' },
    },
  }
  const texts = new Map([
    ['id', '1'],
    ['tag', '2'],
    ['n', '3'],
    ['free', '[4]'],
    ['word', 'five'],
  ])
  expect(typedArguments(texts, schema)).toEqual({ id: '1', tag: '2', n: 3, free: [4], word: 'five' })
})

describe('a written name means a declared tool', () => {
  const declared = (...names: string[]): Tool[] => names.map((name) => ({ name, description: '', parameters: {} }))
  test.each([
    ['exactly', 'Read', ['Read', 'read'], 'Read'],
    ['whatever its case', 'READ', ['Read'], 'Read'],
    ['with a prefix', 'functions.Read', ['Read'], 'Read'],
    ['with dashes for underscores', 'get-weather', ['get_weather'], 'get_weather'],
    ['with underscores for dashes', 'mcp__a_b', ['mcp__a-b'], 'mcp__a-b'],
    ['with spaces around it', ' Read \n', ['Read'], 'Read'],
    ['but not when two are meant', 'READ', ['Read', 'read'], undefined],
    ['but not when it only begins like one', 'Rea', ['Read'], undefined],
    ['but not when it is empty', '', ['Read'], undefined],
  ])('%s', (_name, written, names, expected) => {
    expect(toolNamed(written, declared(...names))?.name).toBe(expected)
  })
})
