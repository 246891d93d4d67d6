import { afterEach, describe, expect, test } from 'bun:test'
import type { RequestRecord } from '../../src/observe/record.ts'
import { said, tool } from '../support/mcp-server.ts'
import { faultsOf } from '../support/sdk-types/check.ts'
import { replyFaults } from '../support/sdk-types/replies.ts'
import { answer, calls, chatRoute, chunks, eventsOf, jsonOf, lookup, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

describe('a tool of a server is called within the reply', () => {
  test('to Responses', async () => {
    const { model, responses, tool, asked } = world(lookup)
    model(calls(['s__lookup', { q: 'a' }]), answer('It is', ' a letter.'))
    const response = await responses({ tools: [tool()] })
    expect(response.status).toBe(200)
    const reply = await jsonOf(response)
    expect(reply.output.map(({ id, ...item }) => item)).toEqual([
      {
        type: 'mcp_list_tools',
        server_label: 's',
        tools: [
          {
            name: 'lookup',
            description: 'Does lookup.',
            input_schema: { type: 'object', properties: { q: { type: 'string' } } },
            annotations: null,
          },
        ],
        error: null,
      },
      {
        type: 'mcp_call',
        server_label: 's',
        name: 'lookup',
        arguments: '{"q":"a"}',
        output: 'A is a letter.',
        error: null,
        status: 'completed',
        approval_request_id: null,
      },
      {
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'It is a letter.', annotations: [], logprobs: [] }],
      },
    ])
    expect(reply.usage).toMatchObject({ input_tokens: 19, output_tokens: 9 })
    expect(asked(1).messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: '',
        tool_calls: [
          { id: 'call_s__lookup', type: 'function', function: { name: 's__lookup', arguments: '{"q":"a"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_s__lookup', content: 'A is a letter.' },
    ])
  })

  test('to a stream of Responses, with an event for each step', async () => {
    const { model, responses, tool } = world(lookup)
    model(calls(['s__lookup', { q: 'a' }]), answer('A letter.'))
    const text = await (await responses({ tools: [tool()], stream: true })).text()
    expect(replyFaults('/v1/responses', text)).toEqual([])
    const events = [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name)
    expect(events).toEqual([
      ...['response.created', 'response.in_progress'],
      ...['response.output_item.added', 'response.mcp_list_tools.in_progress', 'response.mcp_list_tools.completed'],
      ...['response.output_item.done', 'response.output_item.added', 'response.mcp_call.in_progress'],
      ...['response.mcp_call_arguments.delta', 'response.mcp_call_arguments.done', 'response.mcp_call.completed'],
      ...['response.output_item.done', 'response.output_item.added', 'response.content_part.added'],
      ...['response.output_text.delta', 'response.output_text.done', 'response.content_part.done'],
      ...['response.output_item.done', 'response.completed'],
    ])
  })

  test('to Messages', async () => {
    const { model, messages, entry } = world(lookup)
    model(calls(['s__lookup', { q: 'a' }]), answer('A letter.'))
    const response = await messages({ mcp_servers: [entry()] })
    const text = await response.text()
    expect(faultsOf(JSON.parse(text), 'anthropic beta/messages/messages BetaMessage')).toEqual([])
    expect(JSON.parse(text)).toMatchObject({
      content: [
        { type: 'mcp_tool_use', name: 'lookup', server_name: 's', input: { q: 'a' } },
        { type: 'mcp_tool_result', is_error: false, content: [{ type: 'text', text: 'A is a letter.' }] },
        { type: 'text', text: 'A letter.' },
      ],
      stop_reason: 'end_turn',
      usage: { input_tokens: 19, output_tokens: 9 },
    })
  })

  test('to a stream of Messages', async () => {
    const { model, messages, entry } = world(lookup)
    model(calls(['s__lookup', { q: 'a' }]), answer('A letter.'))
    const events = await eventsOf(await messages({ mcp_servers: [entry()], stream: true }))
    const type = 'anthropic beta/messages/messages BetaRawMessageStreamEvent'
    expect(events.filter(({ type }) => type !== 'ping').flatMap((event) => faultsOf(event, type))).toEqual([])
    expect(events.map(({ type, index }) => (index === undefined ? type : `${type} ${index}`))).toEqual([
      ...['message_start', 'ping', 'content_block_start 0', 'content_block_delta 0', 'content_block_stop 0'],
      ...['content_block_start 1', 'content_block_stop 1'],
      ...['content_block_start 2', 'content_block_delta 2', 'content_block_stop 2', 'message_delta', 'message_stop'],
    ])
  })

  test('by a toolset of the second beta, in which a tool is disabled', async () => {
    const { model, messages, entry, asked } = world({ tools: [tool('lookup'), tool('forget')] })
    model(answer('Hello.'))
    const toolset = { type: 'mcp_toolset', mcp_server_name: 's', configs: { forget: { enabled: false } } }
    await messages({ mcp_servers: [entry()], tools: [toolset] })
    expect(asked(0).tools?.map((one) => one.function.name)).toEqual(['s__lookup'])
  })

  test('several at once, shown in their order', async () => {
    const release: Record<string, () => void> = {}
    const {
      model,
      responses,
      tool: entry,
    } = world({
      tools: [tool('slow'), tool('quick')],
      call: async (name) => {
        if (name === 'slow') await new Promise<void>((resolve) => (release.slow = resolve))
        else release.slow?.()
        return said(name)
      },
    })
    model(calls(['s__slow'], ['s__quick']), answer('Both.'))
    const reply = await jsonOf(await responses({ tools: [entry()] }))
    expect(reply.output.slice(1, 3)).toMatchObject([{ output: 'slow' }, { output: 'quick' }])
  })

  test('round after round, with the reasoning and the words between', async () => {
    const { model, responses, tool, asked, server } = world(lookup)
    model(
      chunks(
        { delta: { reasoning_content: 'Hm.' } },
        { delta: { content: 'First' } },
        { delta: { tool_calls: [{ index: 0, id: 'c1', function: { name: 's__lookup', arguments: '{}' } }] } },
        { finish_reason: 'tool_calls' },
      ),
      calls(['s__lookup', { q: 'b' }]),
      answer('Done.'),
    )
    const reply = await jsonOf(await responses({ tools: [tool()] }))
    expect(reply.output.map(({ type }) => type)).toEqual([
      ...['mcp_list_tools', 'reasoning', 'message', 'mcp_call', 'mcp_call', 'message'],
    ])
    expect(asked(1).messages[1]).toMatchObject({ content: 'First', reasoning_content: 'Hm.' })
    expect(server.seen).toEqual([
      ...['initialize', 'notifications/initialized', 'tools/list', 'tools/call lookup', 'tools/call lookup'],
      ...server.seen.slice(5),
    ])
  })

  test('max_output_tokens counts for all rounds together', async () => {
    const { model, responses, tool, asked } = world(lookup)
    model(calls(['s__lookup']), answer('Done.'))
    await responses({ tools: [tool()], max_output_tokens: 50 })
    expect([asked(0).max_tokens, asked(1).max_tokens]).toEqual([50, 45])
  })

  test('and every round is a call that is counted', async () => {
    const records: RequestRecord[] = []
    const { model, responses, tool } = world(lookup, {
      trace: (record) => records.push({ ...record, calls: [...record.calls] }),
    })
    model(calls(['s__lookup']), answer('Done.'))
    await (await responses({ tools: [tool()], stream: true })).text()
    expect(records[0]?.calls.map((call) => call.usage())).toEqual([
      { inputTokens: 10, outputTokens: 5 },
      { inputTokens: 9, outputTokens: 4 },
    ])
    expect(records[0]?.usage).toMatchObject({ inputTokens: 19, outputTokens: 9 })
    expect(records[0]?.timeline?.steps.filter(({ kind }) => kind === 'mcp')).toMatchObject([
      { label: 's: list of tools', detail: '1 tools' },
      { label: 's: lookup', detail: '14 characters' },
    ])
  })
})

describe('names', () => {
  test('two servers may have the same tool, and the client one of the name they get', async () => {
    const { model, responses, tool: entry, server, asked } = world({ tools: [tool('lookup')] })
    const other = { type: 'function', name: 's__lookup', parameters: { type: 'object' } }
    model(calls(['s__lookup_2', { q: '1' }], ['t__lookup', { q: '2' }], ['s__lookup', { q: '3' }]))
    const reply = await jsonOf(await responses({ tools: [entry(), entry({ server_label: 't' }), other] }))
    expect(asked(0).tools?.map((one) => one.function.name)).toEqual(['s__lookup', 's__lookup_2', 't__lookup'])
    expect(reply.output.slice(2)).toMatchObject([
      { type: 'function_call', name: 's__lookup', arguments: '{"q":"3"}' },
      { type: 'mcp_call', server_label: 's', arguments: '{"q":"1"}', output: 'lookup {"q":"1"}' },
      { type: 'mcp_call', server_label: 't', arguments: '{"q":"2"}', output: 'lookup {"q":"2"}' },
    ])
    expect(server.seen.filter((seen) => seen.startsWith('tools/call'))).toHaveLength(2)
  })

  test('one that no upstream takes is the server’s own again in the reply', async () => {
    const { model, responses, tool: entry, asked } = world({ tools: [tool('a.b/c')] })
    model((seen) => {
      const { tools } = seen.body as { tools: { function: { name: string } }[] }
      return calls([tools[0]?.function.name ?? ''])
    }, answer('Done.'))
    const reply = await jsonOf(await responses({ tools: [entry({ server_label: 'Our server' })] }))
    expect(asked(0).tools?.[0]?.function.name).toMatch(/^[\w-]+$/)
    expect(reply.output[1]).toMatchObject({
      type: 'mcp_call',
      name: 'a.b/c',
      server_label: 'Our server',
      status: 'completed',
    })
  })
})

describe('beside tools of the client', () => {
  test('the reply ends with the client’s calls pending, and those of servers done', async () => {
    const { model, messages, entry, asked, api } = world(lookup)
    const own = { name: 'own', input_schema: { type: 'object' } }
    model(calls(['own', { a: 1 }], ['s__lookup', { q: 'a' }]), answer('Done.'))
    const first = await jsonOf(await messages({ mcp_servers: [entry()], tools: [own] }))
    expect(first.stop_reason).toBe('tool_use')
    expect(first.content).toMatchObject([
      { type: 'tool_use', name: 'own' },
      { type: 'mcp_tool_use' },
      { type: 'mcp_tool_result', is_error: false },
    ])
    expect(api.to(chatRoute)).toHaveLength(1)
    const id = first.content[0]?.id
    await messages({
      mcp_servers: [entry()],
      tools: [own],
      messages: [
        { role: 'user', content: 'Look it up.' },
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'mine' }] },
      ],
    })
    expect(asked(1).messages.map(({ role, content }) => `${role} ${content}`)).toEqual([
      ...['user Look it up.', 'assistant ', 'tool mine', 'tool A is a letter.'],
    ])
  })
})
