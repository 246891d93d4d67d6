import { afterEach, describe, expect, test } from 'bun:test'
import { readBatch } from '../../../src/core/batch-stream.ts'
import type { Delta } from '../../../src/core/events.ts'
import type { ChatRequest } from '../../../src/core/request.ts'
import type { UpstreamCall } from '../../../src/core/upstream.ts'
import { type ZaiApiOptions, zaiApi } from '../../../src/upstreams/zai-api/index.ts'
import { unpaidBill } from '../../support/bills.ts'
import { eventStream, fieldOf, json } from '../../support/chat-zai.ts'
import { manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'
import { fromTheStart } from '../../support/replies.ts'
import {
  answer,
  baseUrl,
  chatRoute,
  chunks,
  chunkText,
  refusal,
  type ScriptedApi,
  scriptedApi,
} from '../../support/zai-api.ts'
import { modelNamed, request, weather } from './support.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function setUp(keys: string[] = ['key-1'], options: Partial<ZaiApiOptions> = {}, api: ScriptedApi = scriptedApi(keys)) {
  const clock = manualClock()
  const notes: string[] = []
  const logged: string[] = []
  let serial = 0
  const upstream = (more: Partial<ZaiApiOptions> = {}, fetch = api.fetch) =>
    zaiApi(
      {
        keys,
        baseUrl,
        idleMs: 120_000,
        headersTimeoutMs: 30_000,
        modelsTtlMs: 600_000,
        scanLimit: 200_000,
        tools: true,
        ...options,
        ...more,
      },
      {
        ...lending(clock),
        fetch,
        clock,
        newUuid: () => `request-${++serial}`,
        log: (_level, message) => void logged.push(message),
      },
    )
  const call = (
    more: Partial<ChatRequest> = {},
    callMore: Partial<UpstreamCall> = {},
    model = 'glm-4.7',
  ): UpstreamCall => ({
    request: { ...request, ...more },
    model: modelNamed(model),
    signal: new AbortController().signal,
    caller: 'key',
    whole: false,
    bill: unpaidBill(more.sampling?.maxTokens),
    annotate: (note) => void notes.push(note),
    ...callMore,
  })
  return { api, clock, notes, logged, upstream, call }
}

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

type Opening = ReturnType<ReturnType<typeof zaiApi>['open']>

async function all(opening: Opening): Promise<Delta[]> {
  const source = fromTheStart(await opening)
  const deltas: Delta[] = []
  for (let batch = await readBatch(source); batch; batch = await readBatch(source)) deltas.push(...batch)
  return deltas
}

/** Lets all pending promises and callbacks run. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** The same, second after second, until `work` is done. */
async function driven<T>(work: Promise<T>, clock: ReturnType<typeof manualClock>): Promise<T> {
  let over = false
  const done = work.finally(() => {
    over = true
  })
  while (!over) {
    await settled()
    clock.advance(1_000)
  }
  return done
}

/** A body that takes a while, and reports its end. */
function slowly(text: string, over: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await settled()
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
      over()
    },
  })
}

const textOf = (deltas: Delta[]) => deltas.flatMap((delta) => (delta.type === 'text' ? [delta.text] : [])).join('')
const outcome = (opening: Opening) => all(opening).then(textOf, (error) => error.code as string)

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

describe('keys', () => {
  test('take turns', async () => {
    const { api, upstream, call } = setUp(['key-1', 'key-2'])
    const zai = upstream()
    for (let turn = 0; turn < 3; turn++) await all(zai.open(call()))
    expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['key-1', 'key-2', 'key-1'])
  })

  test.each([
    ['is not accepted', () => refusal(401, '1002', 'Invalid token'), 'upstream_auth_failed'],
    ['has no balance', () => refusal(429, '1113', 'Insufficient balance'), 'insufficient_quota'],
    ['has used up its plan', () => refusal(429, '1308', 'reset at 2026-03-20 18:00:00'), 'usage_limit_reached'],
    ['is busy', () => refusal(429, '1302', 'Rate limit reached'), 'rate_limit_exceeded'],
  ])('the next one is used when the first %s', async (_name, reply, code) => {
    const { api, upstream, call, notes } = setUp(['key-1', 'key-2'])
    api.refuse('key-1', reply)
    expect(await outcome(upstream().open(call()))).toBe('Hello there.')
    expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['key-1', 'key-2'])
    expect(notes).toEqual([`key 1: ${code}`])
  })

  test('each is tried once, then suspended', async () => {
    const { api, clock, upstream, call } = setUp(['a', 'b', 'c', 'd'])
    for (const key of ['a', 'b', 'c', 'd']) api.refuse(key, () => refusal(401, '1002', 'Invalid token'))
    const zai = upstream()
    expect(await outcome(zai.open(call()))).toBe('upstream_auth_failed')
    expect(await outcome(zai.open(call()))).toBe('upstream_auth_failed')
    expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd'])
    await expect(zai.check(new AbortController().signal)).rejects.toMatchObject({ kind: 'upstream-auth' })
    clock.advance(60_000)
    await outcome(zai.open(call()))
    expect(api.to(chatRoute)).toHaveLength(8)
  })

  test('twenty callers share one that allows two at a time, and finally none is refused', async () => {
    const room = { taken: 0, most: 0, refused: 0 }
    const { api, clock, upstream, call } = setUp(
      ['key-1'],
      {},
      scriptedApi(['key-1'], () => {
        if (room.taken === 2) {
          room.refused++
          return refusal(429, '1302', 'Rate limit reached')
        }
        room.most = Math.max(room.most, ++room.taken)
        return eventStream(
          slowly(`data: ${chunkText({ delta: { content: 'Hi' }, finish_reason: 'stop' })}\n\n`, () => room.taken--),
        )
      }),
    )
    const zai = upstream()
    const texts = Array.from({ length: 20 }, () => outcome(zai.open(call())))
    expect(await driven(Promise.all(texts), clock)).toEqual(Array(20).fill('Hi'))
    expect(room.most).toBe(2)
    expect(api.to(chatRoute)).toHaveLength(20 + room.refused)
    // Eight calls were sent before the limit was known.
    expect(room.refused).toBe(6)
    expect(zai.gauges?.()).toMatchObject({ queued: 0, in_flight: 0, limit: 2, credentials_ready: 1 })
  })

  test.each([
    ['the only key is busy', '1302'],
    ['it is asked too often', '1303'],
    ['the model is overloaded', '1305'],
  ])('when %s the call waits and is retried', async (_name, code) => {
    const { api, clock, upstream, call, notes } = setUp()
    api.script(chatRoute, refusal(429, code, 'Later'), refusal(429, code, 'Later'))
    const opening = outcome(upstream().open(call()))
    await settled()
    expect(api.to(chatRoute)).toHaveLength(1)
    clock.advance(10_000)
    await settled()
    expect(api.to(chatRoute)).toHaveLength(2)
    clock.advance(19_999)
    await settled()
    expect(api.to(chatRoute)).toHaveLength(2)
    clock.advance(1)
    expect(await opening).toBe('Hello there.')
    expect(notes.filter((note) => note.startsWith('waited'))).toEqual([
      'waited 10 s for key 1',
      'waited 20 s for key 1',
    ])
  })

  test('another key does not help against an overloaded model, and another model is not overloaded', async () => {
    const { api, upstream, call } = setUp(['key-1', 'key-2'])
    api.script(chatRoute, refusal(429, '1305', 'overloaded'))
    const zai = upstream()
    const leaving = new AbortController()
    const waiting = outcome(zai.open(call({}, { signal: leaving.signal })))
    await settled()
    expect(await outcome(zai.open(call({}, {}, 'glm-4.6')))).toBe('Hello there.')
    expect(api.to(chatRoute)).toHaveLength(2)
    leaving.abort()
    expect(await waiting).toBe('cancelled')
    expect(zai.gauges?.()).toMatchObject({ queued: 0, in_flight: 0 })
  })

  test('a key that is refused for one model serves the others', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, refusal(429, '1113', 'Insufficient balance'))
    const zai = upstream()
    expect(await outcome(zai.open(call()))).toBe('insufficient_quota')
    expect(await outcome(zai.open(call({}, {}, 'glm-4.5-flash')))).toBe('Hello there.')
    expect(await outcome(zai.open(call()))).toBe('insufficient_quota')
    expect(api.to(chatRoute)).toHaveLength(2)
  })

  test('a used-up plan is reported at once with its reset time, and not used before that', async () => {
    const { api, clock, upstream, call } = setUp()
    const resetsAt = new Date(clock.now() + 3_600_000 + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ')
    api.script(chatRoute, refusal(429, '1308', `Usage limit reached. It resets at ${resetsAt}`))
    const zai = upstream()
    const told = async () =>
      zai.open(call()).then(
        () => 'answered',
        ({ kind, retryAfterMs }) => [kind, retryAfterMs],
      )
    expect(await told()).toEqual(['quota-exhausted', 3_600_000])
    clock.advance(1_800_000)
    expect(await told()).toEqual(['quota-exhausted', 1_800_000])
    expect(api.to(chatRoute)).toHaveLength(1)
    clock.advance(1_800_000)
    expect(await told()).toBe('answered')
  })

  test('without any, the message says where to set one', async () => {
    const { api, upstream, call } = setUp([])
    await expect(upstream().open(call())).rejects.toMatchObject({
      kind: 'upstream-auth',
      message: expect.stringContaining('ZAI_API_KEY'),
    })
    expect(api.seen).toEqual([])
  })
})

describe('a temporary failure is retried once', () => {
  test.each<[string, () => Response, string, string?]>([
    ['a network error', () => refusal(500, '1234', 'Network error'), 'upstream_error'],
    ['a bad gateway', () => new Response('<html>502</html>', { status: 502 }), 'upstream_error'],
    [
      'an error as the first frame',
      () => eventStream('data: {"error":{"code":"1234","message":"x"}}\n\n'),
      'upstream_error',
    ],
    ['a model lost before the first word', () => chunks({ finish_reason: 'network_error' }), 'upstream_unavailable'],
    ['an empty answer', () => chunks({ finish_reason: 'stop' }), 'upstream_empty_response'],
    ['a stream that ends at once', () => eventStream(''), 'upstream_truncated', ', which may have been carried out'],
    ['an answer that is no stream', () => json({ hello: 'world' }), 'upstream_malformed'],
  ])('%s', async (_name, reply, code, more = '') => {
    const { api, upstream, call, notes } = setUp()
    api.script(chatRoute, reply)
    expect(await outcome(upstream().open(call()))).toBe('Hello there.')
    expect(notes).toEqual([`retry (again) after ${code}${more}`])
    // The API accepts each request id once.
    expect(new Set(api.to(chatRoute).map(({ body }) => fieldOf(body, 'request_id'))).size).toBe(2)

    api.script(chatRoute, reply, reply)
    expect(await outcome(upstream().open(call()))).toBe(code)
    expect(api.to(chatRoute)).toHaveLength(4)
  })

  test('a connection that fails', async () => {
    const { api, upstream, call } = setUp()
    let failures = 0
    const fetch: typeof api.fetch = (url, init) =>
      failures++ === 0
        ? Promise.reject(Object.assign(new Error('no'), { code: 'ConnectionRefused' }))
        : api.fetch(url, init)
    expect(await outcome(upstream({}, fetch).open(call()))).toBe('Hello there.')
  })

  test.each([
    ['a bad request', () => refusal(400, '1210', 'Invalid API parameter'), 'invalid_request'],
    ['an unknown model', () => refusal(400, '1211', 'Unknown Model'), 'model_not_found'],
    ['a prompt that is too long', () => refusal(400, '1261', 'Prompt exceeds max length'), 'context_length_exceeded'],
    ['a wrong address', () => json({ code: 500, msg: '404 NOT_FOUND', success: false }), 'upstream_wrong_address'],
  ])('but not %s', async (_name, reply, code) => {
    const { api, upstream, call } = setUp(['key-1', 'key-2'])
    api.script(chatRoute, reply)
    expect(await outcome(upstream().open(call()))).toBe(code)
    expect(api.to(chatRoute)).toHaveLength(1)
  })

  test('but not a failure after the first word', async () => {
    const { api, upstream, call } = setUp()
    const broken = `data: ${chunkText({ delta: { content: 'Par' } })}\n\ndata: {"error":{"code":"1234","message":"x"}}\n\n`
    api.script(chatRoute, eventStream(broken))
    expect(await all(upstream().open(call()))).toMatchObject([
      { text: 'Par' },
      { type: 'error', error: { code: 'upstream_error' } },
    ])
    expect(api.to(chatRoute)).toHaveLength(1)
  })
})

describe('tools', () => {
  const callChunks = () =>
    chunks(
      {
        delta: {
          tool_calls: [
            { id: 'c1', index: 0, type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
          ],
        },
      },
      { finish_reason: 'tool_calls', usage: { prompt_tokens: 1, completion_tokens: 1 } },
    )
  const demanded: Partial<ChatRequest> = { tools: [weather], toolChoice: 'required' }

  test('a missing required call is requested once more', async () => {
    const { api, upstream, call, notes } = setUp()
    api.script(chatRoute, answer('No.'), callChunks())
    const deltas = await all(upstream().open(call(demanded, { whole: true })))
    expect(deltas.map(({ type }) => type)).toEqual(['tool-call', 'usage', 'finish'])
    expect(notes).toEqual(['retry (force-tool-call) after a reply without a call'])
    expect(JSON.stringify(api.to(chatRoute)[1]?.body)).toContain('Make the call now')
  })

  test('the second reply is the answer, with a call or without', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, answer('No.'), answer('Never.'))
    expect(await outcome(upstream().open(call(demanded, { whole: true })))).toBe('Never.')
  })

  test('after tool results a call is not requested again: the model may end', async () => {
    const { api, upstream, call, notes } = setUp()
    const messages: ChatRequest['messages'] = [
      { role: 'user', parts: [{ type: 'text', text: 'Weather?' }] },
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'c1', name: 'get_weather', arguments: '{}' }] },
      { role: 'tool', callId: 'c1', parts: [{ type: 'text', text: 'Sunny.' }], isError: false },
    ]
    api.script(chatRoute, answer('It is sunny.'))
    expect(await outcome(upstream().open(call({ ...demanded, messages }, { whole: true })))).toBe('It is sunny.')
    expect(notes).toEqual([])
  })

  test('a reply that is being shown is not retried', async () => {
    const { api, upstream, call } = setUp()
    expect(await outcome(upstream().open(call(demanded)))).toBe('Hello there.')
    expect(api.to(chatRoute)).toHaveLength(1)
  })

  test('a call written into the text becomes a call', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, answer('<tool_call>{"name":"get_weather",', '"arguments":{"city":"Rome"}}</tool_call>'))
    const [first] = await all(upstream().open(call({ tools: [weather] })))
    expect(first).toMatchObject({ type: 'tool-call', name: 'get_weather', arguments: '{"city":"Rome"}' })
  })

  test('a call is text where calls are forbidden', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, answer('<tool_call>{"name":"get_weather","arguments":{}}</tool_call>'))
    expect(await outcome(upstream().open(call({ tools: [weather], toolChoice: 'none' })))).toStartWith('<tool_call>')
  })

  test('switched off, they are neither sent nor searched for', async () => {
    const { api, upstream, call } = setUp(['key-1'], { tools: false })
    await all(upstream().open(call({ tools: [weather] })))
    expect(api.to(chatRoute)[0]?.body).not.toHaveProperty('tools')
    expect(upstream().ignored({ ...request, tools: [weather], toolChoice: 'required' }, modelNamed('glm-4.7'))).toEqual(
      ['tools', 'tool_choice'],
    )
  })
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
