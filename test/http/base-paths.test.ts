import { afterAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp, startGateway } from '../support/gateway.ts'

const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const locked = { access: { openaiKey: 'sk-open', anthropicKey: 'sk-anth' } }
const gateway = startGateway([upstream], locked)
afterAll(() => gateway.stop())

const body = JSON.stringify({ model: 'GLM-4.5', max_tokens: 50, messages: [{ role: 'user', content: 'Hello' }] })
const chatKey = { authorization: 'Bearer sk-open' }
const messagesKey = { 'x-api-key': 'sk-anth' }

function post(path: string, headers: Record<string, string>): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { method: 'POST', headers, body })
}

describe('a base URL that ends in a slash works:', () => {
  test.each([
    ['//v1/messages', messagesKey],
    ['//v1/messages?beta=true', messagesKey],
    ['//v1/messages/count_tokens', messagesKey],
    ['/anthropic//v1/messages', messagesKey],
    ['//v1/chat/completions', chatKey],
    ['/v1//chat/completions?api-version=1//2', chatKey],
    ['///openai/v1//chat/completions', chatKey],
    ['/api/paas/v4//chat/completions', chatKey],
  ])('POST %s', async (path, headers) => {
    const reply = await post(path, headers)
    expect([reply.status, (await reply.text()).startsWith('{"')]).toEqual([200, true])
  })

  test.each([
    ['//v1/models', '"object":"list"'],
    ['/v1//models/GLM-4.5', '"id":"GLM-4.5"'],
    ['//healthz', 'ok'],
    ['//docs/', '<html'],
  ])('GET %s', async (path, expected) => {
    const reply = await fetch(`${gateway.url}${path}`, { headers: chatKey })
    expect([reply.status, (await reply.text()).includes(expected)]).toEqual([200, true])
  })
})

describe('base URLs of other hosts work:', () => {
  test.each([
    ['/api/v1/chat/completions', { 'api-key': 'sk-open' }],
    ['/api/v1/messages', { 'api-key': 'sk-anth' }],
    ['/v1beta/openai/chat/completions', chatKey],
    ['/api/paas/v4/chat/completions', chatKey],
    ['/api/paas/v4/v1/messages', messagesKey],
    ['/api/coding/paas/v4/chat/completions', chatKey],
    ['/api/anthropic/v1/messages', messagesKey],
    ['/api/anthropic/v1/messages/count_tokens', messagesKey],
    ['/api/anthropic/v1/v1/messages', messagesKey],
  ])('POST %s', async (path, headers) => {
    const reply = await post(path, headers)
    expect([reply.status, (await reply.text()).startsWith('{"')]).toEqual([200, true])
    expect((await post(path, {})).status).toBe(401)
  })

  test.each(['/api/v1', '/v1beta/openai', '/api/paas/v4', '/api/anthropic/v1'])('GET %s/models', async (basePath) => {
    for (const headers of [chatKey, messagesKey])
      expect((await fetch(`${gateway.url}${basePath}/models`, { headers })).status).toBe(200)
  })
})

describe('doubled slashes open no door:', () => {
  test.each([
    ['POST', '//v1/messages', 401],
    ['POST', '//v1/chat/completions', 401],
    ['GET', '//v1/models', 401],
    ['GET', '//metrics', 401],
    ['GET', '//docsecret', 401],
    ['GET', '//healthz', 200],
  ])('%s %s without a key is %i', async (method, path, expected) => {
    expect((await fetch(`${gateway.url}${path}`, { method })).status).toBe(expected)
  })

  test.each([
    ['//v1/messages', chatKey],
    ['//v1/chat/completions', messagesKey],
  ])('%s wants the key of its own surface', async (path, headers) => {
    expect((await post(path, headers)).status).toBe(401)
  })

  test('without a key at all, other hosts stay outside', async () => {
    const request = new Request('http://localhost//v1/models', { headers: { host: 'rebound.example' } })
    expect((await gatewayApp([upstream]).handle(request)).status).toBe(403)
  })
})

test('the log and the refusal name the path that was looked for', async () => {
  const lines: string[] = []
  const app = gatewayApp([upstream], {}, lines)
  const reply = await app.handle(new Request('http://localhost//v1//nothing?here=//', { method: 'POST' }))
  expect([reply.status, JSON.stringify(await reply.json())]).toEqual([404, expect.stringContaining('POST /v1/nothing')])
  expect(lines.join('\n')).toContain('POST /v1/nothing')
})

test.each([
  ['/ollama/api/nowhere', { error: expect.any(String) }],
  // Clients of every API have this base path.
  ['/api/nowhere', { error: expect.objectContaining({ code: 'unknown_url' }) }],
])('GET %s, which is no path, is answered in the words of the API that it is about', async (path, expected) => {
  const response = await fetch(gateway.url + path, { headers: chatKey })
  expect([response.status, await response.json()]).toEqual([404, expected])
})
