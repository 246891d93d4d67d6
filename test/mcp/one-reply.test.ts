import { afterEach, expect, test } from 'bun:test'
import { until } from '../support/gateway.ts'
import { said } from '../support/mcp-server.ts'
import { answer, bytes, calls, inCall, jsonOf, lookup, stopWorlds, stream, world } from './support.ts'

afterEach(stopWorlds)

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
