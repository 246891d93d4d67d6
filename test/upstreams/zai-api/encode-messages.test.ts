import { describe, expect, test } from 'bun:test'
import type { AssistantPart, Message } from '../../../src/core/request.ts'
import { fieldOf } from '../../support/chat-zai.ts'
import { called, encoded, image, result, words } from './encoding.ts'

describe('messages', () => {
  const told = (messages: Message[], model?: string) => fieldOf(encoded({ messages }, model), 'messages')

  test.each<[string, Message[], unknown]>([
    [
      'a conversation without a user gets one',
      [{ role: 'system', text: 'Be.' }],
      [
        { role: 'system', content: 'Be.' },
        { role: 'user', content: 'Go on.' },
      ],
    ],
    [
      'the added user stands before the answers',
      [{ role: 'assistant', parts: [words as AssistantPart] }],
      [
        { role: 'user', content: 'Go on.' },
        { role: 'assistant', content: 'Hi' },
      ],
    ],
    [
      'empty messages are left out',
      [
        { role: 'system', text: '' },
        { role: 'user', parts: [] },
        { role: 'assistant', parts: [] },
        { role: 'user', parts: [words] },
      ],
      [{ role: 'user', content: 'Hi' }],
    ],
    [
      'a result without a call is said by the user',
      [{ role: 'user', parts: [words] }, result('c9', words)],
      [
        { role: 'user', content: 'Hi' },
        { role: 'user', content: '[Result of the earlier tool call c9]\nHi' },
      ],
    ],
  ])('%s', (_name, messages, expected) => expect(told(messages)).toEqual(expected))

  test('results move behind their calls, in order, and a missing one is filled in', () => {
    const messages: Message[] = [
      { role: 'user', parts: [words] },
      { role: 'assistant', parts: [called('c1'), called('c2'), called('c3')] },
      result('c2', { type: 'text', text: 'two' }),
      { role: 'user', parts: [words] },
      result('c1', { type: 'text', text: 'one' }),
    ]
    expect(told(messages)).toMatchObject([
      { role: 'user' },
      { role: 'assistant' },
      { tool_call_id: 'c1', content: 'one' },
      { tool_call_id: 'c2', content: 'two' },
      { tool_call_id: 'c3', content: '[No result was given for this call.]' },
      { role: 'user', content: 'Hi' },
    ])
  })

  test('parallel calls in assistant messages of their own find their results', () => {
    const messages: Message[] = [
      { role: 'user', parts: [words] },
      { role: 'assistant', parts: [called('c1')] },
      { role: 'assistant', parts: [called('c2')] },
      result('c1', { type: 'text', text: 'one' }),
      result('c2', { type: 'text', text: 'two' }),
    ]
    expect(told(messages)).toMatchObject([
      { role: 'user' },
      { role: 'assistant' },
      { tool_call_id: 'c1', content: 'one' },
      { role: 'assistant' },
      { tool_call_id: 'c2', content: 'two' },
    ])
  })

  test('a failed call and an empty result say so', () => {
    const messages: Message[] = [
      { role: 'user', parts: [words] },
      { role: 'assistant', parts: [called('c1'), called('c2')] },
      { role: 'tool', callId: 'c1', parts: [{ type: 'text', text: 'no such city' }], isError: true },
      result('c2'),
    ]
    expect(told(messages)).toMatchObject([
      {},
      {},
      { content: '[The tool failed.]\nno such city' },
      { content: '[no output]' },
    ])
  })

  const seen: Message[] = [
    { role: 'user', parts: [words] },
    { role: 'assistant', parts: [called('c1')] },
    result('c1', image),
    { role: 'user', parts: [{ type: 'text', text: 'What is it?' }] },
  ]

  test('an image in a result moves to the next user turn', () => {
    expect(told(seen, 'glm-4.6v')).toMatchObject([
      {},
      {},
      { role: 'tool', content: '[The result is an image; it is in the next user message.]' },
      {
        role: 'user',
        content: [
          { type: 'text', text: '[From the result of the tool call c1:]' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          { type: 'text', text: 'What is it?' },
        ],
      },
    ])
  })

  test('a model without vision gets a note about what it cannot see', () => {
    expect(told(seen)).toMatchObject([
      {},
      {},
      { content: '[image omitted: glm-4.7 cannot see images]' },
      { content: 'What is it?' },
    ])
  })

  test.each([
    ['', '{}'],
    ['{"a":1}', '{"a":1}'],
    ['[1]', '{"arguments":[1]}'],
    ['oops', '{"arguments":"oops"}'],
  ])('arguments %p go back as %s', (args, expected) => {
    const messages: Message[] = [
      { role: 'user', parts: [words] },
      { role: 'assistant', parts: [called('c1', args)] },
    ]
    expect(told(messages)).toMatchObject([{}, { tool_calls: [{ function: { arguments: expected } }] }, {}])
  })

  test('a model without reasoning gets no earlier reasoning', () => {
    const messages: Message[] = [
      { role: 'user', parts: [words] },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'Hm' },
          { type: 'text', text: 'Hi' },
        ],
      },
    ]
    expect(told(messages, 'glm-4-flash-250414')).toEqual([
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hi' },
    ])
  })
})
