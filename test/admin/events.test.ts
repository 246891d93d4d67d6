import { describe, expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import { createLiveFeed } from '../../src/admin/live-feed.ts'
import { liveEvents } from '../../src/admin/schema/events.ts'
import type { RequestRow } from '../../src/admin/schema/requests.ts'
import { createLiveRequests } from '../../src/observe/live-requests.ts'
import { openRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'
import { operatedGateway } from '../support/operated-gateway.ts'

interface Heard {
  event: keyof typeof liveEvents
  data: Record<string, unknown>
}

/** Reads a stream of events message by message. */
function reader(body: ReadableStream<Uint8Array> | null) {
  const chunks = (body ?? new ReadableStream()).getReader()
  const decoder = new TextDecoder()
  let text = ''
  return {
    cancel: () => chunks.cancel(),
    /** The next event or comment; `undefined` at the end. */
    async next(): Promise<Heard | 'comment' | undefined> {
      while (!text.includes('\n\n')) {
        const { done, value } = await chunks.read()
        if (done) return undefined
        text += decoder.decode(value, { stream: true })
      }
      const [message = '', ...rest] = text.split('\n\n')
      text = rest.join('\n\n')
      if (message === ':') return 'comment'
      const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(message) ?? []
      const received = { event, data: JSON.parse(data) } as Heard
      expect([...Value.Errors(liveEvents[received.event], received.data)]).toEqual([])
      return received
    },
  }
}

test('a page hears of a request from its beginning to its end, and of what is paused', async () => {
  const { ask, chat, close } = await operatedGateway()
  const stream = await ask('GET', '/admin/api/events')
  expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const events = reader(stream.body)
  expect(await events.next()).toMatchObject({ event: 'state', data: { ready: true, running: [] } })
  await (await chat()).json()
  const states: unknown[] = []
  for (let received = await events.next(); received !== undefined; received = await events.next()) {
    if (received === 'comment' || received.event !== 'request') continue
    states.push(received.data.state)
    if (received.data.state !== 'done') continue
    expect(received.data).toMatchObject({
      ...{ asked: 'glm-4.6', upstream: 'zai-api', status: 200, dialect: 'openai-chat', route: '/v1/chat/completions' },
      ...{ key: { id: 'master', label: 'local' }, total_ms: expect.any(Number), credential: expect.any(String) },
    })
    break
  }
  expect(states[0]).toBe('reading')

  const { upstreams } = await (await ask('GET', '/admin/api/upstreams')).json()
  await ask('POST', `/admin/api/upstreams/zai-api/credentials/${upstreams[0].credentials[0].id}/pause`)
  let received = await events.next()
  while (received === 'comment' || received?.event !== 'state') received = await events.next()
  expect(received.data).toMatchObject({ upstreams: [{ text: '1 of 2 credentials can take a request.' }] })
  await events.cancel()
  await close()
})

describe('a stream ends when its page is not the operator any more', () => {
  const key = 'the-key-of-the-operator'
  async function signedIn() {
    const gateway = await operatedGateway({ AUTH_TOKEN: key })
    const ask = (method: string, path: string, headers: Record<string, string>, body?: object) =>
      gateway.app.handle(
        new Request(`http://localhost:8080${path}`, {
          ...{ method, headers: { host: 'localhost:8080', origin: 'http://localhost:8080', ...headers } },
          ...(body ? { body: JSON.stringify(body) } : {}),
        }),
      )
    const signing = await ask('POST', '/admin/api/session', {}, { token: key })
    const cookie = signing.headers.get('set-cookie')?.split(';')[0] ?? ''
    const follow = async (headers: Record<string, string>) => {
      const events = reader((await ask('GET', '/admin/api/events', headers)).body)
      expect(await events.next()).toMatchObject({ event: 'state' })
      return events
    }
    /** What still comes, but for comments. */
    const rest = async (events: ReturnType<typeof reader>) => {
      const received: unknown[] = []
      for (let next = await events.next(); next !== undefined; next = await events.next())
        if (next !== 'comment') received.push(next)
      return received
    }
    return { ...gateway, ask, cookie, follow, rest }
  }
  const bearer = { authorization: `Bearer ${key}` }

  test('because it has signed out, while another goes on', async () => {
    const { ask, cookie, follow, rest, close } = await signedIn()
    const [ended, other] = [await follow({ cookie }), await follow(bearer)]
    expect((await ask('DELETE', '/admin/api/session', { cookie })).status).toBe(204)
    await ask('POST', '/admin/api/capture', bearer, { mode: 'memory', minutes: 1 })
    expect(await rest(ended)).toEqual([])
    expect(await other.next()).toMatchObject({ event: 'capture' })
    await other.cancel()
    await close()
  })

  test.each([
    ['a session', (cookie: string) => ({ cookie })],
    ['a key', () => bearer],
  ])('because the key has changed: %s', async (_how, headers) => {
    const { cookie, follow, rest, apply, config, close } = await signedIn()
    const events = await follow(headers(cookie))
    apply({ ...config, authToken: 'another-key-of-the-operator' })
    expect(await rest(events)).toEqual([])
    await close()
  })
})

test('HEAD opens no stream', async () => {
  const { ask, close } = await operatedGateway()
  const response = await ask('HEAD', '/admin/api/events')
  expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
    ...[200, 'text/event-stream; charset=utf-8', ''],
  ])
  await close()
})

test('a gateway that stops lets the page go', async () => {
  const { ask, drain, close } = await operatedGateway()
  const events = reader((await ask('GET', '/admin/api/events')).body)
  await events.next()
  drain()
  expect(await events.next()).toBeUndefined()
  const late = await ask('GET', '/admin/api/events')
  expect(await reader(late.body).next()).toBeUndefined()
  await close()
})

describe('the feed', () => {
  function setUp() {
    const clock = manualClock()
    const live = createLiveRequests(clock)
    let looks = 0
    let text = 'Ready.'
    let restsUntil = 0
    const feed = createLiveFeed({
      ...{ clock, live },
      rowOf: ({ id, phase }): RequestRow => ({
        ...{ id, at: 1, key: { id: 'k', label: 'k' }, route: '/', state: phase, stream: true, notes: [], ignored: [] },
      }),
      state() {
        looks++
        const facts = { id: 'a', label: 'A', kind: 'demo', state: 'ready' as const, text, busy: 0, waiting: 0 }
        return { ready: true, upstreams: [{ ...facts, until: restsUntil }] }
      },
    })
    return {
      ...{ clock, live, feed, looksSoFar: () => looks },
      say: (words: string) => {
        text = words
      },
      rest: (until: number) => {
        restsUntil = until
      },
      open: (id: string) => {
        const record = openRecord(id, 'POST', '/', clock)
        live.opened(record)
        return record
      },
    }
  }

  test('looks only while a page is open, once for all of them', async () => {
    const { clock, feed, looksSoFar } = setUp()
    clock.advance(60_000)
    expect(looksSoFar()).toBe(0)
    const pages = [reader(feed.open()), reader(feed.open())]
    for (const page of pages) await page.next()
    const before = looksSoFar()
    clock.advance(3_000)
    expect(looksSoFar() - before).toBe(3)
    for (const page of pages) await page.cancel()
    clock.advance(60_000)
    expect(looksSoFar() - before).toBe(3)
    expect(clock.pending()).toBe(0)
  })

  test('tells of a change once, and every two seconds that it lives', async () => {
    const { clock, feed, say } = setUp()
    const page = reader(feed.open())
    await page.next()
    say('Paused.')
    clock.advance(4_000)
    expect(await page.next()).toMatchObject({ event: 'state', data: { upstreams: [{ text: 'Paused.' }] } })
    expect([await page.next(), await page.next()]).toEqual(['comment', 'comment'])
    await page.cancel()
  })

  test('ends within a second for a page that may not read on, and tells it nothing more', async () => {
    const { clock, feed, open, say } = setUp()
    let isAllowed = true
    const page = reader(feed.open(() => isAllowed))
    await page.next()
    isAllowed = false
    open('req_1')
    expect(await page.next()).toBeUndefined()
    expect(clock.pending()).toBe(0)

    isAllowed = true
    const quiet = reader(feed.open(() => isAllowed))
    await quiet.next()
    isAllowed = false
    say('Paused.')
    clock.advance(1_000)
    expect(await quiet.next()).toBeUndefined()
    expect(clock.pending()).toBe(0)
  })

  test('forgets a page whose connection is gone', async () => {
    const { clock, feed } = setUp()
    const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response(feed.open()) })
    const left = new AbortController()
    const { body } = await fetch(server.url, { signal: left.signal })
    await reader(body).next()
    expect(clock.pending()).toBe(1)
    left.abort()
    await until(() => clock.pending() === 0, 'the feed to stop')
    await server.stop(true)
  })

  test('says nothing of the end of a rest that only comes nearer', async () => {
    const { clock, feed, rest } = setUp()
    const page = reader(feed.open())
    await page.next()
    rest(1_000)
    clock.advance(1_000)
    rest(1_001)
    clock.advance(3_000)
    expect([await page.next(), await page.next()]).toEqual(['comment', 'comment'])
    await page.cancel()
  })

  test('keeps the newest of each request for a page that reads slowly', async () => {
    const { live, feed, open } = setUp()
    const page = reader(feed.open())
    await page.next()
    for (let count = 0; count < 100; count++) {
      const record = open(`req_${count}`)
      record.phase = 'done'
      live.closed(record)
    }
    const received: unknown[] = []
    while (received.at(-1) !== 'req_99 done') {
      const next = await page.next()
      if (next !== 'comment' && next !== undefined) received.push(`${next.data.id} ${next.data.state}`)
    }
    // Those that still fitted into the stream were told from the beginning.
    expect(received.filter((each) => String(each).endsWith('done'))).toHaveLength(100)
    expect(received.length).toBeLessThan(120)
    await page.cancel()
  })

  test('gives everything anew to a page that has missed too much', async () => {
    const { feed, open } = setUp()
    const page = reader(feed.open())
    await page.next()
    for (let count = 0; count < 1_000; count++) open(`req_${count}`)
    let last = await page.next()
    while (last !== 'comment' && last?.event !== 'state') last = await page.next()
    expect(last).toMatchObject({ event: 'state' })
    const running = last === 'comment' ? [] : last.data.running
    expect(running).toHaveLength(1_000)
    await page.cancel()
  })
})
