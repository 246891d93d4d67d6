import { afterEach, describe, expect, test } from 'bun:test'
import { offeredTools } from '../../src/mcp/offered-tools.ts'
import { tool } from '../support/mcp-server.ts'
import { answer, calls, jsonOf, lookup, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

describe('lists', () => {
  test('of many pages are read to the end', async () => {
    const tools = Array.from({ length: 25 }, (_, n) => tool(`t${n}`))
    const { model, responses, tool: entry, asked } = world({ tools, pageSize: 10 })
    model(answer('Hello.'))
    await responses({ tools: [entry()] })
    expect(asked(0).tools).toHaveLength(25)
  })

  test('offer what the client allows', async () => {
    const tools = [tool('a'), tool('b', { annotations: { readOnlyHint: true } }), tool('c')]
    const { model, responses, tool: entry, asked } = world({ tools })
    model(answer('Hello.'), answer('Hello.'))
    await responses({ tools: [entry({ allowed_tools: ['a', 'z'] })] })
    await responses({ tools: [entry({ allowed_tools: { read_only: true } })] })
    expect([0, 1].map((round) => asked(round).tools?.map((one) => one.function.name))).toEqual([['s__a'], ['s__b']])
  })

  test('of 10,000 tools are refused, and served where the client names those it needs', async () => {
    const tools = Array.from({ length: 10_000 }, (_, n) => tool(`t${n}`))
    const { model, responses, tool: entry, asked } = world({ tools, pageSize: 1_000 })
    const refused = await responses({ tools: [entry()] })
    expect(refused.status).toBe(400)
    expect((await jsonOf(refused)).error).toMatchObject({
      code: 'too_many_mcp_tools',
      message: expect.stringContaining('offer 10000 tools, and MCP_MAX_TOOLS is 128'),
    })
    model(answer('Hello.'))
    expect((await responses({ tools: [entry({ allowed_tools: ['t9999'] })] })).status).toBe(200)
    expect(asked(0).tools).toHaveLength(1)
  })

  test('of 10,000 tools of one name do not keep the gateway busy', async () => {
    const tools = Array.from({ length: 10_000 }, () => tool('same'))
    const { responses, tool: entry } = world({ tools, pageSize: 1_000 })
    expect((await responses({ tools: [entry()] })).status).toBe(400)
    const server = {
      label: 's',
      url: 'https://mcp.example/',
      param: 'tools.0',
      headers: {},
      approval: 'never' as const,
    }
    const offered = offeredTools(['s__same_3'])
    offered.add(server, tools)
    const names = offered.all().map(({ name }) => name)
    expect(names.slice(0, 3)).toEqual(['s__same', 's__same_2', 's__same_4'])
    expect(new Set(names).size).toBe(10_000)
  })

  test('that never end are given up', async () => {
    const { responses, tool: entry } = world({
      tools: [],
      intercept: (_request, body) => {
        const { method, id } = JSON.parse(body || '{}')
        if (method !== 'tools/list') return undefined
        return Response.json({ jsonrpc: '2.0', id, result: { tools: [], nextCursor: 'more' } })
      },
    })
    const refused = await responses({ tools: [entry()] })
    expect(refused.status).toBe(424)
    expect((await jsonOf(refused)).error.message).toContain('more than 200 pages')
  })

  test('a schema that refers to itself goes to the model as it is', async () => {
    const inputSchema = {
      type: 'object' as const,
      properties: { left: { $ref: '#' }, right: { $ref: '#/$defs/tree' } },
      $defs: { tree: { $ref: '#/$defs/tree' } },
    }
    const {
      model,
      responses,
      tool: entry,
      asked,
    } = world({ tools: [tool('walk', { inputSchema, outputSchema: inputSchema })] })
    model(calls(['s__walk', { left: {} }]), answer('Done.'))
    const reply = await jsonOf(await responses({ tools: [entry()] }))
    expect(reply.output[1]).toMatchObject({ status: 'completed' })
    expect(asked(0).tools).toMatchObject([{ function: { parameters: { properties: { left: { $ref: '#' } } } } }])
  })
})

describe('the choice of a tool', () => {
  test.each([
    ['a server', { type: 'mcp', server_label: 's' }, ['s__a', 's__b'], 'required'],
    [
      'a tool of it',
      { type: 'mcp', server_label: 's', name: 'b' },
      ['s__b'],
      { type: 'function', function: { name: 's__b' } },
    ],
  ])('%s: the first round has to call it, and later ones need not', async (_name, choice, names) => {
    const { model, responses, tool: entry, asked } = world({ tools: [tool('a'), tool('b')] })
    const own = { type: 'function', name: 'own', parameters: { type: 'object' } }
    model(calls(['s__b']), answer('Done.'))
    const response = await responses({ tools: [entry(), own], tool_choice: choice })
    expect((await jsonOf(response)).status).toBe('completed')
    expect(asked(0).tools?.map((one) => one.function.name)).toEqual(names)
    expect(asked(1).tools?.map((one) => one.function.name)).toEqual(['own', 's__a', 's__b'])
    expect(asked(1).tool_choice ?? 'auto').toBe('auto')
  })

  test('of none leaves the servers alone', async () => {
    const { model, responses, tool: entry, server } = world(lookup)
    model(answer('Hello.'))
    expect((await responses({ tools: [entry()], tool_choice: 'none' })).status).toBe(200)
    expect(server.seen).toEqual([])
  })

  test('of an unknown server is refused', async () => {
    const { responses, tool: entry } = world(lookup)
    const refused = await responses({ tools: [entry()], tool_choice: { type: 'mcp', server_label: 'x' } })
    expect([refused.status, (await jsonOf(refused)).error.param]).toEqual([400, 'tool_choice'])
  })
})
