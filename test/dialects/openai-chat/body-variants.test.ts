import { describe, expect, test } from 'bun:test'
import type { ChatRequest } from '../../../src/core/request.ts'
import { call, decode, user } from './decoding.ts'

// What programs made for other APIs post to Chat Completions, in every combination.

const schema = { type: 'object', properties: { path: { type: 'string' } } }

describe('tools', () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  const read = { name: 'read', description: 'd', parameters: schema, strict: undefined }

  test.each<[string, object]>([
    ['of Chat Completions', { type: 'function', function: { name: 'read', description: 'd', parameters: schema } }],
    ['without their type', { function: { name: 'read', description: 'd', parameters: schema } }],
    ['of Responses', { type: 'function', name: 'read', description: 'd', parameters: schema }],
    ['flat and without their type', { name: 'read', description: 'd', parameters: schema }],
    ['of Messages', { name: 'read', description: 'd', input_schema: schema }],
    ['of Messages, with their type', { type: 'custom', name: 'read', description: 'd', input_schema: schema }],
  ])('%s', (_name, tool) => {
    expect(decode({ messages, tools: [tool] }).request.tools).toEqual([read])
  })

  test.each<[string, unknown, ChatRequest['toolChoice'], string[]]>([
    ['nested', { type: 'function', function: { name: 'read' } }, { name: 'read' }, ['read', 'patch']],
    ['flat', { type: 'function', name: 'read' }, { name: 'read' }, ['read', 'patch']],
    ['of Messages', { type: 'tool', name: 'read' }, { name: 'read' }, ['read', 'patch']],
    ['without a type', { function: { name: 'read' } }, { name: 'read' }, ['read', 'patch']],
    ['any, as a word', 'any', 'required', ['read', 'patch']],
    ['any, of Messages', { type: 'any' }, 'required', ['read', 'patch']],
    ['auto, of Messages', { type: 'auto' }, 'auto', ['read', 'patch']],
    ['none, of Messages', { type: 'none' }, 'none', ['read', 'patch']],
    ['freeform, nested', { type: 'custom', custom: { name: 'patch' } }, { name: 'patch' }, ['read', 'patch']],
    ['freeform, flat', { type: 'custom', name: 'patch' }, { name: 'patch' }, ['read', 'patch']],
    [
      'some, nested',
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'custom', custom: { name: 'patch' } }] },
      },
      'required',
      ['patch'],
    ],
    [
      'some, flat',
      {
        type: 'allowed_tools',
        mode: 'auto',
        tools: [
          { type: 'custom', name: 'patch' },
          { type: 'mcp', server_label: 'x' },
        ],
      },
      'auto',
      ['patch'],
    ],
  ])('are chosen: %s', (_name, tool_choice, expected, offered) => {
    const tools = [
      { type: 'function', name: 'read', parameters: schema },
      { type: 'custom', custom: { name: 'patch' } },
    ]
    const { request } = decode({ messages, tools, tool_choice })
    expect(request.toolChoice).toEqual(expected)
    expect(request.tools.map(({ name }) => name)).toEqual(offered)
  })

  test('are called one at a time where Messages say so', () => {
    const asked = { messages, tools: [{ name: 'f', input_schema: schema }] }
    const tool_choice = { type: 'auto', disable_parallel_tool_use: true }
    expect(decode({ ...asked, tool_choice }).request.parallelToolCalls).toBe(false)
    expect(decode(asked).request.parallelToolCalls).toBe(true)
  })

  test('that take free text are functions of one string, and keep the grammar', () => {
    const grammar = { syntax: 'lark', definition: 'start: "a"' }
    const tools = [
      { type: 'custom', custom: { name: 'patch', description: 'd', format: { type: 'grammar', grammar } } },
      { type: 'custom', name: 'sql', format: { type: 'text' } },
      { type: 'function', function: { name: 'sql' } },
    ]
    const history = [
      { role: 'user', content: 'Go' },
      { role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'sql', input: 'select' } }] },
      { role: 'tool', tool_call_id: 'c', content: 'done' },
    ]
    const { request, options } = decode({ messages: history, tools })
    expect(request.tools.map(({ name }) => name)).toEqual(['patch', 'sql_2', 'sql'])
    expect(request.tools[0]?.description).toBe(
      'd\n\nThis tool takes free text: put the whole of it into `input`, as one string.\n\nThe text must match this lark grammar:\nstart: "a"',
    )
    expect(request.tools[0]?.parameters.required).toEqual(['input'])
    expect(request.messages[1]).toEqual({ role: 'assistant', parts: [call('c', 'sql_2', '{"input":"select"}')] })
    expect(options).toMatchObject({
      customTools: [
        ['patch', 'patch'],
        ['sql_2', 'sql'],
      ],
    })
  })
})

describe('options', () => {
  const messages = [{ role: 'user', content: 'Hi' }]

  test.each<[string, object, Partial<ChatRequest>]>([
    ['max_output_tokens', { max_output_tokens: 7 }, { sampling: { maxTokens: 7 } }],
    ['stop_sequences', { stop_sequences: ['a', ''] }, { sampling: { stop: ['a'] } }],
    [
      'the format of Responses',
      { text: { format: { type: 'json_schema', name: 'n', description: 'd', schema } } },
      { output: { type: 'json', schema, name: 'n', description: 'd' } },
    ],
    [
      'the format of Messages',
      { output_config: { format: { type: 'json_schema', schema } } },
      { output: { type: 'json', schema } },
    ],
    [
      'a schema with words about it',
      { response_format: { type: 'json_schema', json_schema: { name: 'n', description: 'd', schema } } },
      { output: { type: 'json', schema, name: 'n', description: 'd' } },
    ],
    ['the effort of Responses', { reasoning: { effort: 'low' } }, { reasoning: { mode: 'on', effort: 'low' } }],
    [
      'short answers',
      { verbosity: 'low' },
      {
        messages: [{ role: 'system', text: 'Keep the answer short: what was asked for and nothing else.' }, user('Hi')],
      },
    ],
    [
      'long answers, in the words of Responses, behind the system prompt',
      { instructions: 'Be kind.', text: { verbosity: 'high' } },
      { messages: [{ role: 'system', text: 'Be kind.\n\nAnswer in detail and at length.' }, user('Hi')] },
    ],
    ['answers as they are', { verbosity: 'medium' }, { messages: [user('Hi')], ignored: [] }],
    ['answers nobody knows', { verbosity: 'loud' }, { ignored: ['verbosity (loud)'] }],
    [
      'what nobody here has',
      {
        ...{ top_k: 5, background: true, truncation: 'auto', max_tool_calls: 1, mcp_servers: [{}], input: 'Ho' },
        ...{ include: ['reasoning.encrypted_content'], include_reasoning: false, extra_body: { a: 1 } },
      },
      {
        ignored: [
          ...['input', 'top_k', 'background', 'max_tool_calls', 'truncation', 'mcp_servers'],
          ...['include', 'include_reasoning', 'extra_body'],
        ],
      },
    ],
  ])('%s', (_name, fields, expected) => {
    expect(decode({ messages, ...fields }).request).toMatchObject(expected)
  })
})
