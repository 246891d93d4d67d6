import { describe, expect, test } from 'bun:test'
import type { ChatRequest, SearchRules, Tool } from '../../../src/core/request.ts'
import { fieldOf } from '../../support/chat-zai.ts'
import { encoded } from './encoding.ts'
import { weather } from './support.ts'

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
