import { afterEach, describe, expect, test } from 'bun:test'
import { type RunningGateway, until } from '../support/gateway.ts'
import { chat, forms, gatewayOf, measured, post, rawPost, says, stopGateways, untilIdle } from './sockets.ts'

afterEach(stopGateways)

describe('a gateway that is full', () => {
  test('refuses in the words of the dialect, until a place is free again', async () => {
    const gateway = gatewayOf({ limits: { maxConcurrent: 1 } })
    const client = new AbortController()
    const first = await post(gateway, chat, { ...says('[stall] Go'), stream: true }, { signal: client.signal })
    expect(first.status).toBe(200)
    for (const [path, body] of forms) {
      const refused = await post(gateway, path, body)
      expect(refused.status).toBe(path === '/v1/messages' ? 529 : 503)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
      expect(refused.headers.get('x-should-retry')).toBe('true')
      expect(JSON.stringify(await refused.json())).toContain('MAX_CONCURRENT')
    }
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    client.abort()
    // A reply that nobody holds is collected, and its place is free.
    await expect(first.text()).rejects.toThrow('aborted')
    await untilIdle(gateway)
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
  })

  const ends: [string, (gateway: RunningGateway) => Promise<unknown>][] = [
    ['a whole reply', async (gateway) => (await post(gateway, chat, says('Hi'))).text()],
    ['a stream', async (gateway) => (await post(gateway, chat, { ...says('Hi'), stream: true })).text()],
    ['a failure', (gateway) => post(gateway, chat, says('[500]'))],
    [
      'a failure in the stream',
      async (gateway) => (await post(gateway, chat, { ...says('[cut]'), stream: true })).text(),
    ],
    ['a token count', (gateway) => post(gateway, '/v1/messages/count_tokens', says('Hi'))],
    ['a model nobody has', (gateway) => post(gateway, chat, { ...says('Hi'), model: 'nobody' })],
    ['a body of another shape', (gateway) => post(gateway, chat, { model: 1 })],
    ['a body that is not JSON', (gateway) => post(gateway, chat, 0, { body: '{' })],
    ['a body that is too large', (gateway) => post(gateway, chat, 'x'.repeat(2_000_000))],
    ['a body of unknown packing', (gateway) => post(gateway, chat, {}, { headers: { 'content-encoding': 'x' } })],
    ['a body that never comes', async (gateway) => (await rawPost(gateway, 'Content-Length: 100', '{')).closed],
    [
      'a client that leaves while it sends',
      async (gateway) => {
        const { socket } = await rawPost(gateway, 'Content-Length: 100', '{')
        while ((await measured(gateway, 'zai2api_active_requests')) === 0);
        socket.destroy()
      },
    ],
    [
      'a client that leaves while it waits',
      async (gateway) => {
        const client = new AbortController()
        const waiting = post(gateway, chat, says('[silence] Hi'), { signal: client.signal })
        waiting.catch(() => {})
        while ((await measured(gateway, 'zai2api_active_requests')) === 0);
        client.abort()
      },
    ],
  ]
  test.each(ends)('gets its place back after %s', async (_name, end) => {
    const gateway = gatewayOf({ bodyTimeoutMs: 300 })
    await end(gateway)
    await untilIdle(gateway)
    await until(() => gateway.lines.some((line) => line.startsWith('POST ')), 'the log line')
    expect(gateway.lines.filter((line) => line.startsWith('POST '))).toHaveLength(1)
    expect(gateway.lines.join()).not.toContain('"error":"internal"')
  })
})
