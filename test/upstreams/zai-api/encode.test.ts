import { describe, expect, test } from 'bun:test'
import type { ChatRequest, Message } from '../../../src/core/request.ts'
import { fieldOf } from '../../support/chat-zai.ts'
import { called, encoded, result, words } from './encoding.ts'
import { weather } from './support.ts'

test('a whole request', () => {
  const messages: Message[] = [
    { role: 'system', text: 'Be brief.' },
    { role: 'user', parts: [words] },
    { role: 'assistant', parts: [{ type: 'reasoning', text: ' Hm.\n' }, called('c1', '{"city":"Paris"}')] },
    result('c1', { type: 'text', text: 'Rain' }),
  ]
  expect(
    encoded({
      messages,
      tools: [weather],
      sampling: { temperature: 1.7, topP: 0, maxTokens: 999_999, stop: ['A', 'B', 'C', 'D', 'E'] },
    }),
  ).toEqual({
    model: 'glm-4.7',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: '',
        reasoning_content: ' Hm.\n',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'Rain' },
    ],
    request_id: '00000000-0000-4000-8000-000000000001',
    stream: true,
    thinking: { type: 'enabled', clear_thinking: false },
    temperature: 1,
    top_p: 0.01,
    max_tokens: 131_072,
    tools: [{ type: 'function', function: weather }],
    tool_stream: true,
  })
})

describe('reasoning', () => {
  const on = { type: 'enabled', clear_thinking: false }
  test.each<[string, ChatRequest['reasoning'], unknown, unknown]>([
    ['glm-4.7', { mode: 'default' }, on, undefined],
    ['glm-4.7', { mode: 'off' }, { type: 'disabled' }, undefined],
    ['glm-4.7', { mode: 'on', effort: 'high' }, on, undefined],
    ['glm-5.2', { mode: 'on', effort: 'medium' }, on, 'medium'],
    ['glm-5.2', { mode: 'off' }, { type: 'disabled' }, undefined],
    ['glm-5.3', { mode: 'off', effort: 'high' }, on, 'low'],
    ['glm-5.3', { mode: 'on', effort: 'medium' }, on, 'high'],
    ['glm-5.3', { mode: 'default' }, on, undefined],
    ['glm-5v-turbo', { mode: 'on', effort: 'max' }, on, undefined],
    ['glm-4.1v-thinking-flash', { mode: 'on' }, undefined, undefined],
    ['glm-4-32b-0414-128k', { mode: 'off' }, undefined, undefined],
  ])('of %s', (model, reasoning, thinking, effort) => {
    const body = encoded({ reasoning }, model)
    expect([fieldOf(body, 'thinking'), fieldOf(body, 'reasoning_effort')]).toEqual([thinking, effort])
  })
})

test('a JSON answer is requested by field and by instruction', () => {
  const schema = { type: 'object', properties: { city: { type: 'string' } } }
  const body = encoded({ output: { type: 'json', schema } })
  expect(body).toMatchObject({ response_format: { type: 'json_object' } })
  expect(fieldOf(body, 'messages')).toMatchObject([
    { role: 'system', content: expect.stringContaining(JSON.stringify(schema)) },
    {},
  ])
})
