import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Reasoning, ToolChoice } from '../../../src/core/request.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { invalidBody } from '../../../src/http/body-validation.ts'
import { requestContext } from '../../support/request-context.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(openaiResponses.body)
const ask = (fields: object) => ({ model: 'glm-5', input: 'Hello', ...fields })
const item = (fields: object) => ask({ input: [fields] })
const user = (part: object) => item({ role: 'user', content: [part] })

function decode(body: object) {
  expect(door.Check(body)).toBe(true)
  return openaiResponses.decode(body, requestContext())
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

test.each<[string, object[], string[]]>([
  ['a tool of one namespace', [{ type: 'function', name: 't', namespace: 'n' }], ['n__t']],
  ['a whole namespace', [{ type: 'namespace', name: 'm' }], ['m__t', 'm__u']],
  ['a tool wherever it is', [{ type: 'function', name: 't' }], ['n__t', 'm__t', 't']],
])('allowed tools: %s', (_name, chosen, expected) => {
  const functions = (...names: string[]) => names.map((name) => ({ type: 'function', name }))
  const namespace = (name: string, ...inner: string[]) => ({ type: 'namespace', name, tools: functions(...inner) })
  const tools = [namespace('n', 't', 'u'), namespace('m', 't', 'u'), ...functions('t', 'u')]
  const choice = { type: 'allowed_tools', mode: 'auto', tools: chosen }
  expect(decode(ask({ tools, tool_choice: choice })).request.tools.map(({ name }) => name)).toEqual(expected)
})

test.each<[string, object, string[]]>([
  [
    'values that change nothing',
    {
      top_logprobs: 0,
      max_tool_calls: 3,
      truncation: 'disabled',
      context_management: [],
      text: { verbosity: 'medium' },
      service_tier: 'auto',
      stream_options: { include_obfuscation: false },
      prompt_cache_retention: 'in_memory',
      reasoning: { context: 'auto', mode: 'standard', summary: 'detailed' },
      include: ['reasoning.encrypted_content', 'message.input_image.image_url'],
      user: 'u',
      metadata: { a: 'b' },
    },
    [],
  ],
  [
    'values that would',
    {
      top_logprobs: 1,
      truncation: 'auto',
      text: { verbosity: 'chatty' },
      service_tier: 'flex',
      stream_options: { include_obfuscation: true },
      prompt_cache_retention: '24h',
      prompt_cache_options: { mode: 'explicit' },
      reasoning: { effort: 'ultra', context: 'all_turns', mode: 'pro', summary: 'poem' },
      moderation: { model: 'm' },
      access_programs: { cyber: 'standard' },
      background_options: {},
      image: { context_compression: 'enabled' },
      context_management: [{ type: 'compaction' }],
      include: ['file_search_call.results'],
    },
    [
      'access_programs',
      'background_options',
      'context_management',
      'image',
      'moderation',
      'prompt_cache_options',
      'prompt_cache_retention',
      'reasoning.context',
      'reasoning.mode',
      'reasoning.summary',
      'service_tier',
      'stream_options.include_obfuscation',
      'top_logprobs',
      'truncation',
      'include (file_search_call.results)',
      'reasoning.effort (ultra)',
      'text.verbosity (chatty)',
    ],
  ],
  [
    'options of tools',
    {
      tools: [
        { type: 'function', name: 'f', async: true, output_schema: {} },
        {
          type: 'web_search',
          search_context_size: 'low',
          external_web_access: false,
          search_content_types: ['text', 'image'],
          user_location: { type: 'approximate', city: 'Riga' },
        },
        { type: 'file_search', vector_store_ids: ['x'] },
      ],
    },
    [
      'tools.0.async',
      'tools.0.output_schema',
      'tools.1.external_web_access',
      'tools.1.search_content_types',
      'tools.1.search_context_size',
      'tools.1.user_location',
      'tools.2 (file_search)',
    ],
  ],
  [
    'options of tools that change nothing',
    {
      tools: [
        { type: 'function', name: 'f', async: false, defer_loading: true },
        {
          type: 'web_search_preview',
          search_context_size: 'medium',
          external_web_access: true,
          search_content_types: ['text'],
          user_location: { type: 'approximate', city: null },
          filters: { allowed_domains: ['a.example'] },
        },
      ],
    },
    [],
  ],
])('unsupported: %s', (_name, fields, expected) => {
  expect(decode(ask(fields)).request.ignored).toEqual(expected)
})

test.each<[string, string | undefined, string]>([
  ['low', undefined, 'Keep the answer short: what was asked for and nothing else.'],
  ['high', 'Be kind.', 'Be kind.\n\nAnswer in detail and at length.'],
  ['medium', 'Be kind.', 'Be kind.'],
])('the model is told how much to say: %s', (verbosity, instructions, told) => {
  const { messages } = decode(ask({ text: { verbosity }, instructions })).request
  expect(messages[0]).toEqual({ role: 'system', text: told })
})

test('a schema keeps what is said of it', () => {
  const format = { type: 'json_schema', name: 'n', description: 'A number.', schema: { type: 'object' } }
  expect(decode(ask({ text: { format } })).request.output).toEqual({
    type: 'json',
    name: 'n',
    description: 'A number.',
    schema: { type: 'object' },
  })
})

test('a search that shall tell more is asked for more', () => {
  const { request } = decode(ask({ tools: [{ type: 'web_search', search_context_size: 'high' }] }))
  expect(request.searchRules).toEqual({ chosen: false, options: { contentSize: 'high' } })
  expect(request.ignored).toEqual([])
})

test('as many searches as calls of hosted tools, for there is no other such tool', () => {
  const { request } = decode(ask({ tools: [{ type: 'web_search' }], max_tool_calls: 2 }))
  expect(request.searchRules).toEqual({ chosen: false, maxUses: 2 })
})

test("a shell in a container of OpenAI's is no tool of the client", () => {
  const tools = [
    { type: 'shell', environment: { type: 'container_auto' } },
    { type: 'function', name: 'f' },
  ]
  const { request } = decode(ask({ tools }))
  expect(request.tools.map(({ name }) => name)).toEqual(['f'])
  expect(request.ignored).toEqual(['tools.0 (shell)'])
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
  const byId = (type: string) => `files by id are not stored here (${type}); send the content.`
  test.each<[string, object, string, string]>([
    ['an empty conversation', ask({ input: [] }), 'input', 'at least one message is required.'],
    ['no input', { model: 'glm-5' }, 'input', 'at least one message is required.'],
    [
      'work in the background that is not to be stored',
      ask({ background: true, store: false }),
      'background',
      'a response in the background has to be stored; leave `store` out.',
    ],
    [
      'a choice of a search that is not offered',
      ask({ tool_choice: { type: 'web_search' } }),
      'tool_choice',
      'the request offers no tool of the type web_search.',
    ],
    ...[
      [
        'a tool of a namespace that lacks it',
        { type: 'function', name: 'u', namespace: 'n' },
        'tool `u` in a namespace `n`',
      ],
      [
        'a tool of a namespace that is not offered',
        { type: 'function', name: 't', namespace: 'm' },
        'tool `t` in a namespace `m`',
      ],
      ['a tool of another kind', { type: 'custom', name: 't', namespace: 'n' }, 'tool `t` in a namespace `n`'],
      ['a namespace that is not offered', { type: 'namespace', name: 'm' }, 'namespace `m`'],
    ].flatMap(([name, chosen, lacked]): [string, object, string, string][] => {
      // A function has the name that the model would know the tool of the namespace by.
      const tools = [{ type: 'namespace', name: 'n', tools: [{ type: 'function', name: 't' }] }].concat(
        ['n__u', 'm__t', 't', 'm'].map((name) => ({ type: 'function', name, tools: [] })),
      )
      const reason = `the request offers no ${lacked}.`
      const allowance = { type: 'allowed_tools', mode: 'auto', tools: [chosen] }
      return [
        [`a choice of ${name}`, ask({ tools, tool_choice: chosen }), 'tool_choice', reason],
        [`an allowance of ${name}`, ask({ tools, tool_choice: allowance }), 'tool_choice', reason],
      ]
    }),
    [
      'a stored template',
      ask({ prompt: { id: 'pmpt_1' } }),
      'prompt',
      'no templates are kept here; send instructions and input.',
    ],
    [
      'an image that is neither URL nor data',
      user({ type: 'input_image', image_url: 'file:///etc/passwd' }),
      'input.0.content.0.image_url',
      image,
    ],
    [
      'an image by id',
      user({ type: 'input_image', file_id: 'file_1' }),
      'input.0.content.0.file_id',
      byId('input_image'),
    ],
    ['a file by id', user({ type: 'input_file', file_id: 'file_1' }), 'input.0.content.0.file_id', byId('input_file')],
    [
      'a file of nothing',
      user({ type: 'input_file', filename: 'a' }),
      'input.0.content.0.file_data',
      byId('input_file'),
    ],
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

describe('a conversation too large to be stored', () => {
  const large = ask({ input: 'a'.repeat(8_000_001) })

  test('is answered without, and it is said', () => {
    const { request, options } = decode({ ...large, store: true })
    expect(request.ignored).toContain('store')
    expect(options).toMatchObject({ echo: { store: false } })
    expect(decode({ ...large, store: false }).request.ignored).not.toContain('store')
    expect(decode(ask({ input: 'a'.repeat(7_000_000) })).options).toMatchObject({ echo: { store: true } })
  })

  test.each([
    ['background', { background: true }],
    ['conversation', { conversation: 'conv_1' }],
  ])('is refused with %s, which needs the store', (param, fields) => {
    expect(thrownBy(() => decode({ ...large, ...fields }))).toMatchObject({
      ...{ kind: 'too-large', status: 413, code: 'conversation_too_large', param },
    })
  })
})

test.each([
  ['a body', ask({ new_option: { deep: 1 } })],
  ['a message and a part', item({ role: 'user', x: 1, content: [{ type: 'input_text', text: 'a', y: 2 }] })],
])('%s may hold keys nobody knows', (_name, body) => {
  expect(door.Check(body)).toBe(true)
})
