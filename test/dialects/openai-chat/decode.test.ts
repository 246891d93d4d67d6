import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Value } from '@sinclair/typebox/value'
import type { ChatRequest, Reasoning } from '../../../src/core/request.ts'
import { openaiChat } from '../../../src/dialects/openai-chat/index.ts'
import { invalidBody } from '../../../src/http/body-validation.ts'
import { requestContext } from '../../support/request-context.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(openaiChat.body)
const hello = [{ role: 'user', content: 'Hello' }]
const chat = (fields: object) => ({ model: 'glm-5', messages: hello, ...fields })
const user = (part: object) => chat({ messages: [{ role: 'user', content: [part] }] })

function decode(body: object) {
  expect(door.Check(body)).toBe(true)
  return openaiChat.decode(body, requestContext())
}

test.each<[string, object, Reasoning]>([
  ['nothing said', {}, { mode: 'default' }],
  ['an empty effort', { reasoning_effort: '' }, { mode: 'default' }],
  ['reasoning_effort none', { reasoning_effort: 'none' }, { mode: 'off' }],
  ['reasoning_effort minimal', { reasoning_effort: 'minimal' }, { mode: 'off' }],
  ['reasoning_effort medium', { reasoning_effort: 'medium' }, { mode: 'on', effort: 'medium' }],
  ['reasoning_effort xhigh', { reasoning_effort: 'xhigh' }, { mode: 'on', effort: 'max' }],
  ['thinking enabled', { thinking: { type: 'enabled', budget_tokens: 9 } }, { mode: 'on', budgetTokens: 9 }],
  ['thinking adaptive', { thinking: { type: 'adaptive' } }, { mode: 'on' }],
  [
    'thinking disabled despite an effort',
    { thinking: { type: 'disabled' }, reasoning_effort: 'high' },
    { mode: 'off' },
  ],
  ['thinking enabled despite effort none', { thinking: { type: 'enabled' }, reasoning_effort: 'none' }, { mode: 'on' }],
  ['thinking auto', { thinking: { type: 'auto' } }, { mode: 'default' }],
  ['thinking without its type', { thinking: { budget_tokens: 9 } }, { mode: 'on', budgetTokens: 9 }],
  ['thinking as a switch', { thinking: { enabled: false } }, { mode: 'off' }],
  ['thinking as a yes', { thinking: true }, { mode: 'on' }],
  ['thinking as a no', { thinking: false }, { mode: 'off' }],
  ['thinking as a word', { thinking: 'disabled' }, { mode: 'off' }],
  ['thinking of a kind nobody knows', { thinking: { type: 'deep' } }, { mode: 'default' }],
  ['reasoning as a word', { reasoning: 'high' }, { mode: 'on', effort: 'high' }],
  ["an effort in Messages' words", { output_config: { effort: 'low' } }, { mode: 'on', effort: 'low' }],
  ['enable_thinking as a word', { enable_thinking: 'false' }, { mode: 'off' }],
  ['enable_thinking false', { enable_thinking: false }, { mode: 'off' }],
  ['a template switch', { chat_template_kwargs: { enable_thinking: false } }, { mode: 'off' }],
  ['reasoning disabled', { reasoning: { enabled: false, effort: 'high' } }, { mode: 'off' }],
  ['reasoning_effort auto', { reasoning_effort: 'auto' }, { mode: 'default' }],
  ['reasoning_effort default', { reasoning_effort: 'Default' }, { mode: 'default' }],
  ['reasoning_effort off', { reasoning_effort: 'off' }, { mode: 'off' }],
  ['reasoning_effort disabled', { reasoning_effort: 'disabled' }, { mode: 'off' }],
  ['reasoning_effort false', { reasoning_effort: false }, { mode: 'off' }],
  ['reasoning_effort min', { reasoning_effort: 'min' }, { mode: 'off' }],
  [
    'a word nobody knows beside one that is known',
    { reasoning_effort: 'x', reasoning: { effort: 'low' } },
    { mode: 'on', effort: 'low' },
  ],
  ['reasoning effort', { reasoning: { effort: 'low' } }, { mode: 'on', effort: 'low' }],
])('reasoning: %s', (_name, fields, expected) => {
  expect(decode(chat(fields)).request.reasoning).toEqual(expected)
})

test.each<[string, object, string[]]>([
  [
    'values that change nothing',
    {
      frequency_penalty: 0,
      presence_penalty: 0,
      logprobs: false,
      top_logprobs: 0,
      logit_bias: {},
      n: 1,
      modalities: ['text'],
    },
    [],
  ],
  [
    'efforts nobody knows',
    { reasoning_effort: 'utmost', reasoning: { effort: 7 } },
    ['reasoning_effort (utmost)', 'reasoning.effort (7)'],
  ],
  ['values that would', { seed: 0, presence_penalty: -1, logprobs: true }, ['seed', 'logprobs', 'presence_penalty']],
  [
    'switches of other hosts',
    { repetition_penalty: 1.1, min_p: 0.05, top_a: 0.2, do_sample: false },
    ['repetition_penalty', 'min_p', 'top_a', 'do_sample'],
  ],
  ['nothing, where they say what is so anyway', { repetition_penalty: 1, min_p: 0, top_a: 0, do_sample: true }, []],
])('unsupported: %s', (_name, fields, expected) => {
  expect(decode(chat(fields)).request.ignored).toEqual(expected)
})

const f = { type: 'function', function: { name: 'f' } }
const enabled = (search: object) => [{ type: 'web_search', web_search: { enable: true, ...search } }]
const hosted = { type: 'web_search', web_search: { enable: true } }

test.each<[string, object, Partial<ChatRequest>]>([
  ['a tool among others may be used', { tools: [f, hosted] }, { search: true, toolChoice: 'auto' }],
  [
    'an option of its own is a choice',
    { tools: [f], web_search_options: {} },
    { search: true, searchRules: { chosen: true }, toolChoice: 'auto' },
  ],
  [
    'a tool that is chosen leaves no other',
    { tools: [f, hosted], tool_choice: { type: 'web_search' } },
    { search: true, searchRules: { chosen: true }, toolChoice: 'none' },
  ],
  [
    'a tool that is switched off is none',
    { tools: [{ type: 'web_search', web_search: { enable: false } }] },
    { search: false },
  ],
  [
    'a tool that is not allowed is none',
    { tools: [f, hosted], tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [f] } } },
    { search: false },
  ],
  [
    "a tool in Messages' words, chosen by its name",
    {
      tools: [f, { type: 'web_search_20250305', name: 'web_search', max_uses: 3, blocked_domains: ['b.example'] }],
      tool_choice: { type: 'tool', name: 'web_search' },
    },
    { search: true, searchRules: { chosen: true, maxUses: 3, blockedDomains: ['b.example'] }, toolChoice: 'none' },
  ],
  [
    "Z.AI's own options",
    {
      tools: enabled({
        ...{ search_engine: 'search_pro', search_query: 'q', search_prompt: 'p', count: 5, content_size: 'high' },
        ...{ search_recency_filter: 'oneWeek', search_domain_filter: 'a.example', require_search: true },
      }),
    },
    {
      searchRules: {
        chosen: false,
        allowedDomains: ['a.example'],
        options: {
          ...{ engine: 'search_pro', query: 'q', prompt: 'p', count: 5, contentSize: 'high' },
          ...{ recency: 'oneWeek', required: true },
        },
      },
    },
  ],
  [
    "OpenAI's options",
    {
      web_search_options: {
        search_context_size: 'high',
        user_location: { type: 'approximate' },
        filters: { allowed_domains: ['a.example'] },
      },
    },
    {
      searchRules: { chosen: true, allowedDomains: ['a.example'], options: { contentSize: 'high' } },
      ignored: ['web_search_options.user_location'],
    },
  ],
  ['a call of some kind may be one', { tools: [hosted], tool_choice: 'required' }, { toolChoice: 'required' }],
])('web search: %s', (_name, fields, expected) => {
  expect(decode(chat(fields)).request).toMatchObject(expected)
})

test('max_completion_tokens outweighs max_tokens', () => {
  expect(decode(chat({ max_tokens: 5, max_completion_tokens: 7 })).request.sampling.maxTokens).toBe(7)
})

describe('refused by decode', () => {
  test.each<[string, object, string, string]>([
    ['an empty conversation', chat({ messages: [] }), 'messages', 'messages: at least one message is required.'],
    [
      'a call that must come of no tools',
      chat({ tool_choice: 'required' }),
      'tool_choice',
      "tool_choice: 'tool_choice' is only allowed when 'tools' are specified.",
    ],
    [
      'a call that must come of an empty list',
      chat({ tool_choice: 'required', tools: [] }),
      'tool_choice',
      "tool_choice: 'tool_choice' is only allowed when 'tools' are specified.",
    ],
    ['two choices', chat({ n: 2 }), 'n', 'n: this server gives one choice a request.'],
    [
      'an image that is neither URL nor data',
      user({ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }),
      'messages.0.content.0.image_url.url',
      'messages.0.content.0.image_url.url: expected an http(s) URL or a base64 data URL.',
    ],
    [
      'an image whose data URL is not base64',
      user({ type: 'image_url', image_url: 'data:image/svg+xml;utf8,<svg/>' }),
      'messages.0.content.0.image_url',
      'messages.0.content.0.image_url: expected an http(s) URL or a base64 data URL.',
    ],
    [
      'a file by id',
      user({ type: 'file', file: { file_id: 'file_1' } }),
      'messages.0.content.0.file.file_id',
      'messages.0.content.0.file.file_id: files by id are not stored here (file); send the content.',
    ],
    [
      'an image without its URL',
      user({ type: 'image_url' }),
      'messages.0.content.0.image_url',
      'messages.0.content.0.image_url: expected an http(s) URL or a base64 data URL.',
    ],
    [
      'an upload to a container',
      user({ type: 'container_upload', file_id: 'file_1' }),
      'messages.0.content.0.file_id',
      'messages.0.content.0.file_id: files by id are not stored here (container_upload); send the content.',
    ],
    [
      'an image of the Assistants API',
      user({ type: 'image_file', image_file: { file_id: 'file_1' } }),
      'messages.0.content.0.file_id',
      'messages.0.content.0.file_id: files by id are not stored here (image_file); send the content.',
    ],
    [
      'what Responses keep',
      chat({ previous_response_id: 'resp_1' }),
      'previous_response_id',
      'previous_response_id: this API keeps nothing between requests; send the whole conversation, or use /v1/responses.',
    ],
    [
      'a choice of a tool that does not run here',
      chat({ tools: [{ type: 'mcp' }], tool_choice: { type: 'mcp' } }),
      'tool_choice',
      'tool_choice: tools of the type `mcp` do not run here. Offer a function, or leave tool_choice at auto.',
    ],
    [
      'a text file whose base64 is broken',
      user({ type: 'file', file: { file_data: 'data:text/plain;base64,%%%' } }),
      'messages.0.content.0.file.file_data',
      'messages.0.content.0.file.file_data: the base64 data is broken.',
    ],
  ])('%s', (_name, body, param, message) => {
    expect(thrownBy(() => decode(body))).toMatchObject({ kind: 'invalid-request', param, message })
  })
})

describe('refused at the door', () => {
  test.each<[string, object, string]>([
    ['no model', { messages: hello }, 'model'],
    ['messages as a number', chat({ messages: 7 }), 'messages'],
    ['a function without a name', chat({ tools: [{ type: 'function', function: {} }] }), 'tools.0.function.name'],
    ['an unknown tool choice', chat({ tool_choice: 'maybe' }), 'tool_choice'],
    ['an unknown output format', chat({ response_format: { type: 'yaml' } }), 'response_format.type'],
    ['a temperature in words', chat({ temperature: 'warm' }), 'temperature'],
    ['a temperature over 2', chat({ temperature: 2.1 }), 'temperature'],
    ['a temperature under 0', chat({ temperature: -0.1 }), 'temperature'],
    ['a top_p over 1', chat({ top_p: 1.1 }), 'top_p'],
    ['a penalty over 2', chat({ frequency_penalty: 2.5 }), 'frequency_penalty'],
    ['a penalty under -2', chat({ presence_penalty: -3 }), 'presence_penalty'],
    ['no choice at all', chat({ n: 0 }), 'n'],
    ['no token at all', chat({ max_tokens: 0 }), 'max_tokens'],
    ['no token at all, as they say now', chat({ max_completion_tokens: -1 }), 'max_completion_tokens'],
    ['no token at all, as Responses say', chat({ max_output_tokens: 0 }), 'max_output_tokens'],
    ['more probabilities than there are', chat({ top_logprobs: 21 }), 'top_logprobs'],
  ])('%s', (_name, body, param) => {
    expect(door.Check(body)).toBe(false)
    expect(invalidBody(openaiChat.body, body).param).toBe(param)
  })
})

test.each([
  ['a body', { model: 'glm-5', messages: hello, new_option: { deep: 1 } }],
  [
    'a message and a part',
    { model: 'glm-5', messages: [{ role: 'user', x: 1, content: [{ type: 'text', text: 'a', y: 2 }] }] },
  ],
])('%s may hold keys nobody knows', (_name, body) => {
  expect(door.Check(body)).toBe(true)
})

test('what stands beside a function call is not read', () => {
  const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' }, custom: 7 }
  const asked = chat({ messages: [{ role: 'assistant', tool_calls: [call] }] })
  expect(Value.Check(openaiChat.body, asked)).toBe(true)
  expect(decode(asked).request.messages).toEqual([
    { role: 'assistant', parts: [{ type: 'tool-call', id: 'c1', name: 'f', arguments: '{}' }] },
  ])
})

test('a custom call of another server is a call with its input', () => {
  const call = { id: 'c1', type: 'custom', custom: { name: 'patch', input: '*** Begin' } }
  const asked = {
    model: 'm',
    messages: [
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: 'ok' },
    ],
  }
  expect(Value.Check(openaiChat.body, asked)).toBe(true)
  expect(openaiChat.decode(asked, requestContext()).request.messages[0]).toEqual({
    role: 'assistant',
    parts: [{ type: 'tool-call', id: 'c1', name: 'patch', arguments: '{"input":"*** Begin"}' }],
  })
  const chosen = { ...asked, tool_choice: { type: 'custom', custom: { name: 'patch' } } }
  expect(Value.Check(openaiChat.body, chosen)).toBe(true)
  expect(openaiChat.decode(chosen, requestContext()).request.toolChoice).toEqual({ name: 'patch' })
})

test.each<[string, unknown, ChatRequest['toolChoice']]>([
  ['a function', { type: 'function', function: { name: 'weather' }, allowed_tools: 7 }, { name: 'weather' }],
  ['a freeform tool', { type: 'custom', custom: { name: 'patch' }, function: 7, allowed_tools: {} }, { name: 'patch' }],
  ['a search', { type: 'web_search', allowed_tools: null, function: {} }, 'none'],
])('tool choice, whatever stands beside it: %s', (_name, tool_choice, expected) => {
  const tools = [{ type: 'function', function: { name: 'weather' } }]
  const asked = chat({ tools, tool_choice })
  expect(Value.Check(openaiChat.body, asked)).toBe(true)
  expect(decode(asked).request.toolChoice).toEqual(expected)
})

test.each<[string, unknown, ChatRequest['toolChoice']]>([
  ['auto', 'auto', 'auto'],
  ['none', 'none', 'none'],
  ['a name', { name: 'weather' }, { name: 'weather' }],
  ['a name beside what it does not know', { name: 'weather', type: [['function']], custom: 1 }, { name: 'weather' }],
])('the old function_call: %s', (_name, function_call, expected) => {
  expect(decode(chat({ functions: [{ name: 'weather' }], function_call })).request.toolChoice).toEqual(expected)
})
