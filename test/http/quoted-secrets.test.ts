import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from '../support/gateway.ts'

// An upstream that quotes the operator's key in every error, asked for everything there is.

const secret = 'Zq8w~weird+key/with=Chars09'
const refuse = () => Promise.reject(new GatewayError('invalid-request', `Z.AI says: you sent ${secret}`))
const upstream = {
  ...demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }),
  check: refuse,
  models: refuse,
  open: refuse,
}

test('what an upstream quotes of a key reaches nobody, on any route', async () => {
  const access = { openaiKey: 'sk-client', anthropicKey: 'sk-client' }
  const app = gatewayApp([upstream], { secrets: [secret], access })
  const told: string[] = []
  for (const { method, path } of app.routes) {
    const url = `http://localhost${path.replace('/*', '/GLM-4.5').replace(':id', 'resp_1')}`
    const body = JSON.stringify({
      ...{ model: 'GLM-4.5', max_tokens: 50, stream: path.length % 2 === 1 },
      ...{ messages: [{ role: 'user', content: 'Hi' }], input: 'Hi', prompt: 'Hi' },
    })
    const headers = { 'x-api-key': 'sk-client', 'content-type': 'application/json' }
    const reply = await app.handle(new Request(url, { method, headers, ...(method === 'POST' ? { body } : {}) }))
    const text = JSON.stringify([...reply.headers]) + (await (isFeed(path) ? firstChunk(reply) : reply.text()))
    if (text.includes('Zq8w')) told.push(`${method} ${path}`)
  }
  expect(told).toEqual([])
}, 60_000)

test('whoever asks without a key learns why the gateway is not ready, and no secret', async () => {
  const app = gatewayApp([upstream], { secrets: [secret] })
  const reply = await app.handle(new Request('http://localhost/readyz'))
  expect([reply.status, await reply.json()]).toEqual([
    503,
    { status: 'not ready', code: 'invalid_request', reason: 'Z.AI says: you sent [redacted]' },
  ])
})

/** Whether the reply to a route has no end. */
function isFeed(path: string): boolean {
  return path === '/admin/api/events'
}

async function firstChunk(reply: Response): Promise<string> {
  const reader = reply.body?.getReader()
  const chunk = await reader?.read()
  await reader?.cancel()
  return new TextDecoder().decode(chunk?.value)
}
