import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { wellFormed, wellFormedJson, wellFormedRequest } from '../../src/core/well-formed.ts'
import { plainRequest } from '../support/request.ts'

const half = '\ud83d'
const sign = '\ufffd'

describe('a value without lone surrogates', () => {
  test.each<[string, unknown, unknown]>([
    ['a text', `cut ${half} here`, `cut ${sign} here`],
    ['the second half', '\ude00', sign],
    ['both halves in the wrong order', '\ude00\ud83d', sign + sign],
    ['texts in lists', ['a', half], ['a', sign]],
    ['texts and keys in objects', { a: { [half]: half } }, { a: { [sign]: sign } }],
    ['no other values', { a: [1, null, true, 'é😀'] }, { a: [1, null, true, 'é😀'] }],
  ])('%s', (_name, value, expected) => expect(wellFormed(value)).toEqual(expected))

  test('is the same object if it had none', () => {
    const value = { a: ['é', { b: '😀' }], c: null }
    expect(wellFormed(value)).toBe(value)
  })
})

describe('JSON text without lone surrogates', () => {
  test.each([
    ['an unescaped half', `{"a":"${half}"}`, `{"a":"${sign}"}`],
    ['an escaped half', '{"a":"x\\ud83dy"}', `{"a":"x${sign}y"}`],
    ['an escaped second half', '{"a":"\\uDE00"}', `{"a":"${sign}"}`],
    ['two first halves', '{"a":"\\ud83d\\ud83d"}', `{"a":"${sign}${sign}"}`],
    ['a first half before a whole character', '{"a":"\\ud83d\\ud83d\\ude00"}', `{"a":"${sign}\\ud83d\\ude00"}`],
    ['a whole character in escapes', '{"a":"\\ud83d\\ude00"}', '{"a":"\\ud83d\\ude00"}'],
    ['an escaped backslash before it', '{"a":"\\\\ud83d"}', '{"a":"\\\\ud83d"}'],
    ['an escaped half after an escaped backslash', '{"a":"\\\\\\ud83d"}', `{"a":"\\\\${sign}"}`],
  ])('%s', (_name, text, expected) => expect(wellFormedJson(text)).toBe(expected))

  test('has the same value otherwise', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, numbered) => {
        const written = JSON.stringify({ text })
        const all = numbered
          ? written.replaceAll(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
          : written
        expect(JSON.parse(wellFormedJson(all))).toEqual({ text: text.toWellFormed() })
      }),
    )
  })
})

test('a request has no lone surrogates in any text, and its tools keep their names', () => {
  const tool = { name: half, description: half, parameters: { properties: { [half]: { description: half } } } }
  const request = plainRequest({
    messages: [
      { role: 'system', text: half },
      { role: 'user', parts: [{ type: 'text', text: half }] },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: half },
          { type: 'tool-call', id: half, name: half, arguments: '{"a":"\\ud83d"}' },
        ],
      },
      { role: 'tool', callId: half, parts: [{ type: 'text', text: half }], isError: false },
    ],
    tools: [tool],
    toolChoice: { name: half },
    output: { type: 'json', schema: { title: half } },
    sampling: { stop: [half] },
  })
  expect(wellFormedRequest(request)).toEqual(
    plainRequest({
      messages: [
        { role: 'system', text: sign },
        { role: 'user', parts: [{ type: 'text', text: sign }] },
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: sign },
            { type: 'tool-call', id: sign, name: half, arguments: `{"a":"${sign}"}` },
          ],
        },
        { role: 'tool', callId: sign, parts: [{ type: 'text', text: sign }], isError: false },
      ],
      tools: [{ name: half, description: sign, parameters: { properties: { [sign]: { description: sign } } } }],
      toolChoice: { name: half },
      output: { type: 'json', schema: { title: sign } },
      sampling: { stop: [sign] },
    }),
  )
})

test('a request without lone surrogates is the same object', () => {
  const request = plainRequest({
    messages: [{ role: 'assistant', parts: [{ type: 'tool-call', id: 'a', name: 'b', arguments: '{}' }] }],
    tools: [{ name: 'b', description: '', parameters: {} }],
  })
  expect(wellFormedRequest(request)).toBe(request)
})
