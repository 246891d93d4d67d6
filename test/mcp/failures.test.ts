import { afterEach, describe, expect, test } from 'bun:test'
import { createRedactor } from '../../src/core/known-secrets.ts'
import { mcpResultText } from '../../src/core/mcp.ts'
import { shortened } from '../../src/mcp/result.ts'
import { until } from '../support/gateway.ts'
import { said, tool } from '../support/mcp-server.ts'
import { answer, calls, chatRoute, eventsOf, jsonOf, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

const lookup = { tools: [tool('lookup')], call: () => said('A is a letter.') }

/** Answers `tools/call` in the place of the server. */
const inCall = (reply: (id: unknown) => Response | Promise<Response>) => ({
  ...lookup,
  intercept: (_request: Request, body: string) => {
    const { method, id } = JSON.parse(body || '{}')
    return method === 'tools/call' ? reply(id) : undefined
  },
})

const eventStream = { 'content-type': 'text/event-stream' }

function stream(start: (controller: ReadableStreamDefaultController<Uint8Array>) => void, cancel = () => {}): Response {
  return new Response(new ReadableStream({ start, cancel }), { headers: eventStream })
}

const bytes = (text: string) => new TextEncoder().encode(text)

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

describe('limits', () => {
  test('a server that does not answer is given up, and the call is cancelled there', async () => {
    let isCancelled = false
    const call = (_name: string, _args: object, signal: AbortSignal) =>
      new Promise<never>(() => signal.addEventListener('abort', () => (isCancelled = true)))
    const { model, responses, tool: entry } = world({ ...lookup, call }, { mcp: { callMs: 200 } })
    model(calls(['s__lookup']), answer('It is slow.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output[1]).toMatchObject({
      error: { code: -32001, message: 'it did not answer within 0.2 s (MCP_CALL_MS).' },
    })
    await until(() => isCancelled, 'the server hears of it')
  })

  test('a server that streams for ever is given up', async () => {
    let isClosed = false
    const endless = () => {
      let timer: ReturnType<typeof setInterval>
      return stream(
        (controller) => {
          timer = setInterval(() => controller.enqueue(bytes(': still here\n\n')), 5)
        },
        () => {
          clearInterval(timer)
          isClosed = true
        },
      )
    }
    const { model, responses, tool: entry } = world(inCall(endless), { mcp: { callMs: 300 } })
    model(calls(['s__lookup']), answer('It is slow.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output[1]).toMatchObject({ error: { code: -32001 } })
    await until(() => isClosed, 'the connection is closed')
  })

  test('one that sends without end is given up before its time', async () => {
    const block = bytes(`: ${'x'.repeat(1024 * 1024)}\n`)
    const flood = () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(block) }), { headers: eventStream })
    const { model, responses, tool: entry } = world(inCall(flood))
    model(calls(['s__lookup']), answer('It is loud.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output[1]).toMatchObject({ status: 'failed' })
  })

  test('the time of all calls together ends them, and the model is told', async () => {
    const call = () => new Promise<never>(() => {})
    const { model, responses, tool: entry, asked } = world({ ...lookup, call }, { mcp: { totalMs: 250 } })
    model(calls(['s__lookup']), calls(['s__lookup']), answer('It is slow.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output.slice(1)).toMatchObject([
      { error: { message: expect.stringContaining('(MCP_TOTAL_MS)') } },
      {
        error: {
          message:
            'This call was not made: the limit of 0.25 s for all calls of a reply (MCP_TOTAL_MS) is reached. Answer with what is known.',
        },
      },
      { type: 'message' },
    ])
    expect(asked(2).tools).toBeUndefined()
  })

  test('a model that calls for ever is told that it may not, and the reply ends', async () => {
    const { model, responses, tool: entry, asked, api, server, lines } = world(lookup, { mcp: { rounds: 3 } })
    model(...Array.from({ length: 9 }, (_, n) => calls(['s__lookup', { q: String(n) }])))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.status).toBe('completed')
    expect(whole.output.map(({ type, status }) => `${type} ${status ?? ''}`)).toEqual([
      ...['mcp_list_tools ', 'mcp_call completed', 'mcp_call completed', 'mcp_call completed', 'mcp_call failed'],
    ])
    expect(whole.output.at(-1)?.error).toMatchObject({
      message: 'This call was not made: the limit of 3 rounds (MCP_MAX_ROUNDS) is reached. Answer with what is known.',
    })
    expect(api.to(chatRoute)).toHaveLength(5)
    expect(asked(4).tools).toBeUndefined()
    expect(server.seen.filter((seen) => seen.startsWith('tools/call'))).toHaveLength(3)
    expect(lines.join('\n')).toContain('MCP calls refused: the limit of 3 rounds (MCP_MAX_ROUNDS) is reached')
  })

  test('max_tool_calls refuses the calls beyond it', async () => {
    const { model, responses, tool: entry, server } = world(lookup)
    model(calls(['s__lookup', {}, 'a'], ['s__lookup', {}, 'b'], ['s__lookup', {}, 'c']), answer('Enough.'))
    const whole = await jsonOf(await responses({ tools: [entry()], max_tool_calls: 2 }))
    expect(whole.output.slice(1).map(({ status }) => status)).toEqual(['completed', 'completed', 'failed', 'completed'])
    expect(server.seen.filter((seen) => seen.startsWith('tools/call'))).toHaveLength(2)
  })

  test('a long result is cut, and says so', async () => {
    const {
      model,
      responses,
      tool: entry,
    } = world({ ...lookup, call: () => said('é'.repeat(5_000)) }, { mcp: { resultLength: 1_000 } })
    model(calls(['s__lookup']), answer('Long.'))
    const whole = await jsonOf(await responses({ tools: [entry()] }))
    expect(whole.output[1]?.output).toBe(
      `${'é'.repeat(1_000)}\n[Cut here: 5000 characters, of which MCP_MAX_RESULT passes on 1000.]`,
    )
  })
})

test('a result of megabytes does not keep the gateway busy, and a secret at the cut is removed', () => {
  const secret = 'stand-in-of-a-token-4711'
  const redact = createRedactor([secret])
  const cut = (text: string) => mcpResultText(shortened({ output: text }, 1_000, redact)).split('\n')[0]
  expect(cut(`${'é'.repeat(990)}${secret}`)).toBe(`${'é'.repeat(990)}[redacted]`)
  expect(cut('%2541'.repeat(1_500_000))).toBe('%2541'.repeat(200))
  expect(cut(secret.repeat(50_000))).not.toContain('stand')
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
      { keepAliveMs: 20, mcp: { callMs: 200 } },
    )
    const response = await responses({ tools: [entry()], stream: true })
    expect(response.status).toBe(200)
    const text = await response.text()
    expect(text.startsWith(': ping')).toBe(true)
    expect(text).toContain('"type":"response.failed"')
    expect(text).toContain('it did not answer within 0.2 s (MCP_CALL_MS)')
  })
})

test('a server that sends thousands of pings is answered a few at a time', async () => {
  const pings = Array.from({ length: 2_000 }, (_, id) => `data: {"jsonrpc":"2.0","id":${id},"method":"ping"}\n\n`)
  const answered = Promise.withResolvers<void>()
  const underWay = Promise.withResolvers<Response>()
  let answers = 0
  const script = inCall((id) =>
    stream(async (controller) => {
      controller.enqueue(bytes(pings.join('')))
      await answered.promise
      const message = { jsonrpc: '2.0', id, result: said('A is a letter.') }
      controller.enqueue(bytes(`data: ${JSON.stringify(message)}\n\n`))
      controller.close()
    }),
  )
  const counting: typeof globalThis.fetch = Object.assign(
    (...[input, init]: Parameters<typeof fetch>) => {
      const { method = '' } = JSON.parse(String(init?.body ?? '{"method":"none"}'))
      if (method !== '') return fetch(input, init)
      answers++
      answered.resolve()
      return underWay.promise
    },
    { preconnect: fetch.preconnect },
  )
  const { model, responses, tool: entry } = world(script, { mcp: { fetch: counting } })
  model(calls(['s__lookup']), answer('Hello.'))
  const { output } = await jsonOf(await responses({ tools: [entry()] }))
  expect(output[1]).toMatchObject({ type: 'mcp_call', output: 'A is a letter.' })
  expect(answers).toBe(8)
  underWay.resolve(new Response(null, { status: 202 }))
})

test('keep-alives go on while a call runs', async () => {
  let finish = () => {}
  const call = () => new Promise<ReturnType<typeof said>>((resolve) => (finish = () => resolve(said('At last.'))))
  const { model, responses, tool: entry } = world({ ...lookup, call }, { keepAliveMs: 15 })
  model(calls(['s__lookup']), answer('Done.'))
  const response = await responses({ tools: [entry()], stream: true })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!/mcp_call\.in_progress[\s\S]*: ping[\s\S]*: ping/.test(text)) text += (await reader?.read())?.value ?? ''
  finish()
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) text += read.value
  expect(text).toContain('response.mcp_call.completed')
  expect(text).toContain('response.completed')
})

test('a client that leaves ends the call at the server, and its session', async () => {
  let isCancelled = false
  const call = (_name: string, _args: object, signal: AbortSignal) =>
    new Promise<never>(() => signal.addEventListener('abort', () => (isCancelled = true)))
  const { model, responses, tool: entry, server } = world({ ...lookup, call })
  model(calls(['s__lookup']))
  const left = new AbortController()
  const response = await responses({ tools: [entry()], stream: true }, { signal: left.signal })
  void response.text().catch(() => {})
  await until(() => server.seen.includes('tools/call lookup'), 'the call runs')
  left.abort()
  await until(() => isCancelled && server.open() === 0, 'the server hears of it')
})

test('a session lasts for one reply', async () => {
  const { model, responses, tool: entry, server } = world(lookup)
  model(calls(['s__lookup']), answer('Done.'), answer('Hello.'))
  await responses({ tools: [entry()] })
  await until(() => server.open() === 0, 'the first session ends')
  await responses({ tools: [entry()] })
  await until(() => server.open() === 0, 'the second session ends')
  expect(server.seen.filter((seen) => seen === 'initialize')).toHaveLength(2)
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
