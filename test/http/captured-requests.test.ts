import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { createSecretFinder } from '../../src/core/known-secrets.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import { type BodyName, type Captured, createCapture } from '../../src/observe/capture.ts'
import type { CaptureMode } from '../../src/observe/capture-mode.ts'
import type { RequestCapture } from '../../src/observe/capture-recorder.ts'
import { secretFinder } from '../../src/observe/redaction.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { finish, say, usage } from '../dialects/stream.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { chatZai, completionRoute, json } from '../support/chat-zai.ts'
import { startGateway, until } from '../support/gateway.ts'
import { replyingWith } from '../support/replies.ts'
import { webUpstream } from '../support/web-gateway.ts'
import { answer, chatRoute, refusal, scriptedApi } from '../support/zai-api.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean()
})

const key = 'the-planted-key-of-the-api-0123456789'

function apiServer() {
  const api = scriptedApi([key])
  const { baseUrl, stop } = api.listen()
  cleanups.push(stop)
  const upstream = apiUpstream({
    ...{ origin: new URL(baseUrl).origin, key, idleMs: 5_000 },
    fetch: losslessFetch(fetch, async () => [{ address: '127.0.0.1' }]),
  })
  return { api, upstream }
}

function gatewayWith(upstream: Upstream, mode: CaptureMode = 'memory') {
  const capture = createCapture({
    clock: systemClock,
    configured: () => ({ mode, maxBytes: 1_000_000, maxDiskBytes: 1_000_000 }),
    findSecrets: secretFinder(createSecretFinder([key])),
  })
  const gateway = startGateway([upstream], { capture })
  cleanups.push(() => gateway.stop())
  const ask = async (body: object) => {
    const response = await fetch(`${gateway.url}/v1/chat/completions?from=test`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer whatever-the-client-sends' },
      body: JSON.stringify({ model: 'glm-4.6', messages: [{ role: 'user', content: 'Hello' }], ...body }),
    })
    const text = await response.text()
    return { status: response.status, text, read: await capture.read(response.headers.get('x-request-id') ?? '') }
  }
  return { capture, ask }
}

function bodyIn(read: Captured | string, name: BodyName, attempt?: number) {
  if (typeof read === 'string') throw new Error(read)
  const found = read.bodies.find((one) => one.name === name && one.attempt === attempt)
  if (!found) throw new Error(`no ${name}`)
  return { ...found, text: found.chunks.map(({ text }) => text).join('') }
}

describe.each([true, false])('streamed: %p', (stream) => {
  test('the four messages of a request to the official API', async () => {
    const { api, upstream } = apiServer()
    const { ask } = gatewayWith(upstream)
    const { text, read } = await ask({ stream })
    const asked = bodyIn(read, 'client-request')
    expect(asked).toMatchObject({
      method: 'POST',
      url: expect.stringContaining('/v1/chat/completions?from=test'),
      text: JSON.stringify({ model: 'glm-4.6', messages: [{ role: 'user', content: 'Hello' }], stream }),
    })
    expect(asked.headers).toContainEqual(['authorization', 'Bearer [redacted]'])
    const sent = bodyIn(read, 'upstream-request', 1)
    expect(sent).toMatchObject({ method: 'POST', url: expect.stringContaining('/api/paas/v4/chat/completions') })
    expect(JSON.parse(sent.text)).toEqual(api.to(chatRoute)[0]?.body)
    expect(sent.headers).toContainEqual(['authorization', 'Bearer [redacted]'])
    const reply = bodyIn(read, 'upstream-reply', 1)
    expect(reply).toMatchObject({ status: 200, text: await answer('Hello', ' there.').text() })
    expect(reply.headers.map(([name]) => name.toLowerCase())).toContain('content-type')
    const got = bodyIn(read, 'client-reply')
    expect(got).toMatchObject({ status: 200, text })
    expect(JSON.stringify(read)).not.toContain(key)
    const times = [...reply.chunks, ...got.chunks].map(({ at_ms }) => at_ms)
    expect(times.every((at) => at > 0 && at < 60_000)).toBe(true)
  })

  test('a refusal is an attempt of its own', async () => {
    const { api, upstream } = apiServer()
    api.script(chatRoute, refusal(500, '1234', `The key ${key} met a fault.`))
    const { ask } = gatewayWith(upstream)
    const { status, read } = await ask({ stream })
    expect(status).toBe(200)
    expect(bodyIn(read, 'upstream-reply', 1)).toMatchObject({ status: 500 })
    expect(bodyIn(read, 'upstream-reply', 1).text).toContain('The key [redacted] met a fault.')
    expect(bodyIn(read, 'upstream-reply', 2)).toMatchObject({ status: 200 })
  })

  test('a failure is kept as the client got it', async () => {
    const { api, upstream } = apiServer()
    api.refuse(key, () => refusal(400, '1261', 'The prompt is too long.'))
    const { ask } = gatewayWith(upstream)
    const { status, text, read } = await ask({ stream })
    expect(status).toBe(400)
    expect(bodyIn(read, 'client-reply')).toMatchObject({ status: 400, text })
  })

  test('the site: its completion, and what refused one', async () => {
    const site = chatZai()
    const { url, stop } = site.listen()
    cleanups.push(stop)
    const token = site.addAccount('Alice')
    const upstream = webUpstream({ url, fetch, tokens: [token], idleMs: 5_000 })
    site.script(completionRoute, json({ detail: `Broken for ${token}` }, 500))
    const { ask } = gatewayWith(upstream)
    const { status, text, read } = await ask({ stream, model: 'GLM-4.7' })
    expect(status).toBe(200)
    const sent = bodyIn(read, 'upstream-request', 2)
    expect(sent.url).toContain('/api/v2/chat/completions?')
    expect(sent.url).toContain('token=[redacted]')
    expect(bodyIn(read, 'upstream-reply', 1)).toMatchObject({ status: 500 })
    expect(bodyIn(read, 'upstream-reply', 2).text).toContain('data: ')
    expect(bodyIn(read, 'client-reply')).toMatchObject({ status: 200, text })
    // The token has the shape of one, so that it need not be known.
    expect(JSON.stringify(read)).not.toContain(token)
  })

  test('the demo shows its script', async () => {
    const { ask } = gatewayWith(demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }))
    const { text, read } = await ask({ stream })
    expect(JSON.parse(bodyIn(read, 'upstream-request', 1).text)).toMatchObject({ model: 'glm-4.6' })
    expect(bodyIn(read, 'upstream-reply', 1).text).toContain('"type":"text"')
    expect(bodyIn(read, 'client-reply')).toMatchObject({ text })
  })
})

test('a body that is no JSON is kept as it came', async () => {
  const { upstream } = apiServer()
  const capture = createCapture({
    clock: systemClock,
    configured: () => ({ mode: 'memory', maxBytes: 1_000_000, maxDiskBytes: 1_000_000 }),
    findSecrets: () => [],
  })
  const gateway = startGateway([upstream], { capture })
  cleanups.push(() => gateway.stop())
  const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: '{"model": nothing' })
  expect(bodyIn(await capture.read(response.headers.get('x-request-id') ?? ''), 'client-request').text).toBe(
    '{"model": nothing',
  )
})

test('without bodies the reply is the same, and nothing is kept', async () => {
  const { upstream } = apiServer()
  const { ask, capture } = gatewayWith(upstream, 'metadata')
  const { text, read } = await ask({ stream: true })
  expect(text).toContain('[DONE]')
  expect(read).toContain('CAPTURE is metadata')
  expect(capture.state().used_bytes).toBe(0)
})

test('a caller without a valid key leaves nothing', async () => {
  const { upstream } = apiServer()
  const capture = createCapture({
    clock: systemClock,
    configured: () => ({ mode: 'memory', maxBytes: 1_000_000, maxDiskBytes: 1_000_000 }),
    findSecrets: () => [],
  })
  const gateway = startGateway([upstream], { capture, access: { openaiKey: 'the-key-of-this-gateway' } })
  cleanups.push(() => gateway.stop())
  const paths = ['/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/completions', '/v1/unknown']
  const keys: Record<string, string>[] = [{}, { authorization: 'Bearer wrong' }]
  for (const path of paths)
    for (const headers of keys) {
      const response = await fetch(gateway.url + path, { method: 'POST', headers, body: '{"model": "glm-4.6"}' })
      expect(response.status).toBe(401)
    }
  expect(capture.state().used_bytes).toBe(0)
})

test('a request that is over is remembered without its messages', async () => {
  const capture = createCapture({
    clock: systemClock,
    configured: () => ({ mode: 'memory', maxBytes: 20_000, maxDiskBytes: 0 }),
    findSecrets: () => [],
  })
  // What writes to the kept messages holds them.
  const writers: WeakRef<RequestCapture['exchange']>[] = []
  const watched = {
    ...capture,
    begin(...given: Parameters<typeof capture.begin>) {
      const begun = capture.begin(...given)
      if (begun) writers.push(new WeakRef(begun.exchange))
      return begun
    },
  }
  const gateway = startGateway([replyingWith(() => [say('Hello!'), usage, finish()])], { capture: watched })
  cleanups.push(() => gateway.stop())
  for (let index = 0; index < 20; index++) {
    const content = `${index} `.repeat(2_000)
    const body = { model: 'GLM-4.5', stream: index % 2 === 0, messages: [{ role: 'user', content }] }
    const init = { method: 'POST', body: JSON.stringify(body) }
    await (await fetch(`${gateway.url}/v1/chat/completions`, init)).text()
  }
  expect(writers.length).toBe(20)
  // The collector may take a few of what it finds on the stack for references.
  const left = () => writers.filter((writer) => writer.deref() !== undefined).length
  await until(() => {
    Bun.gc(true)
    return left() < 10
  }, 'the messages are collected')
})
