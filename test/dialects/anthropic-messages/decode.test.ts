import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Reasoning, ToolChoice } from '../../../src/core/request.ts'
import type { MessagesOptions } from '../../../src/dialects/anthropic-messages/encode.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { invalidBody } from '../../../src/http/invalid.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(anthropicMessages.body)
const hello = [{ role: 'user', content: 'Hello' }]
const body = (fields: object) => ({ model: 'glm-5', max_tokens: 10, messages: hello, ...fields })
const user = (...content: object[]) => body({ messages: [{ role: 'user', content }] })

function decode(checked: object) {
  expect(door.Check(checked)).toBe(true)
  return anthropicMessages.decode(checked, new Headers())
}

test.each<[string, object, Reasoning, MessagesOptions['thinking']]>([
  ['nothing said', {}, { mode: 'off' }, 'hidden'],
  ['enabled', { thinking: { type: 'enabled', budget_tokens: 9 } }, { mode: 'on', budgetTokens: 9 }, 'shown'],
  [
    'adaptive with an effort',
    { thinking: { type: 'adaptive' }, output_config: { effort: 'xhigh' } },
    { mode: 'on', effort: 'max' },
    'shown',
  ],
  ['adaptive and omitted', { thinking: { type: 'adaptive', display: 'omitted' } }, { mode: 'on' }, 'omitted'],
  ['an outline', { thinking: { type: 'adaptive', display: 'updates' } }, { mode: 'on' }, 'shown'],
  ['nothing to omit', { thinking: { type: 'disabled', display: 'omitted' } }, { mode: 'off' }, 'hidden'],
  ['a kind yet to come', { thinking: { type: 'between_tools' } }, { mode: 'on' }, 'shown'],
  ['an effort alone, which is about all words', { output_config: { effort: 'high' } }, { mode: 'off' }, 'hidden'],
  ['disabled', { thinking: { type: 'disabled' }, output_config: { effort: 'high' } }, { mode: 'off' }, 'hidden'],
])('thinking: %s', (_name, fields, reasoning, thinking) => {
  const { request, options } = decode(body(fields))
  expect(request.reasoning).toEqual(reasoning)
  expect(options).toEqual({ thinking })
})

test.each<[object | null, ToolChoice, boolean]>([
  [null, 'auto', true],
  [{ type: 'auto' }, 'auto', true],
  [{ type: 'auto', disable_parallel_tool_use: true }, 'auto', false],
  [{ type: 'any' }, 'required', true],
  [{ type: 'tool', name: 'f', disable_parallel_tool_use: false }, { name: 'f' }, true],
  [{ type: 'none' }, 'none', true],
])('tool_choice %j', (tool_choice, toolChoice, parallelToolCalls) => {
  expect(decode(body({ tool_choice })).request).toMatchObject({ toolChoice, parallelToolCalls })
})

test.each<[string, object, object[]]>([
  ['an empty user turn stays a turn', { role: 'user', content: [] }, [{ role: 'user', parts: [] }]],
  [
    'an assistant turn of sealed thinking is no turn',
    { role: 'assistant', content: [{ type: 'redacted_thinking' }] },
    [],
  ],
  [
    'a system message of nothing but the billing header is none',
    { role: 'system', content: 'x-anthropic-billing-header: a' },
    [],
  ],
])('%s', (_name, message, expected) => {
  const { messages } = decode(body({ messages: [message] })).request
  expect(messages).toHaveLength(expected.length)
  expect(messages).toMatchObject(expected)
})

describe('deferred tools', () => {
  const tool = (name: string, fields: object = {}) => ({ name, input_schema: { type: 'object' }, ...fields })
  const tools = [
    tool('plain'),
    tool('later', { defer_loading: true }),
    tool('DeferredToolPlaceholder', { defer_loading: true }),
  ]
  const found = (name: string) => ({
    role: 'user',
    content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'tool_reference', tool_name: name }] }],
  })
  const change = (type: string) => ({
    role: 'system',
    content: [{ type, tool: { type: 'tool_reference', name: 'later' } }],
  })

  test.each<[string, object[], string[]]>([
    ['are not offered before they are found', hello, ['plain']],
    ['are offered once they are found', [...hello, found('later')], ['plain', 'later']],
    ['never include the placeholder', [...hello, found('DeferredToolPlaceholder')], ['plain']],
    ['are offered once a system message adds them', [...hello, change('tool_addition')], ['plain', 'later']],
    ['are withdrawn when a system message removes them', [...hello, found('later'), change('tool_removal')], ['plain']],
  ])('%s', (_name, messages, expected) => {
    expect(decode(body({ messages, tools })).request.tools.map(({ name }) => name)).toEqual(expected)
  })
})

describe('refused by decode', () => {
  const file = { type: 'file', file_id: 'file_1' }
  const byId = (path: string) => `${path}: files by id are not stored here; send the content as base64, text or a URL.`
  test.each<[string, object, string, string]>([
    ['an empty conversation', body({ messages: [] }), 'messages', 'messages: at least one message is required.'],
    [
      'an image by id',
      user({ type: 'text', text: 'a' }, { type: 'image', source: file }),
      'messages.0.content.1.source',
      byId('messages.0.content.1.source'),
    ],
    [
      'a document by id inside a tool result',
      user({ type: 'tool_result', tool_use_id: 't', content: [{ type: 'document', source: file }] }),
      'messages.0.content.0.content.0.source',
      byId('messages.0.content.0.content.0.source'),
    ],
  ])('%s', (_name, checked, param, message) => {
    expect(thrownBy(() => decode(checked))).toMatchObject({ kind: 'invalid-request', param, message })
  })

  test.each([{ type: 'create' }, { type: 'continue', previous_message_id: 'msg_1' }])('thread %j', (thread) => {
    expect(thrownBy(() => decode(body({ thread })))).toMatchObject({
      kind: 'invalid-request',
      details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
    })
  })
})

describe('refused at the door', () => {
  test.each<[string, object, string]>([
    ['no model', { max_tokens: 1, messages: hello }, 'model'],
    ['an unknown role', body({ messages: [{ role: 'robot', content: 'x' }] }), 'messages.0.role'],
    ['no content', body({ messages: [{ role: 'user' }] }), 'messages.0.content'],
    ['an unknown block', user({ type: 'smell' }), 'messages.0.content.0.type'],
    ['a text block without text', user({ type: 'text' }), 'messages.0.content.0.text'],
    [
      'an image without its media type',
      user({ type: 'image', source: { type: 'base64', data: '' } }),
      'messages.0.content.0.source.media_type',
    ],
    ['an unknown image source', user({ type: 'image', source: { type: 'magic' } }), 'messages.0.content.0.source.type'],
    ['a tool result without its id', user({ type: 'tool_result', content: 'x' }), 'messages.0.content.0.tool_use_id'],
    [
      'an unknown block inside a tool result',
      user({ type: 'tool_result', tool_use_id: 't', content: [{ type: 'smell' }] }),
      'messages.0.content.0.content.0.type',
    ],
    [
      'a call without a name',
      body({ messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 't', input: {} }] }] }),
      'messages.0.content.0.name',
    ],
    ['a tool without a schema', body({ tools: [{ name: 'f' }] }), 'tools.0.input_schema'],
    ['a custom tool without a schema', body({ tools: [{ type: 'custom', name: 'f' }] }), 'tools.0.input_schema'],
    ['an unknown tool choice', body({ tool_choice: { type: 'maybe' } }), 'tool_choice.type'],
    ['no tokens at all', body({ max_tokens: 0 }), 'max_tokens'],
  ])('%s', (_name, unchecked, param) => {
    expect(door.Check(unchecked)).toBe(false)
    expect(invalidBody(anthropicMessages.body, unchecked).param).toBe(param)
  })
})

test.each([
  ['a body', body({ new_option: { deep: 1 } })],
  ['a block', user({ type: 'text', text: 'a', cache_control: { type: 'ephemeral' }, y: 2 })],
])('%s may hold keys nobody knows', (_name, unchecked) => {
  expect(door.Check(unchecked)).toBe(true)
})

test('an empty stop sequence is none', () => {
  const body = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], stop_sequences: ['', 'END'] }
  expect(decode(body).request.sampling.stop).toEqual(['END'])
  expect(decode({ ...body, stop_sequences: [''] }).request.sampling.stop).toBeUndefined()
})

test.each(['compaction', 'advisor_tool_result', 'container_upload'])(
  'a %s block of another server is told as text',
  (type) => {
    const history = [...hello, { role: 'assistant', content: [{ type, content: 'Summary so far' }] }, ...hello]
    expect(door.Check(body({ messages: history }))).toBe(true)
    expect(
      JSON.stringify(anthropicMessages.decode(body({ messages: history }), new Headers()).request.messages[1]),
    ).toContain('Summary so far')
  },
)
