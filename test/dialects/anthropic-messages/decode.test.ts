import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Reasoning, ToolChoice } from '../../../src/core/request.ts'
import type { MessagesOptions } from '../../../src/dialects/anthropic-messages/encode.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { invalidBody } from '../../../src/http/body-validation.ts'
import { requestContext } from '../../support/request-context.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(anthropicMessages.body)
const hello = [{ role: 'user', content: 'Hello' }]
const body = (fields: object) => ({ model: 'glm-5', max_tokens: 10, messages: hello, ...fields })
const user = (...content: object[]) => body({ messages: [{ role: 'user', content }] })

function decode(checked: object) {
  expect(door.Check(checked)).toBe(true)
  return anthropicMessages.decode(checked, requestContext())
}

test.each<[string, object, Reasoning, MessagesOptions['thinking']]>([
  ['nothing said', {}, { mode: 'off' }, 'hidden'],
  [
    'enabled',
    { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 1025 },
    { mode: 'on', budgetTokens: 1024 },
    'shown',
  ],
  ['enabled, and no more said', { thinking: { type: 'enabled' } }, { mode: 'on' }, 'shown'],
  ['OpenAI’s word for it', { reasoning_effort: 'high' }, { mode: 'on', effort: 'high' }, 'shown'],
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
  const noSource = (path: string) =>
    `${path}: a source is required, of the type base64 with media_type and data, or url with url.`
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
    [
      'an image without its media type',
      user({ type: 'image', source: { type: 'base64', data: '' } }),
      'messages.0.content.0.source',
      noSource('messages.0.content.0.source'),
    ],
    [
      'a document of an unknown source',
      user({ type: 'document', source: { type: 'magic' } }),
      'messages.0.content.0.source',
      noSource('messages.0.content.0.source'),
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
    ['messages as a number', body({ messages: 7 }), 'messages'],
    ['a tool without a schema', body({ tools: [{ name: 'f' }] }), 'tools.0.input_schema'],
    ['a custom tool without a schema', body({ tools: [{ type: 'custom', name: 'f' }] }), 'tools.0.input_schema'],
    ['an unknown tool choice', body({ tool_choice: { type: 'maybe' } }), 'tool_choice.type'],
    [
      'an OpenAI function without a name',
      body({ tools: [{ type: 'function', function: {} }] }),
      'tools.0.function.name',
    ],
    ['no tokens at all', body({ max_tokens: 0 }), 'max_tokens'],
    ['too warm', body({ temperature: 1.01 }), 'temperature'],
    ['too cold', body({ temperature: -0.01 }), 'temperature'],
    ['more than all words', body({ top_p: 1.01 }), 'top_p'],
    ['fewer than no words', body({ top_p: -0.01 }), 'top_p'],
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

test.each(['compaction', 'advisor_tool_result', 'whatever_comes'])(
  'a %s block of another server is told as text',
  (type) => {
    const history = [...hello, { role: 'assistant', content: [{ type, content: 'Summary so far' }] }, ...hello]
    expect(door.Check(body({ messages: history }))).toBe(true)
    expect(
      JSON.stringify(anthropicMessages.decode(body({ messages: history }), requestContext()).request.messages[1]),
    ).toContain('Summary so far')
  },
)

describe('a budget of reasoning', () => {
  const budget = (budget_tokens: number, max_tokens: number | null = null, type = 'enabled') =>
    body({ thinking: { type, budget_tokens }, max_tokens })
  const refused = (message: string) => ({
    kind: 'invalid-request',
    param: 'thinking.budget_tokens',
    message: `thinking.budget_tokens: ${message}`,
  })

  test.each<[string, object, string]>([
    ['too small', budget(1023), 'at least 1024 tokens are expected, got 1023.'],
    [
      'without room for an answer',
      budget(2000, 2000),
      '2000 tokens leave no room for an answer in the 2000 of max_tokens.',
    ],
  ])('%s', (_name, checked, message) => {
    expect(thrownBy(() => decode(checked))).toMatchObject(refused(message))
  })

  test.each<[string, object, Record<string, string>]>([
    ['as Qwen Code sends it', budget(32_000, 64_000), {}],
    ['as old Claude Code sends it', budget(31_999, 32_000), {}],
    ['for a count, which has no end', budget(2000), {}],
    ['of a whole turn of answers', budget(2000, 1000), { 'anthropic-beta': 'interleaved-thinking-2025-05-14' }],
    ['that is not asked for', budget(0, 10, 'adaptive'), {}],
  ])('%s', (_name, checked, headers) => {
    expect(door.Check(checked)).toBe(true)
    expect(anthropicMessages.decode(checked, requestContext(headers)).request.reasoning.mode).toBe('on')
  })
})

test('a summary is not written here, and nothing else may pass for one', () => {
  expect(thrownBy(() => decode(body({ compaction: { type: 'summarize' } })))).toMatchObject({
    kind: 'invalid-request',
    param: 'compaction',
  })
})

describe('named, because nothing here can do it', () => {
  test.each<[object, string[]]>([
    [{ top_k: 40 }, ['top_k']],
    [{ container: { skills: [] } }, ['container']],
    [{ service_tier: 'auto' }, ['service_tier']],
    [{ speed: 'fast' }, ['speed']],
    [{ inference_geo: 'us' }, ['inference_geo']],
    [{ fallbacks: 'default' }, ['fallbacks']],
    [{ fallbacks: [{ model: 'm' }] }, ['fallbacks']],
    [{ fallback_credit_token: 't' }, ['fallback_credit_token']],
    [{ billing_policy: { type: 'billing_policy' } }, ['billing_policy']],
    [{ diagnostics: { previous_message_id: null } }, ['diagnostics']],
    [{ user_profile_id: 'u', workspace_id: 'w' }, ['user_profile_id', 'workspace_id']],
    [
      { thinking: { type: 'adaptive', block_binding: { prefix_mismatch_behavior: 'error' } } },
      ['thinking.block_binding'],
    ],
    [{ output_config: { task_budget: { type: 'tokens', total: 20000 } } }, ['output_config.task_budget']],
    [{ output_config: { effort: 'max' } }, ['output_config.effort (max)']],
    [{ output_config: { effort: 'huge' }, thinking: { type: 'adaptive' } }, ['output_config.effort (huge)']],
    [{ reasoning_effort: 'huge' }, ['reasoning_effort (huge)']],
    [{ n: 2, seed: 1, frequency_penalty: 1 }, ['n', 'seed', 'frequency_penalty']],
    [{ tools: [{ type: 'web_fetch_20260318', name: 'web_fetch' }] }, ['tools.0 (web_fetch_20260318)']],
  ])('%j', (fields, names) => {
    expect(decode(body(fields)).request.ignored).toEqual(names)
  })

  test.each([
    { service_tier: 'standard_only', speed: 'standard', inference_geo: null, fallbacks: [], mcp_servers: [] },
    { output_config: { effort: 'high' } },
    { output_config: { effort: 'low' }, thinking: { type: 'adaptive', display: 'summarized' } },
    { metadata: { user_id: 'u' }, cache_control: { type: 'ephemeral' } },
    { n: 1, frequency_penalty: 0, presence_penalty: 0, logprobs: false, logit_bias: {} },
  ])('%j asks for nothing of the kind', (fields) => {
    expect(decode(body(fields)).request.ignored).toEqual([])
  })
})

describe('OpenAI’s words for what is said of the answer', () => {
  test.each<[object, object]>([
    [{ stop: 'END' }, { sampling: { stop: ['END'] } }],
    [{ stop: ['A', ''] }, { sampling: { stop: ['A'] } }],
    [{ stop_sequences: ['B'], stop: 'A' }, { sampling: { stop: ['B'] } }],
    [{ max_tokens: undefined, max_completion_tokens: 7 }, { sampling: { maxTokens: 7 } }],
    [{ max_tokens: undefined, max_output_tokens: 7 }, { sampling: { maxTokens: 7 } }],
    [{ max_completion_tokens: 7 }, { sampling: { maxTokens: 10 } }],
    [{ response_format: { type: 'json_object' } }, { output: { type: 'json' } }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } } },
      { output: { type: 'json', name: 'n', schema: { type: 'object' } } },
    ],
    [{ response_format: { type: 'text' } }, { output: { type: 'text' } }],
    [{ reasoning_effort: 'none' }, { reasoning: { mode: 'off' } }],
    [{ reasoning_effort: 'low', thinking: { type: 'disabled' } }, { reasoning: { mode: 'off' } }],
  ])('%j', (fields, expected) => {
    expect(decode(body(fields)).request).toMatchObject(expected)
  })
})
