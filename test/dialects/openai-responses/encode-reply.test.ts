import { describe, expect, test } from 'bun:test'
import type { Delta } from '../../../src/core/events.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { call, finish, reply, say, think, usage } from '../stream.ts'
import { everyTool, head, last, message, optionsOf, plain, sealing } from './encoding.ts'

describe('encodeReply', () => {
  test.each<[string, Delta[], typeof plain]>([
    ['text', [say('a'), usage], plain],
    ['nothing', [], plain],
    ['reasoning', [think('a'), say('b'), usage], plain],
    ['sealed reasoning', [think('a'), say('b'), usage], sealing],
    [
      'every kind of call',
      [
        say('a'),
        ...call('v', 'f', '{}'),
        ...call('w', 'patch', '{"input":"x"}'),
        ...call('x', 'team__ask'),
        ...call('y', 'local_shell', '{"command":["ls"]}'),
        ...call('z', 'tool_search', '{}'),
        ...call('1', 'shell', '{"commands":["ls"]}'),
        ...call('2', 'apply_patch', '{"type":"create_file","path":"a","diff":"+a"}'),
      ],
      everyTool,
    ],
  ])('is what a stream of %s ends with', (_name, deltas, options) => {
    for (const reason of ['stop', 'length', 'content-filter'] as const) {
      const whole = openaiResponses.encodeReply(head, reply(...deltas, finish(reason)), options)
      expect(last([...deltas, finish(reason)], options)?.response).toEqual(JSON.parse(JSON.stringify(whole)))
    }
  })

  test('is the whole response, with what the client asked', () => {
    const asked = {
      instructions: 'Be brief.',
      max_output_tokens: 99,
      parallel_tool_calls: false,
      previous_response_id: 'resp_0',
      reasoning: { effort: 'high', summary: 'auto' },
      store: false,
      temperature: 0.5,
      text: { format: { type: 'json_object' }, verbosity: 'low' },
      tool_choice: 'required',
      tools: [
        {
          type: 'function',
          name: 'f',
          description: 'Says f.',
          parameters: { type: 'object', properties: {} },
          strict: true,
        },
      ],
      top_p: 0.9,
      user: 'u1',
      metadata: { topic: 'x' },
      prompt_cache_key: 'k',
      safety_identifier: 's',
      prompt_cache_retention: '24h',
    }
    expect(openaiResponses.encodeReply(head, reply(say('Hi'), usage, finish()), optionsOf(asked))).toEqual({
      id: 'resp_1',
      object: 'response',
      created_at: 1_800_000_000,
      completed_at: 1_800_000_007,
      status: 'completed',
      error: null,
      incomplete_details: null,
      model: 'glm-5',
      output: [message('msg_1_0', 'Hi')],
      output_text: 'Hi',
      usage: {
        input_tokens: 30,
        input_tokens_details: { cached_tokens: 10, cache_write_tokens: 0 },
        output_tokens: 12,
        output_tokens_details: { reasoning_tokens: 5 },
        total_tokens: 42,
      },
      access_programs: null,
      background: false,
      conversation: null,
      frequency_penalty: 0,
      max_tool_calls: null,
      presence_penalty: 0,
      prompt: null,
      service_tier: 'default',
      top_logprobs: 0,
      truncation: 'disabled',
      ...asked,
    })
  })

  test('what nobody asked has the value that is used', () => {
    expect(openaiResponses.encodeReply(head, reply(say('Hi'), finish()), plain)).toMatchObject({
      temperature: 1,
      top_p: 0.95,
      reasoning: { effort: null, summary: null },
      text: { format: { type: 'text' }, verbosity: 'medium' },
      tools: [],
      tool_choice: 'auto',
      instructions: null,
      metadata: {},
    })
  })

  test('words that clients cannot read are not repeated', () => {
    const odd = optionsOf({
      reasoning: { effort: 'auto', summary: 'none' },
      text: { verbosity: 'chatty' },
      truncation: 'some',
      prompt_cache_retention: 'for_ever',
    })
    expect(openaiResponses.encodeReply(head, reply(say('Hi'), finish()), odd)).toMatchObject({
      reasoning: { effort: null, summary: null },
      text: { verbosity: 'medium' },
      truncation: 'disabled',
      prompt_cache_retention: null,
    })
  })

  test.each<[string, object, object]>([
    [
      'a function has all its members',
      { type: 'function', name: 'f', x: 1 },
      { type: 'function', name: 'f', x: 1, description: null, parameters: null, strict: false },
    ],
    ['a freeform tool has no null', { type: 'custom', name: 'f', format: null }, { type: 'custom', name: 'f' }],
    [
      'so have those of a namespace',
      { type: 'namespace', name: 'n', tools: [{ type: 'function', name: 'f' }] },
      {
        type: 'namespace',
        name: 'n',
        description: '',
        tools: [{ type: 'function', name: 'f', description: null, parameters: null, strict: false }],
      },
    ],
    [
      "a tool of OpenAI's is as it was sent",
      { type: 'file_search', vector_store_ids: ['x'] },
      { type: 'file_search', vector_store_ids: ['x'] },
    ],
    [
      'an MCP server is told without its credentials',
      {
        type: 'mcp',
        server_label: 'x',
        server_url: 'https://mcp.example.com/s/of-a-user?key=of-a-user',
        authorization: 'of-a-user',
        headers: { 'x-token': 'of-a-user' },
        require_approval: null,
      },
      {
        type: 'mcp',
        server_label: 'x',
        server_url: 'https://mcp.example.com/<redacted>',
        headers: { 'x-token': '<redacted>' },
      },
    ],
  ])('of the tools %s', (_name, tool, expected) => {
    const whole = openaiResponses.encodeReply(head, reply(say('Hi'), finish()), optionsOf({ tools: [tool] }))
    expect(whole).toMatchObject({ tools: [expected] })
    expect('tools' in whole && whole.tools).toEqual([expected])
  })

  test('a schema has all its members', () => {
    const format = { type: 'json_schema', name: 'n', schema: { type: 'object' } }
    const whole = openaiResponses.encodeReply(head, reply(say('{}'), finish()), optionsOf({ text: { format } }))
    expect(whole).toMatchObject({ text: { format: { ...format, description: '', strict: false } } })
  })
})
