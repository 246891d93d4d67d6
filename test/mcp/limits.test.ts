import { afterEach, describe, expect, test } from 'bun:test'
import { createRedactor } from '../../src/core/known-secrets.ts'
import { mcpResultText } from '../../src/core/mcp.ts'
import { shortened } from '../../src/mcp/result.ts'
import { until } from '../support/gateway.ts'
import { said } from '../support/mcp-server.ts'
import {
  answer,
  bytes,
  calls,
  chatRoute,
  eventStream,
  inCall,
  jsonOf,
  lookup,
  stopWorlds,
  stream,
  world,
} from './support.ts'

afterEach(stopWorlds)

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
