import { afterEach, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { QueuePlace } from '../../src/core/call-observer.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { zaiApi } from '../../src/upstreams/zai-api/index.ts'
import { type GatewaySettings, startGateway, until } from '../support/gateway.ts'
import { lending } from '../support/pool.ts'
import { chatRoute, chunks, refusal, scriptedApi } from '../support/zai-api.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean()
})

function gatewayWith(upstreams: Upstream[], settings: GatewaySettings = {}) {
  const records: RequestRecord[] = []
  const gateway = startGateway(upstreams, { ...settings, trace: (record) => records.push(record) })
  cleanups.push(() => gateway.stop())
  /** Posts, reads the reply to its end, and returns the record of it. */
  return async (body: object, headers: Record<string, string> = {}): Promise<RequestRecord> => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], ...body }),
    })
    await response.text()
    const idOf = ({ id }: RequestRecord) => id === response.headers.get('x-request-id')
    await until(() => records.some(idOf), 'the record')
    const record = records.find(idOf)
    if (!record) throw new Error('no record')
    return record
  }
}

function apiWith(keys: readonly string[], startLimit?: number) {
  const api = scriptedApi(keys)
  const { baseUrl, stop } = api.listen()
  cleanups.push(stop)
  const upstream = zaiApi(
    {
      ...{ keys, baseUrl, idleMs: 5_000, headersTimeoutMs: 2_000, modelsTtlMs: 600_000, scanLimit: 200_000 },
      tools: true,
    },
    {
      ...lending(systemClock, undefined, startLimit),
      fetch: losslessFetch(fetch, async () => [{ address: '127.0.0.1' }]),
      clock: systemClock,
      newUuid: () => crypto.randomUUID(),
      log: () => {},
    },
  )
  return { api, upstream }
}

/** Whether a connection is free again in time for the next attempt is left to the machine. */
const kinds = ({ timeline }: RequestRecord): string[] | undefined =>
  timeline?.steps.map(({ kind }) => kind).filter((kind) => kind !== 'connect')

test('a request under another vendor’s name, refused once and answered with a call', async () => {
  const { api, upstream } = apiWith(['key-one-0123456789', 'key-two-0123456789'])
  api.script(
    chatRoute,
    refusal(429, '1302', 'Too many requests'),
    chunks(
      { delta: { reasoning_content: 'Think.' } },
      { delta: { content: 'I look.' } },
      {
        delta: { tool_calls: [{ index: 0, id: 'c1', type: 'function', function: { name: 'Read', arguments: '{}' } }] },
      },
      { finish_reason: 'tool_calls', usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 } },
    ),
  )
  const ask = gatewayWith([upstream], { routes: { primaryModel: 'GLM-4.6' } })
  const record = await ask(
    {
      ...{ model: 'claude-opus-4-8', stream: true },
      tools: [{ type: 'function', function: { name: 'Read', parameters: { type: 'object', properties: {} } } }],
    },
    { 'x-claude-code-session-id': 'session-1', 'x-claude-code-agent-id': 'explore-1' },
  )
  expect(record).toMatchObject({
    ...{
      session: 'session-1',
      agent: 'explore-1',
      requestedModel: 'claude-opus-4-8',
      model: 'GLM-4.6',
      upstream: 'zai-api',
    },
    ...{ phase: 'done', stopReason: 'tool-calls' },
  })
  expect(kinds(record)).toEqual([
    ...['read', 'count', 'headers', 'first'],
    ...['headers', 'first', 'reasoning', 'text', 'tool', 'close'],
  ])
  expect(record.timeline?.steps.every(({ fromMs, toMs = -1 }) => toMs >= fromMs)).toBe(true)
  expect(record.timeline?.routing).toEqual([
    { from: 'claude-opus-4-8', to: 'GLM-4.6', by: 'PRIMARY_MODEL' },
    { from: 'GLM-4.6', to: 'zai-api', by: 'the only upstream with it' },
  ])
  const [first, second, ...more] = record.timeline?.tries ?? []
  expect(first).toMatchObject({ n: 1, upstream: 'zai-api', status: 429, error: { code: 'rate_limit_exceeded' } })
  expect(second).toMatchObject({ n: 2, status: 200, reused: expect.any(Boolean) })
  expect(more).toEqual([])
  expect(first?.credential).toMatch(/^[0-9a-f]{4}…[0-9a-f]{4}$/)
  expect(second?.credential).not.toBe(first?.credential)
  expect(second?.endedMs).toBeGreaterThanOrEqual(second?.firstMs ?? Number.NaN)
})

test('an upstream that is down, and the one that answers in its place', async () => {
  const { api, upstream } = apiWith(['key-one-0123456789'])
  const down: Upstream = { ...upstream, id: 'first', open: (call) => upstream.open(call) }
  api.refuse('key-one-0123456789', () => refusal(401, '1002', 'Invalid Authorization token.'))
  const ask = gatewayWith([down, demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })], {
    routes: { modelMap: [['small', 'glm-4.6']] },
  })
  const record = await ask({ model: 'small' })
  expect(record.timeline?.routing).toMatchObject([
    { from: 'small', to: 'GLM-4.6', by: 'MODEL_MAP' },
    { from: 'GLM-4.6', to: 'first', by: 'UPSTREAMS order' },
    { from: 'first', to: 'demo', by: 'upstream_auth_failed' },
  ])
  expect(record.timeline?.tries.map(({ upstream, error }) => [upstream, error?.code])).toEqual([
    ['first', 'upstream_auth_failed'],
    ['demo', undefined],
  ])
})

test('a call that waits for a key says where it stands', async () => {
  const { api, upstream } = apiWith(['key-one-0123456789'], 1)
  const held = Promise.withResolvers<void>()
  api.script(chatRoute, async () => {
    await held.promise
    return chunks({ delta: { content: 'Hello' } }, { finish_reason: 'stop' })
  })
  const places: unknown[] = []
  const watched: Upstream = {
    ...upstream,
    open(call) {
      const { observer } = call
      if (!observer) return upstream.open(call)
      const waits = (place: () => QueuePlace) => {
        observer.waits(place)
        places.push(place())
        held.resolve()
      }
      return upstream.open({ ...call, observer: { ...observer, waits } })
    },
  }
  const ask = gatewayWith([watched])
  const first = ask({ model: 'glm-4.6' })
  await until(() => api.to(chatRoute).length === 1, 'the first call')
  const waiting = ask({ model: 'glm-4.6' })
  const records = [await first, await waiting]
  expect(places).toEqual([{ n: 1, of: 1 }])
  const waited = records.find(({ timeline }) => timeline?.waitMs() !== undefined)
  expect(waited && kinds(waited)).toEqual(['read', 'count', 'queue', 'headers', 'first', 'text', 'close'])
  expect(waited?.timeline?.place()).toBeUndefined()
})
