import { afterEach, describe, expect, test } from 'bun:test'
import { said } from '../support/mcp-server.ts'
import {
  answer,
  bytes,
  calls,
  chatRoute,
  eventsOf,
  inCall,
  jsonOf,
  lookup,
  stopWorlds,
  stream,
  world,
} from './support.ts'

afterEach(stopWorlds)

describe('a call that fails is an item with its error, and the model goes on', () => {
  test.each<[string, Parameters<typeof inCall>[0], object]>([
    [
      'an error of the protocol',
      (id) => Response.json({ jsonrpc: '2.0', id, error: { code: -32602, message: 'No such tool.' } }),
      { type: 'mcp_protocol_error', code: -32602, message: 'No such tool.' },
    ],
    [
      'a status',
      () => new Response('Who are you?', { status: 401 }),
      {
        type: 'http_error',
        code: 401,
        message: 'it answered with status 401: Who are you?',
      },
    ],
    [
      'a status of the server’s own trouble',
      () => new Response('', { status: 500 }),
      { type: 'http_error', code: 500, message: 'it answered with status 500.' },
    ],
    [
      'broken JSON',
      () => new Response('{"jsonrpc":', { headers: { 'content-type': 'application/json' } }),
      { type: 'mcp_protocol_error', code: -32700, message: 'its answer is not a message of MCP.' },
    ],
    [
      'JSON that is no message',
      () => Response.json({ hello: 'there' }),
      { type: 'mcp_protocol_error', code: -32700, message: 'its answer is not a message of MCP.' },
    ],
    [
      'a result that is none',
      (id) => Response.json({ jsonrpc: '2.0', id, result: { content: [{ type: 'dance' }] } }),
      { type: 'mcp_protocol_error', code: -32700, message: 'its answer is not a message of MCP.' },
    ],
    [
      'a result of a million levels',
      (id) => {
        const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`
        const body = `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":{"a":${deep}}}}`
        return new Response(body, { headers: { 'content-type': 'application/json' } })
      },
      { type: 'mcp_protocol_error', code: -32000, message: 'it sent a message of more than 1000 levels.' },
    ],
    [
      'a result of half a million members',
      (id) => {
        const members = Array.from({ length: 500_000 }, (_, n) => `"m${n}":1`).join(',')
        const body = `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":{${members}}}}`
        return new Response(body, { headers: { 'content-type': 'application/json' } })
      },
      { type: 'mcp_protocol_error', code: -32000, message: 'it sent a message of more than 50000 values.' },
    ],
    [
      'a flood of events',
      () =>
        stream((controller) => {
          controller.enqueue(bytes(':\n\n'.repeat(7_000)))
          controller.close()
        }),
      { type: 'mcp_protocol_error', code: -32000, message: 'it sent more than 5000 messages.' },
    ],
    [
      'a list of messages',
      () => Response.json(Array(10_000).fill({})),
      { type: 'mcp_protocol_error', code: -32000, message: 'it sent a list of more than 50 messages.' },
    ],
    [
      'a page in place of an answer',
      () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      { type: 'mcp_protocol_error', code: -32700, message: 'its answer is not a message of MCP.' },
    ],
    [
      'a stream that ends without an answer',
      () => stream((controller) => controller.close()),
      { type: 'mcp_protocol_error', code: -32000, message: 'it closed the connection before it answered.' },
    ],
    [
      'a stream of nonsense',
      () =>
        stream((controller) => {
          controller.enqueue(bytes('data: {nonsense\n\n'))
          controller.close()
        }),
      { type: 'mcp_protocol_error', code: -32000, message: 'it closed the connection before it answered.' },
    ],
    [
      'an answer that is too long',
      (id) => Response.json({ jsonrpc: '2.0', id, result: said('x'.repeat(9 * 1024 * 1024)) }),
      { type: 'mcp_protocol_error', code: -32000, message: 'it sent more than 8 MiB.' },
    ],
    [
      'a redirect to somewhere else',
      () => new Response(null, { status: 307, headers: { location: 'http://169.254.169.254/latest/meta-data' } }),
      {
        type: 'http_error',
        code: 307,
        message: expect.stringContaining('Redirect to http://169.254.169.254/latest/meta-data not followed'),
      },
    ],
  ])('%s', async (_name, reply, error) => {
    const { model, responses, tool: entry, asked } = world(inCall(reply))
    model(calls(['s__lookup']), answer('It did not work.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output.slice(1)).toMatchObject([
      { type: 'mcp_call', status: 'failed', output: null, error },
      { type: 'message', status: 'completed' },
    ])
    expect(asked(1).messages.at(-1)).toMatchObject({
      role: 'tool',
      content: expect.stringMatching(/^\[The tool failed\.\]/),
    })
  })

  test('one that the tool itself reports, in both APIs', async () => {
    const call = () => ({ ...said('Out of letters.'), isError: true })
    const { model, responses, messages, tool: entry, entry: server } = world({ ...lookup, call })
    model(calls(['s__lookup']), answer('No.'), calls(['s__lookup']), answer('No.'))
    expect((await jsonOf(await responses({ tools: [entry()] }))).output[1]).toMatchObject({
      status: 'failed',
      error: { type: 'mcp_tool_execution_error', content: [{ type: 'text', text: 'Out of letters.' }] },
    })
    expect((await jsonOf(await messages({ mcp_servers: [server()] }))).content[1]).toMatchObject({
      ...{ type: 'mcp_tool_result', is_error: true, content: [{ type: 'text', text: 'Out of letters.' }] },
    })
  })

  test('in a stream, with the event of a failure', async () => {
    const { model, responses, tool: entry } = world(inCall(() => new Response('', { status: 503 })))
    model(calls(['s__lookup']), answer('No.'))
    const events = await eventsOf(await responses({ tools: [entry()], stream: true }))
    expect(events.map(({ type }) => type)).toContain('response.mcp_call.failed')
    expect(events.at(-1)).toMatchObject({ type: 'response.completed' })
  })

  test('the server dies in the middle of a call', async () => {
    const {
      model,
      responses,
      tool: entry,
      server,
    } = world({
      ...lookup,
      call: () => {
        setImmediate(() => void server.stop())
        return new Promise(() => {})
      },
    })
    model(calls(['s__lookup']), answer('It is gone.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output[1]).toMatchObject({ status: 'failed', error: { type: 'mcp_protocol_error' } })
    expect(whole.output[2]).toMatchObject({ type: 'message' })
  })

  test('a tool that the server does not have any more', async () => {
    const script = { ...lookup, call: (name: string) => Promise.reject(new Error(`There is no tool ${name}.`)) }
    const { model, responses, tool: entry } = world(script)
    model(calls(['s__lookup']), answer('It is gone.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output[1]).toMatchObject({ status: 'failed', error: { message: 'There is no tool lookup.' } })
  })
})

describe('a list that cannot be had ends the request before the model is asked', () => {
  test.each<[string, () => Response, string]>([
    ['refused', () => new Response('No.', { status: 401 }), 'it answered with status 401: No.'],
    ['nobody there', () => new Response('', { status: 503 }), 'it answered with status 503.'],
  ])('%s', async (_name, reply, reason) => {
    const { responses, messages, tool: entry, entry: server, api } = world({ ...lookup, intercept: reply })
    const refused = await responses({ tools: [entry()] })
    expect(refused.status).toBe(424)
    expect(refused.headers.get('x-should-retry')).toBe('false')
    expect((await jsonOf(refused)).error).toMatchObject({
      code: 'mcp_list_tools_failed',
      param: 'tools.0',
      message: `The tools of the MCP server \`s\` could not be listed: ${reason}`,
    })
    const other = await messages({ mcp_servers: [server()], stream: true })
    expect(other.status).toBe(424)
    expect((await jsonOf(other)).error).toMatchObject({ type: 'invalid_request_error' })
    expect(api.to(chatRoute)).toEqual([])
  })

  test('with a slow server and a stream, as its last event', async () => {
    const { responses, tool: entry } = world(
      { ...lookup, intercept: () => new Promise<never>(() => {}) },
      { keepAliveMs: 20, mcp: { callMs: 2_000 } },
    )
    const response = await responses({ tools: [entry()], stream: true })
    expect(response.status).toBe(200)
    const text = await response.text()
    expect(text.startsWith(': ping')).toBe(true)
    expect(text).toContain('"type":"response.failed"')
    expect(text).toContain('it did not answer within 2 s (MCP_CALL_MS)')
  })
})

test('an error of the model in the second round is the error of the reply, and says what was used', async () => {
  const { model, responses, tool: entry } = world(lookup)
  model(
    calls(['s__lookup']),
    new Response(JSON.stringify({ error: { code: '1301', message: 'unsafe' } }), {
      status: 400,
      headers: { 'content-type': 'application/json' },
    }),
  )
  const events = await eventsOf(await responses({ tools: [entry()], stream: true }))
  expect(events.at(-1)).toMatchObject({ type: 'response.failed' })
})
