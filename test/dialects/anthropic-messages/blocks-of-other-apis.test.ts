import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Message } from '../../../src/core/request.ts'
import { assistant, call, decode, read, result, seen, user, words } from './decoding.ts'

describe('what OpenAI’s APIs call', () => {
  test.each<[string, object[], Message[]]>([
    [
      'parts',
      [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'a' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
            { type: 'image_url', image_url: 'https://example.org/a.png' },
            { type: 'input_image', image_url: 'data:image/png;base64,AA' },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,AA', filename: 'a.pdf' } },
            { type: 'input_file', file_url: 'https://example.org/a.pdf' },
          ],
        },
      ],
      [
        user(
          words('a'),
          seen,
          { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } },
          seen,
          { type: 'document', title: 'a.pdf', source: { type: 'base64', mediaType: 'application/pdf', data: 'AA' } },
          read,
        ),
      ],
    ],
    [
      'the developer',
      [{ role: 'developer', content: [{ type: 'input_text', text: 'Be brief.' }] }],
      [{ role: 'system', text: 'Be brief.' }],
    ],
    [
      'a tool, its call and its result',
      [
        {
          role: 'assistant',
          content: null,
          reasoning_content: 'Hm',
          tool_calls: [
            { id: 't', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
            { id: 'u', type: 'function', function: { name: 'f', arguments: { a: 2 } } },
            { id: 'v', type: 'custom', custom: { name: 'g', input: 'ls' } },
          ],
        },
        { role: 'tool', tool_call_id: 't', content: 'one' },
        { role: 'tool', tool_call_id: 'u', content: [{ type: 'text', text: 'two' }] },
      ],
      [
        assistant(
          { type: 'reasoning', text: 'Hm' },
          call('t', 'f', '{"a":1}'),
          call('u', 'f', '{"a":2}'),
          call('v', 'g', '{"input":"ls"}'),
        ),
        result('t', words('one')),
        result('u', words('two')),
      ],
    ],
    [
      'a function, its call and its result',
      [
        { role: 'assistant', content: 'Well', function_call: { name: 'f', arguments: '' } },
        { role: 'function', name: 'f', content: 'one' },
      ],
      [assistant(words('Well'), call('function_call_0', 'f', '{}')), result('function_call_0', words('one'))],
    ],
    [
      'a refusal',
      [
        { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
        { role: 'assistant', refusal: 'Never.' },
      ],
      [assistant(words('No.')), assistant(words('Never.'))],
    ],
  ])('%s', (_name, messages, expected) => {
    const request = decode(...messages)
    expect(request.messages).toEqual(expected)
    expect(request.ignored).toEqual([])
  })
})

test('a block nobody knows is told or named, whatever it holds and wherever it stands', () => {
  const type = fc.string({ minLength: 1, maxLength: 8 }).map((name) => `x-${name}`)
  const members = fc.dictionary(
    fc.constantFrom('text', 'content', 'data', 'source', 'from', 'tool', 'x'),
    fc.jsonValue(),
  )
  const block = fc.tuple(type, members).map(([type, rest]) => ({ ...rest, type }))
  const places: ((block: object) => object)[] = [
    (told) => ({ role: 'user', content: [told] }),
    (told) => ({ role: 'assistant', content: [told] }),
    (told) => ({ role: 'system', content: [told] }),
    (told) => ({ role: 'developer', content: [told] }),
    (told) => ({ role: 'tool', tool_call_id: 't', content: [told] }),
    (told) => ({ role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [told] }] }),
  ]
  fc.assert(
    fc.property(block, fc.constantFrom(...places), (told, index) => {
      const request = decode({ role: 'user', content: 'Hello' }, index(told))
      const tag = told.type.replaceAll(/[^\w.:-]/g, '_')
      const words = JSON.stringify(request.messages.slice(1))
      const isTold = words.includes(tag) || words.includes(JSON.stringify(told.type).slice(1, -1))
      expect(isTold || request.ignored.some((name) => name.includes(told.type))).toBe(true)
    }),
  )
})
