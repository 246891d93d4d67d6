import { afterEach, describe, expect, test } from 'bun:test'
import type { Socket } from 'node:net'
import { readJson } from '../../src/http/body.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'
import { misbehaving } from '../support/misbehaving.ts'
import { chat, dial, gatewayOf, measured, post, rawPost, says, stopGateways, untilIdle } from './sockets.ts'

afterEach(stopGateways)

/** Without a limit of its own. */
const endless = { model: 'GLM-4.5', messages: [{ role: 'user', content: 'Go' }] }

describe('a client that dawdles', () => {
  test('with its body is told so, and its connection ends', async () => {
    const gateway = gatewayOf({ bodyTimeoutMs: 100 })
    for (const header of ['Content-Length: 100', 'Content-Length: 900000', 'Transfer-Encoding: chunked']) {
      const { said, closed } = await rawPost(gateway, header, header.startsWith('T') ? '1\r\n{\r\n' : '{')
      await closed
      expect(said()).toStartWith('HTTP/1.1 408 ')
      expect(said()).toContain('request_body_timeout')
    }
  })

  test('piece by piece has no longer than its bytes are worth', async () => {
    const clock = manualClock()
    const pieces = new TransformStream<Uint8Array, Uint8Array>()
    const writer = pieces.writable.getWriter()
    const request = new Request('http://localhost/', { method: 'POST', body: pieces.readable })
    const reading = readJson(request, { maxBytes: 1_000, timeoutMs: 1_000, clock })
    reading.catch(() => {})
    let outcome = 'waiting'
    reading.then(
      () => (outcome = 'read'),
      (error) => (outcome = error.code),
    )
    for (let at = 0; at < 3; at++) {
      await writer.write(new TextEncoder().encode('[')).catch(() => {})
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(400)
    }
    await new Promise((resolve) => setImmediate(resolve))
    expect(outcome).toBe('request_body_timeout')
    expect(clock.pending()).toBe(0)
  })

  test('with headers beyond 16 KiB gets 431', async () => {
    const { socket, said, closed } = await dial(gatewayOf())
    socket.write(`GET / HTTP/1.1\r\nHost: localhost:8080\r\nX-Long: ${'a'.repeat(17_000)}\r\n\r\n`)
    await closed
    expect(said()).toStartWith('HTTP/1.1 431 ')
  })

  test('with reading costs a bounded amount of memory, then its connection and the upstream', async () => {
    const flood = misbehaving('flood')
    const gateway = gatewayOf({ stallMs: 500, keepAliveMs: 50, loopLimit: 0 }, flood.upstream)
    // What the first request of a process loads is not what is measured.
    await (await post(gatewayOf(), chat, says('Hi'))).text()
    const before = process.memoryUsage.rss()
    const { socket, closed } = await rawPost(gateway, '', JSON.stringify({ ...endless, stream: true }))
    socket.pause()
    await until(() => flood.state.cancelled, 'the upstream to be released', 10_000)
    expect(flood.state.sentBytes).toBeLessThan(30_000_000)
    expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000)
    expect(gateway.lines.join('\n')).toContain('"error":"client_stalled"')
    // What the kernel holds can still be read; then comes the end, and no polite one.
    socket.resume()
    await closed
    expect((await post(gateway, chat, says('Hi'), { method: 'GET', body: null })).status).toBe(404)
  }, 30_000)

  test.each<[string, object, string]>([
    ['a stream', { ...says('Hi'), stream: true }, chat],
    ['a whole reply', says('Hi'), chat],
    ['a refusal', { model: 1 }, chat],
    ['a failure', says('[500]'), chat],
    ['a count', says('Hi'), '/v1/messages/count_tokens'],
  ])(
    'with its next request does not keep its connection for ever: after %s',
    async (_name, body, path) => {
      const { closed, said } = await rawPost(gatewayOf({ stallMs: 1_000 }), '', JSON.stringify(body), path)
      await closed
      expect(said()).toStartWith('HTTP/1.1 ')
    },
    20_000,
  )

  test.each([
    ['its first head', ''],
    ['its next head', JSON.stringify(says('Hi'))],
  ])(
    'with %s, byte by byte, loses its connection',
    async (_name, body) => {
      const gateway = gatewayOf({ stallMs: 1_000 })
      const { socket, closed } = body === '' ? await dial(gateway) : await rawPost(gateway, '', body)
      if (body !== '') await new Promise((resolve) => socket.once('data', resolve))
      socket.write('GET / HTTP/1.1\r\nHost: localhost:8080\r\nX-Long: ')
      const dribble = setInterval(() => socket.write('a'), 100)
      await closed
      clearInterval(dribble)
    },
    20_000,
  )

  test('with reading a whole reply costs its connection', async () => {
    const { upstream } = misbehaving('huge')
    const gateway = gatewayOf({ stallMs: 1_000, loopLimit: 0 }, upstream)
    const { socket, said, closed } = await rawPost(gateway, '', JSON.stringify(endless))
    socket.pause()
    await until(() => gateway.lines.some((line) => line.startsWith('POST ')), 'the reply', 10_000)
    // Bun's clock has steps of four seconds.
    await until(() => gateway.pendingRequests() === 0, 'Bun to give up', 20_000)
    socket.resume()
    await closed
    expect(said().length).toBeLessThan(60_000_000)
  }, 30_000)
})

// Bun closes such connections itself. docs/deployment.md says so; should it answer them one day, that changes.
describe('a client that does not wait for its reply', () => {
  const request = (content: string) => {
    const body = JSON.stringify(says(content))
    return `POST ${chat} HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  }

  test.each<[string, (socket: Socket) => void]>([
    ['but sends the next request', (socket) => socket.write(request('[silence] Hi') + request('Hi'))],
    ['but sends the next request while it is silent', (socket) => socket.write(request('Hi'))],
    ['but closes its half of the connection', (socket) => socket.end()],
  ])('%s, loses its connection, and its request ends', async (name, act) => {
    const gateway = gatewayOf()
    const { socket, said, closed } = await dial(gateway)
    if (name.endsWith('request')) act(socket)
    else {
      socket.write(request('[silence] Hi'))
      while ((await measured(gateway, 'zai2api_active_requests')) === 0);
      act(socket)
    }
    await closed
    expect(said()).toBe('')
    await untilIdle(gateway)
    expect(gateway.lines.filter((line) => line.startsWith('POST ')).join('\n')).toContain('"error":"cancelled"')
  })
})
