import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { ToolChoice } from '../../../src/core/request.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(openaiResponses.body)

function decode(fields: object) {
  const body = { model: 'glm-5', input: 'Hello', ...fields }
  expect(door.Check(body)).toBe(true)
  return openaiResponses.decode(body, requestContext())
}

const parameters = { type: 'object', properties: {} }
const tools = [
  { type: 'function', name: 'f', parameters },
  { type: 'custom', name: 'g' },
]

describe('a tool in the shape of another API is the same tool:', () => {
  const f = { name: 'f', description: 'F.', parameters, strict: undefined }
  test.each<[string, object]>([
    ['of Chat Completions', { type: 'function', function: { name: 'f', description: 'F.', parameters } }],
    ['of Chat Completions, without a type', { function: { name: 'f', description: 'F.', parameters } }],
    ['of Messages', { name: 'f', description: 'F.', input_schema: parameters }],
    ['of Messages, with a type', { type: 'custom', name: 'f', description: 'F.', input_schema: parameters }],
    ['of this one', { type: 'function', name: 'f', description: 'F.', parameters }],
  ])('%s', (_name, tool) => {
    const { request, options } = decode({ tools: [tool] })
    expect(request.tools).toEqual([f])
    expect(options).toMatchObject({ origins: [['f', { type: 'function', name: 'f' }]] })
  })

  test('a freeform one with its grammar', () => {
    const grammar = { syntax: 'lark', definition: 'start: "a"' }
    const nested = { type: 'custom', custom: { name: 'g', format: { type: 'grammar', grammar } } }
    const flat = { type: 'custom', name: 'g', format: { type: 'grammar', ...grammar } }
    expect(decode({ tools: [nested] })).toEqual(decode({ tools: [flat] }))
  })

  test('the functions of old', () => {
    expect(decode({ functions: [{ name: 'f', description: 'F.', parameters }] }).request.tools).toEqual([f])
  })
})

test.each<[string, object, ToolChoice]>([
  ['a nested function', { tool_choice: { type: 'function', function: { name: 'f' } } }, { name: 'f' }],
  ['a nested freeform tool', { tool_choice: { type: 'custom', custom: { name: 'g' } } }, { name: 'g' }],
  ['a function of old', { function_call: { name: 'f' } }, { name: 'f' }],
  ['a tool of Messages', { tool_choice: { type: 'tool', name: 'f' } }, { name: 'f' }],
])('a choice in the shape of another API is the same choice: %s', (_name, fields, expected) => {
  expect(decode({ tools, ...fields }).request.toolChoice).toEqual(expected)
})

test.each<[object, ToolChoice]>([
  [{ tool_choice: { type: 'any' } }, 'required'],
  [{ tool_choice: { type: 'auto' } }, 'auto'],
  [{ tool_choice: { type: 'none' } }, 'none'],
  [{ function_call: 'none' }, 'none'],
])('%j is a word', (fields, expected) => {
  expect(decode({ tools, ...fields }).request.toolChoice).toBe(expected)
})

test('a nested list of allowed tools allows those', () => {
  const allowed_tools = { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] }
  const { request } = decode({ tools, tool_choice: { type: 'allowed_tools', allowed_tools } })
  expect(request).toMatchObject({ toolChoice: 'required', tools: [{ name: 'f' }] })
})

test.each<[string, object, object]>([
  ['max_tokens', { max_tokens: 7 }, { sampling: { maxTokens: 7 } }],
  ['max_completion_tokens before it', { max_tokens: 7, max_completion_tokens: 8 }, { sampling: { maxTokens: 8 } }],
  ['the limit of this API before both', { max_tokens: 7, max_output_tokens: 99 }, { sampling: { maxTokens: 99 } }],
  ['stop sequences', { stop: 'END' }, { sampling: { stop: ['END'] } }],
  ['an effort', { reasoning_effort: 'high' }, { reasoning: { mode: 'on', effort: 'high' } }],
  ['thinking', { thinking: { type: 'disabled' } }, { reasoning: { mode: 'off' } }],
  ['thinking as a switch', { enable_thinking: true }, { reasoning: { mode: 'on' } }],
  ['JSON', { response_format: { type: 'json_object' } }, { output: { type: 'json' } }],
  [
    'a schema',
    { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: parameters } } },
    { output: { type: 'json', name: 'n', schema: parameters } },
  ],
  [
    'a flat schema',
    { response_format: { type: 'json_schema', name: 'n', schema: parameters } },
    { output: { type: 'json', name: 'n', schema: parameters } },
  ],
  ['a system prompt', { system: [{ type: 'text', text: 'S' }] }, { messages: [{ role: 'system', text: 'S' }, {}] }],
  ['speech of a tool in a message', { input: null, messages: 'Hi' }, { messages: [{ role: 'user' }] }],
])('an option of another API is honoured: %s', (_name, fields, expected) => {
  expect(decode(fields).request).toMatchObject(expected)
})

test('what cannot be honoured of them is named', () => {
  const fields = { n: 2, seed: 1, logprobs: true, presence_penalty: 1, frequency_penalty: 0, logit_bias: {} }
  expect(decode(fields).request.ignored).toEqual(['logprobs', 'n', 'presence_penalty', 'seed'])
})

test.each<[object, string]>([
  [{ response_format: { type: 'yaml' } }, 'response_format'],
  [{ function_call: 7 }, 'tool_choice'],
])('%j cannot be read, and is refused by name', (fields, param) => {
  expect(thrownBy(() => decode(fields))).toMatchObject({ kind: 'invalid-request', param })
})

test('a message of Chat Completions with reasoning, text and calls is an item for each', () => {
  const message = {
    role: 'assistant',
    reasoning_content: 'Hm.',
    content: 'I look.',
    tool_calls: [
      { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } },
      { id: 'd', type: 'custom', custom: { name: 'g', input: 'x' } },
    ],
  }
  const results = [
    { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'A' }] },
    { role: 'function', name: 'g', content: 'B' },
  ]
  expect(decode({ input: undefined, messages: [message, ...results], tools }).request.messages).toEqual([
    {
      role: 'assistant',
      parts: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: 'I look.' },
        { type: 'tool-call', id: 'c', name: 'f', arguments: '{}' },
        { type: 'tool-call', id: 'd', name: 'g', arguments: '{"input":"x"}' },
      ],
    },
    { role: 'tool', callId: 'c', parts: [{ type: 'text', text: 'A' }], isError: false },
    { role: 'tool', callId: '', parts: [{ type: 'text', text: 'B' }], isError: false },
  ])
})

test.each<[string, object]>([
  ['of Chat Completions', { type: 'image_url', image_url: { url: 'https://a.example/b.png' } }],
  ['of Chat Completions, flat', { type: 'image_url', image_url: 'https://a.example/b.png' }],
  ['of Messages', { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } }],
])('an image in the shape %s is seen', (_name, part) => {
  expect(decode({ input: [{ role: 'user', content: [part] }] }).request.messages).toEqual([
    { role: 'user', parts: [{ type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } }] },
  ])
})

test.each<[string, object]>([
  ['of Chat Completions', { type: 'file', file: { filename: 'a', file_data: 'data:application/pdf;base64,AAAA' } }],
  [
    'of Messages',
    { type: 'document', title: 'a', source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' } },
  ],
])('a file in the shape %s is read', (_name, part) => {
  expect(decode({ input: [{ role: 'user', content: [part] }] }).request.messages).toEqual([
    {
      role: 'user',
      parts: [{ type: 'document', title: 'a', source: { type: 'base64', mediaType: 'application/pdf', data: 'AAAA' } }],
    },
  ])
})

test('the model is told who speaks, where Chat Completions name the speaker', () => {
  const messages = [
    { role: 'system', name: 'rules', content: 'Be kind.' },
    { role: 'user', name: 'ana', content: 'Hi.' },
    { role: 'assistant', name: 'bot', content: 'Ho.' },
  ]
  const { request } = decode({ input: undefined, messages })
  expect(request.messages).toEqual([
    { role: 'system', text: 'rules: Be kind.' },
    { role: 'user', parts: [{ type: 'text', text: 'ana: Hi.' }] },
    { role: 'assistant', parts: [{ type: 'text', text: 'Ho.' }] },
  ])
  expect(request.ignored).toEqual(['input.2.name'])
})

test('a call that stands as a block and among the calls is one call', () => {
  const message = {
    role: 'assistant',
    content: [{ type: 'tool_use', id: 'c', name: 'f', input: {} }],
    tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
  }
  expect(decode({ input: [message] }).request.messages).toEqual([
    { role: 'assistant', parts: [{ type: 'tool-call', id: 'c', name: 'f', arguments: '{}' }] },
  ])
})
