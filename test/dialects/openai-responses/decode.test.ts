import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Reasoning, ToolChoice } from '../../../src/core/request.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { invalidBody } from '../../../src/http/invalid.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(openaiResponses.body)
const ask = (fields: object) => ({ model: 'glm-5', input: 'Hello', ...fields })
const item = (fields: object) => ask({ input: [fields] })
const user = (part: object) => item({ role: 'user', content: [part] })

function decode(body: object) {
  expect(door.Check(body)).toBe(true)
  return openaiResponses.decode(body, new Headers())
}

test.each<[string, object, Reasoning]>([
  ['nothing said', {}, { mode: 'default' }],
  ['only a summary', { reasoning: { summary: 'auto' } }, { mode: 'default' }],
  ['effort none', { reasoning: { effort: 'none' } }, { mode: 'off' }],
  ['effort minimal', { reasoning: { effort: 'minimal' } }, { mode: 'off' }],
  ['effort auto', { reasoning: { effort: 'auto' } }, { mode: 'default' }],
  ['effort off', { reasoning: { effort: 'off' } }, { mode: 'off' }],
  ['effort xhigh', { reasoning: { effort: 'xhigh' } }, { mode: 'on', effort: 'max' }],
])('reasoning: %s', (_name, fields, expected) => {
  expect(decode(ask(fields)).request.reasoning).toEqual(expected)
})

test.each<[string, object, ToolChoice]>([
  ['nothing', {}, 'auto'],
  ['none', { tool_choice: 'none' }, 'none'],
  ['a function', { tool_choice: { type: 'function', name: 'f' } }, { name: 'f' }],
  ['a freeform tool', { tool_choice: { type: 'custom', name: 'f' } }, { name: 'f_2' }],
  ['shell commands', { tool_choice: { type: 'shell' } }, { name: 'shell' }],
  ['patches', { tool_choice: { type: 'apply_patch' } }, { name: 'apply_patch' }],
  ['the shell', { tool_choice: { type: 'local_shell' } }, { name: 'local_shell' }],
  ['any of some', { tool_choice: { type: 'allowed_tools', mode: 'required', tools: [] } }, 'required'],
  ['fields of another choice', { tool_choice: { type: 'shell', mode: 7, tools: [7] } }, { name: 'shell' }],
])('tool choice: %s', (_name, fields, expected) => {
  const tools = [
    { type: 'function', name: 'f' },
    { type: 'custom', name: 'f' },
    { type: 'local_shell' },
    { type: 'shell' },
    { type: 'apply_patch' },
  ]
  expect(decode(ask({ tools, ...fields })).request.toolChoice).toEqual(expected)
})

test.each<[string, object, string[]]>([
  [
    'values that change nothing',
    { top_logprobs: 0, truncation: 'disabled', context_management: [], text: { verbosity: 'low' }, include: ['x'] },
    [],
  ],
  [
    'values that would',
    { top_logprobs: 1, max_tool_calls: 1, truncation: 'auto' },
    ['max_tool_calls', 'top_logprobs', 'truncation'],
  ],
  ['an effort nobody knows', { reasoning: { effort: 'utmost' } }, ['reasoning.effort (utmost)']],
  [
    'items of tools that run elsewhere',
    { input: [{ role: 'user', content: 'a' }, { type: 'mcp_list_tools', tools: [] }, { type: 'of_the_future' }] },
    ['input.1 (mcp_list_tools)', 'input.2 (of_the_future)'],
  ],
])('unsupported: %s', (_name, fields, expected) => {
  expect(decode(ask(fields)).request.unsupported).toEqual(expected)
})

test("a shell in a container of OpenAI's is no tool of the client", () => {
  const tools = [
    { type: 'shell', environment: { type: 'container_auto' } },
    { type: 'function', name: 'f' },
  ]
  const { request } = decode(ask({ tools }))
  expect(request.tools.map(({ name }) => name)).toEqual(['f'])
  expect(request.unsupported).toEqual(['tools.0 (shell)'])
})

test('a strict function is strict, and so is what goes back in another shape', () => {
  const tools = [
    { type: 'function', name: 'f', strict: true },
    { type: 'function', name: 'g', strict: false },
    { type: 'custom', name: 'h' },
    { type: 'local_shell' },
  ]
  const { request } = decode(ask({ tools }))
  expect(request.tools.map(({ name, strict }) => [name, strict])).toEqual([
    ['f', true],
    ['g', undefined],
    ['h', undefined],
    ['local_shell', true],
  ])
})

test('a freeform tool tells the model its grammar', () => {
  const format = { type: 'grammar', syntax: 'lark', definition: 'start: "a"+' }
  const [tool] = decode(ask({ tools: [{ type: 'custom', name: 'f', description: 'Says a.', format }] })).request.tools
  expect(tool?.description).toContain('Says a.')
  expect(tool?.description).toContain('lark grammar:\nstart: "a"+')
  expect(tool?.parameters).toMatchObject({ properties: { input: { type: 'string' } }, required: ['input'] })
})

test('a tool that is found twice is offered once', () => {
  const tools = [{ type: 'function', name: 'f' }]
  const input = [
    { role: 'user', content: 'a' },
    { type: 'tool_search_output', call_id: 'c', tools },
  ]
  expect(decode(ask({ tools, input })).request.tools).toHaveLength(1)
})

describe('refused by decode', () => {
  const image = 'expected an http(s) URL or a base64 data URL.'
  const byId = 'files by id are not stored here; send the content.'
  test.each<[string, object, string, string]>([
    ['an empty conversation', ask({ input: [] }), 'input', 'at least one message is required.'],
    ['no input', { model: 'glm-5' }, 'input', 'at least one message is required.'],
    ['work in the background', ask({ background: true }), 'background', 'this server answers while the client waits.'],
    [
      'a conversation by id',
      ask({ conversation: { id: 'conv_1' } }),
      'conversation',
      'no conversations are kept here; continue with previous_response_id.',
    ],
    [
      'a stored template',
      ask({ prompt: { id: 'pmpt_1' } }),
      'prompt',
      'no templates are kept here; send instructions and input.',
    ],
    [
      'a reference nobody resolved',
      item({ type: 'item_reference', id: 'rs_1' }),
      'input.0.id',
      'the item "rs_1" is not stored here; send the item itself.',
    ],
    [
      'a wish for compaction',
      item({ type: 'compaction_trigger' }),
      'input.0',
      'conversations are not compacted here; send a summary in their place.',
    ],
    [
      'an image that is neither URL nor data',
      user({ type: 'input_image', image_url: 'file:///etc/passwd' }),
      'input.0.content.0.image_url',
      image,
    ],
    ['an image by id', user({ type: 'input_image', file_id: 'file_1' }), 'input.0.content.0.file_id', byId],
    [
      'an image in a result that is none',
      item({ type: 'function_call_output', call_id: 'c', output: [{ type: 'input_image', image_url: 'x' }] }),
      'input.0.output.0.image_url',
      image,
    ],
    ['a file by id', user({ type: 'input_file', file_id: 'file_1' }), 'input.0.content.0.file_id', byId],
    ['a file of nothing', user({ type: 'input_file', filename: 'a' }), 'input.0.content.0.file_data', byId],
    [
      'a file of this machine',
      user({ type: 'input_file', file_url: 'file:///etc/passwd' }),
      'input.0.content.0.file_url',
      'expected an http(s) URL.',
    ],
    [
      'a text file whose base64 is broken',
      user({ type: 'input_file', file_data: 'data:text/plain;base64,%%%' }),
      'input.0.content.0.file_data',
      'the base64 data is broken.',
    ],
  ])('%s', (_name, body, param, reason) => {
    expect(thrownBy(() => decode(body))).toMatchObject({
      kind: 'invalid-request',
      param,
      message: `${param}: ${reason}`,
    })
  })
})

describe('refused at the door', () => {
  test.each<[string, object, string]>([
    ['no model', { input: 'Hello' }, 'model'],
    ['input as a number', ask({ input: 1 }), 'input'],
    ['an unknown role', item({ role: 'robot', content: 'x' }), 'input.0.role'],
    ['an unknown part', user({ type: 'smell' }), 'input.0.content.0.type'],
    ['a call without its id', item({ type: 'function_call', name: 'f', arguments: '{}' }), 'input.0.call_id'],
    [
      'arguments that are an object',
      item({ type: 'function_call', call_id: 'c', name: 'f', arguments: {} }),
      'input.0.arguments',
    ],
    ['a result without its call', item({ type: 'function_call_output', output: 'x' }), 'input.0.call_id'],
    ['a function without a name', ask({ tools: [{ type: 'function' }] }), 'tools.0.name'],
    [
      'a namespace of something else',
      ask({ tools: [{ type: 'namespace', name: 'a', tools: [{ type: 'local_shell' }] }] }),
      'tools.0.tools.0.type',
    ],
    ['an unknown tool choice', ask({ tool_choice: 'maybe' }), 'tool_choice'],
    ['an unknown output format', ask({ text: { format: { type: 'yaml' } } }), 'text.format.type'],
    ['a temperature in words', ask({ temperature: 'warm' }), 'temperature'],
    ['a temperature over 2', ask({ temperature: 2.1 }), 'temperature'],
    ['a temperature under 0', ask({ temperature: -0.1 }), 'temperature'],
    ['a share of more than all', ask({ top_p: 1.1 }), 'top_p'],
    ['fewer tokens than OpenAI gives', ask({ max_output_tokens: 15 }), 'max_output_tokens'],
    ['more alternatives than there are', ask({ top_logprobs: 21 }), 'top_logprobs'],
    ['no calls of hosted tools', ask({ max_tool_calls: 0 }), 'max_tool_calls'],
  ])('%s', (_name, body, param) => {
    expect(door.Check(body)).toBe(false)
    expect(invalidBody(openaiResponses.body, body).param).toBe(param)
  })
})

test.each([
  ['a body', ask({ new_option: { deep: 1 } })],
  ['a message and a part', item({ role: 'user', x: 1, content: [{ type: 'input_text', text: 'a', y: 2 }] })],
])('%s may hold keys nobody knows', (_name, body) => {
  expect(door.Check(body)).toBe(true)
})

test('what stands beside a text is not read', () => {
  const content = [
    { type: 'output_text', text: 'a', refusal: 7 },
    { type: 'refusal', refusal: 'b', text: 7 },
    { type: 'input_image', image_url: 'data:image/png;base64,AAAA', text: 7 },
  ]
  expect(decode(ask({ input: [{ role: 'assistant', content }] })).request.messages).toEqual([
    {
      role: 'assistant',
      parts: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
  ])
})
