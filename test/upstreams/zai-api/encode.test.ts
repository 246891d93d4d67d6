import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { withCallIds } from '../../../src/core/call-ids.ts'
import type { AssistantPart, ChatRequest, Message, SearchRules, Tool, UserPart } from '../../../src/core/request.ts'
import { normaliseConversation } from '../../../src/upstreams/chat-completions/conversation.ts'
import { encode } from '../../../src/upstreams/chat-completions/encode.ts'
import { fieldOf } from '../../support/chat-zai.ts'
import { runs } from '../../support/effort.ts'
import { fault } from '../../support/zai-api.ts'
import { modelNamed, profile, request, weather } from './support.ts'

const names = [
  'glm-5.4',
  'glm-5.3-flash',
  'glm-5.3',
  'glm-5.2',
  'glm-4.7',
  'glm-4.6v',
  'glm-4.5',
  'glm-4.5v',
  'glm-4.1v-thinking-flash',
  'glm-4-flash-250414',
]

function encoded(more: Partial<ChatRequest>, model = 'glm-4.7', forceToolCall = false) {
  const asked = { ...request, ...more }
  const messages = normaliseConversation(asked.messages, modelNamed(model))
  return encode(
    { ...asked, messages },
    {
      model: modelNamed(model),
      requestId: '00000000-0000-4000-8000-000000000001',
      rules: profile.request,
      label: profile.errors.label,
      tools: asked.toolChoice === 'none' ? [] : asked.tools,
      forceToolCall,
    },
  )
}

async function complaintOf(body: object): Promise<string | undefined> {
  return fault(body)?.text()
}

describe('the API accepts what every client family sends', () => {
  const root = new URL('../../golden/requests/', import.meta.url)
  for (const dialect of readdirSync(root))
    for (const name of readdirSync(new URL(`${dialect}/`, root)))
      test.each(names)(`${dialect}/${name} for %s`, async (model) => {
        const text = readFileSync(new URL(`${dialect}/${name}/canonical.json`, root), 'utf8')
        const { request: canonical } = JSON.parse(text) as { request: ChatRequest }
        // Upstreams see calls that have ids and names: the gateway gives those that lack them.
        const sound = { ...canonical, messages: withCallIds(canonical.messages) }
        for (const insist of [false, true]) expect(await complaintOf(encoded(sound, model, insist))).toBeUndefined()
      })
})

const words: UserPart = { type: 'text', text: 'Hi' }
const image: UserPart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } }
const called = (id: string, args = '{}'): AssistantPart => ({
  type: 'tool-call',
  id,
  name: 'get_weather',
  arguments: args,
})
const result = (callId: string, ...parts: UserPart[]): Message => ({ role: 'tool', callId, parts, isError: false })

test('the API accepts any encoded request', async () => {
  const text = fc.constantFrom('', ' ', 'Hi', '\n')
  const id = fc.constantFrom('a', 'b', 'c')
  const userPart = fc.oneof(
    text.map((value): UserPart => ({ type: 'text', text: value })),
    fc.constant(image),
    fc.constant<UserPart>({ type: 'video', source: { type: 'url', url: 'https://example.com/a.mp4' } }),
    fc.constant<UserPart>({ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }),
  )
  const assistantPart = fc.oneof(
    text.map((value): AssistantPart => ({ type: 'text', text: value })),
    text.map((value): AssistantPart => ({ type: 'reasoning', text: value })),
    fc.tuple(id, fc.constantFrom('', '{}', '{"a":1}', '[1]', 'oops')).map(([call, args]) => called(call, args)),
  )
  const message = fc.oneof(
    text.map((value): Message => ({ role: 'system', text: value })),
    fc.array(userPart, { maxLength: 3 }).map((parts): Message => ({ role: 'user', parts })),
    fc
      .uniqueArray(assistantPart, { maxLength: 3, selector: JSON.stringify })
      .map((parts): Message => ({ role: 'assistant', parts })),
    fc
      .tuple(id, fc.array(userPart, { maxLength: 2 }), fc.boolean())
      .map(([callId, parts, isError]): Message => ({ role: 'tool', callId, parts, isError })),
  )
  const sampling = fc.record(
    {
      temperature: fc.double({ min: -1, max: 3, noNaN: true }),
      topP: fc.double({ min: -1, max: 2, noNaN: true }),
      maxTokens: fc.integer({ min: -5, max: 1_000_000 }),
      stop: fc.array(fc.constantFrom('', 'END', '\n'), { maxLength: 8 }),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 8 }),
      sampling,
      fc.constantFrom(...names),
      fc.boolean(),
      async (messages, sampled, model, insist) => {
        const body = encoded({ messages, sampling: sampled, tools: [weather], toolChoice: 'required' }, model, insist)
        expect(await complaintOf(body)).toBeUndefined()
      },
    ),
    { numRuns: runs(400) },
  )
})

describe('the checker of these tests reports', () => {
  const good = { model: 'glm-4.7', messages: [{ role: 'user', content: 'Hi' }] }
  const call = { id: 'c1', type: 'function', function: { name: 'bash', arguments: '{}' } }
  const user = { role: 'user', content: 'Hi' }
  test('nothing of a plain request', () => expect(fault(good)).toBeUndefined())

  test.each<[string, object]>([
    ['a developer', { messages: [{ role: 'developer', content: 'Be.' }, user] }],
    ['a conversation without a user', { messages: [{ role: 'system', content: 'Be.' }] }],
    ['content that is null', { messages: [user, { role: 'assistant', content: null, tool_calls: [call] }] }],
    ['a call without a result', { messages: [user, { role: 'assistant', content: '', tool_calls: [call] }, user] }],
    [
      'a call without a result at the end',
      { messages: [user, { role: 'assistant', content: '', tool_calls: [call] }] },
    ],
    ['a result without a call', { messages: [user, { role: 'tool', tool_call_id: 'c1', content: 'x' }] }],
    ['parts for a model that only reads', { messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] }],
    ['a stop that is no array', { stop: 'END' }],
    ['five stops', { stop: ['a', 'b', 'c', 'd', 'e'] }],
    ['a tool choice', { tool_choice: 'required' }],
    ['a high temperature', { temperature: 1.5 }],
    ['three decimals', { temperature: 0.123 }],
    ['a top_p of zero', { top_p: 0 }],
    ['too many tokens', { max_tokens: 200_000 }],
    ['a short user id', { user_id: 'abc' }],
    ['a field it does not know', { n: 1 }],
    ['a JSON schema', { response_format: { type: 'json_schema' } }],
    ['an effort of a model without efforts', { reasoning_effort: 'high' }],
    ['no thinking of a model that always thinks', { model: 'glm-5.3', thinking: { type: 'disabled' } }],
  ])('%s', (_name, more) => expect(fault({ ...good, ...more })?.status).toBe(400))
})

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

describe('tools', () => {
  const other: Tool = { name: 'bash', description: '', parameters: {} }
  const systemOf = (body: object) => JSON.stringify(fieldOf(body, 'messages'))
  const toolNames = (body: object) => {
    const tools = fieldOf(body, 'tools')
    return Array.isArray(tools)
      ? tools.map((tool) => fieldOf(fieldOf(tool, 'function'), 'name') ?? fieldOf(tool, 'type'))
      : []
  }

  test.each<[string, Partial<ChatRequest>, string[], string]>([
    ['required is said in words', { toolChoice: 'required' }, ['get_weather', 'bash'], 'must call a tool'],
    ['a named tool is the only one', { toolChoice: { name: 'bash' } }, ['bash'], 'must call the tool bash'],
    [
      'one call at a time is said in words',
      { parallelToolCalls: false },
      ['get_weather', 'bash'],
      'at most one tool call',
    ],
    ['none leaves them out', { toolChoice: 'none' }, [], 'Hello'],
    ['search is a tool of the API', { search: true }, ['get_weather', 'bash', 'web_search'], 'Hello'],
  ])('%s', (_name, more, expected, said) => {
    const body = encoded({ tools: [weather, other], ...more })
    expect(toolNames(body)).toEqual(expected)
    expect(systemOf(body)).toContain(said)
    expect(body).not.toHaveProperty('tool_choice')
  })

  test('a schema without a type is an object', () => {
    expect(fieldOf(encoded({ tools: [other] }), 'tools')).toMatchObject([
      { function: { parameters: { type: 'object', properties: {} } } },
    ])
  })

  test('a forced tool call is requested in a final user turn', () => {
    const messages = fieldOf(encoded({ tools: [weather], toolChoice: 'required' }, 'glm-4.7', true), 'messages')
    expect(Array.isArray(messages) && messages.at(-1)).toMatchObject({
      role: 'user',
      content: expect.stringContaining('Make the call now'),
    })
  })

  test('older models get no `tool_stream`', () => {
    expect(encoded({ tools: [weather] }, 'glm-4.5')).not.toHaveProperty('tool_stream')
  })

  test.each<[string, SearchRules, object]>([
    ['one site is kept to', { chosen: false, allowedDomains: ['a.example'] }, { search_domain_filter: 'a.example' }],
    ['of several sites none is', { chosen: false, allowedDomains: ['a.example', 'b.example'] }, {}],
    ['sites to leave out are not told', { chosen: false, blockedDomains: ['a.example'] }, {}],
    [
      'the rest is told in the words of the API',
      {
        chosen: true,
        options: {
          ...{ engine: 'search_pro', query: 'q', prompt: 'p', recency: 'oneDay', contentSize: 'high' },
          ...{ count: 80, required: true },
        },
      },
      {
        ...{ search_engine: 'search_pro', search_query: 'q', search_prompt: 'p', search_recency_filter: 'oneDay' },
        ...{ content_size: 'high', count: 50, require_search: true },
      },
    ],
  ])('of the search, %s', (_name, searchRules, expected) => {
    expect(encoded({ search: true, searchRules })).toMatchObject({
      tools: [
        {
          type: 'web_search',
          web_search: {
            enable: true,
            search_engine: 'search_std',
            search_result: true,
            result_sequence: 'before',
            ...expected,
          },
        },
      ],
    })
  })

  test('too many tools are rejected before the request is sent', () => {
    const tools = Array.from({ length: 129 }, (_, index) => ({ ...weather, name: `tool_${index}` }))
    expect(() => encoded({ tools })).toThrow(expect.objectContaining({ kind: 'invalid-request', param: 'tools' }))
  })
})

test('with tools, the instruction for JSON is about the final answer only', () => {
  const output = { type: 'json', schema: { type: 'object' }, description: 'A city.' } as const
  const rule =
    'Call tools as they are needed. The final answer, when no call is needed any more, is one JSON value and nothing else: no words before or after it, no code fence. It is this: A city. It must be valid against this JSON schema:\n{"type":"object"}'
  const body = encoded({ output, tools: [weather] })
  expect(body).not.toHaveProperty('response_format')
  expect(fieldOf(body, 'messages')).toMatchObject([{ role: 'system', content: rule }, {}])
  // Tools that may not be called are not sent.
  expect(encoded({ output, tools: [weather], toolChoice: 'none' })).toHaveProperty('response_format')
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
