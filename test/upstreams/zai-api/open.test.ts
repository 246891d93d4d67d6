import { afterEach, describe, expect, test } from 'bun:test'
import { readBatch } from '../../../src/core/batch-stream.ts'
import { eventStream, fieldOf } from '../../support/chat-zai.ts'
import { fromTheStart } from '../../support/replies.ts'
import { chatRoute, chunkText, type ScriptedApi } from '../../support/zai-api.ts'
import { all, outcome, setUp } from './opening.ts'

const stops: (() => void)[] = []

function stopServers() {
  for (const stop of stops.splice(0)) stop()
}
afterEach(stopServers)

test.each([
  ['a long text goes out as bytes, written between the requests of others', 3_000_000, Uint8Array],
  ['any other as text', 30_000, String],
])('%s', async (_name, length, kind) => {
  const bodies: unknown[] = []
  const { api, upstream, call } = setUp()
  const fetch: ScriptedApi['fetch'] = (url, init) => {
    if (init.method === 'POST') bodies.push(init.body)
    return api.fetch(url, init)
  }
  const text = 'Öl '.repeat(length / 3)
  const messages = [{ role: 'user' as const, parts: [{ type: 'text' as const, text }] }]
  let pauses = 0
  const yieldIfLong = () => {
    pauses++
    return undefined
  }
  await all(upstream({}, fetch).open(call({ messages }, { yieldIfLong })))
  expect(fieldOf(api.to(chatRoute)[0]?.body, 'messages')).toEqual([{ role: 'user', content: text }])
  expect(Object(bodies[0])).toBeInstanceOf(kind)
  expect(pauses).toBeGreaterThan(0)
})

test('a call is sent in the form of the API, and its reply is decoded to deltas', async () => {
  const { api, upstream, call, notes } = setUp()
  expect(await all(upstream().open(call()))).toEqual([
    { type: 'text', text: 'Hello' },
    { type: 'text', text: ' there.' },
    { type: 'usage', usage: { inputTokens: 9, outputTokens: 4 } },
    { type: 'finish', reason: 'stop' },
  ])
  const [seen] = api.to(chatRoute)
  expect(seen?.headers).toMatchObject({
    authorization: 'Bearer key-1',
    'accept-language': 'en-US,en',
    accept: 'text/event-stream',
    'content-type': 'application/json',
  })
  expect(seen?.body).toMatchObject({ model: 'glm-4.7', stream: true, request_id: 'request-1' })
  expect(notes).toEqual([])
})

test('web search uses the engine of the service', async () => {
  const { api, upstream, call } = setUp()
  await all(upstream().open(call({ search: true })))
  await all(upstream({ baseUrl: 'https://open.bigmodel.cn/api/paas/v4' }).open(call({ search: true })))
  expect(api.to(chatRoute).map(({ body }) => JSON.stringify(fieldOf(body, 'tools')))).toEqual([
    expect.stringContaining('search_pro_jina'),
    expect.stringContaining('search_std'),
  ])
})

test('what the model cannot do is noted in the log', async () => {
  const { upstream, call, notes } = setUp()
  const image = { type: 'image' as const, source: { type: 'url' as const, url: 'https://example.com/a.png' } }
  await all(
    upstream().open(call({ messages: [{ role: 'user', parts: [image] }], reasoning: { mode: 'off' } }, {}, 'glm-5.3')),
  )
  expect(notes).toEqual(['1 image(s) omitted: glm-5.3 cannot see them', 'glm-5.3 always thinks'])
})

describe('a client that leaves', () => {
  test('before the headers, closes the connection', async () => {
    const { api, upstream, call } = setUp()
    const { baseUrl: url, stop } = api.listen()
    stops.push(stop)
    const asked = Promise.withResolvers<AbortSignal>()
    api.script(chatRoute, ({ signal }) => {
      asked.resolve(signal)
      return new Promise<Response>(() => {})
    })
    const leaving = new AbortController()
    const opening = upstream({ baseUrl: url }, fetch).open(call({}, { signal: leaving.signal }))
    const connection = await asked.promise
    const gone = new Promise((resolve) => connection.addEventListener('abort', resolve))
    leaving.abort()
    await expect(opening).rejects.toMatchObject({ kind: 'cancelled' })
    await gone
    expect(api.to(chatRoute)).toHaveLength(1)
  })

  test('in the middle, closes the connection', async () => {
    const { api, upstream, call } = setUp()
    const { baseUrl: url, stop } = api.listen()
    stops.push(stop)
    const closed = Promise.withResolvers<void>()
    api.script(chatRoute, () =>
      eventStream(
        new ReadableStream<Uint8Array>({
          start: (controller) =>
            controller.enqueue(new TextEncoder().encode(`data: ${chunkText({ delta: { content: 'Hi' } })}\n\n`)),
          cancel: () => closed.resolve(),
        }),
      ),
    )
    const source = fromTheStart(await upstream({ baseUrl: url }, fetch).open(call()))
    expect(await readBatch(source)).toEqual([{ type: 'text', text: 'Hi' }])
    source.cancel()
    await closed.promise
    expect(await readBatch(source)).toBeUndefined()
  })
})

test('a whole answer over a real socket', async () => {
  const { api, upstream, call } = setUp()
  const { baseUrl: url, stop } = api.listen()
  stops.push(stop)
  expect(await outcome(upstream({ baseUrl: url }, fetch).open(call()))).toBe('Hello there.')
})

test('silence before the headers is a timeout and is not tried again', async () => {
  const { api, clock, upstream, call } = setUp()
  const asked = Promise.withResolvers<void>()
  const silent: typeof api.fetch = (_url, { signal }) => {
    asked.resolve()
    return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  }
  const opening = outcome(upstream({}, silent).open(call()))
  await asked.promise
  clock.advance(30_000)
  expect(await opening).toBe('timeout')
})
