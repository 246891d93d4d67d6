import { expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import type { Now } from '../../src/admin/schema/now.ts'
import { Now as NowShape } from '../../src/admin/schema/now.ts'
import { TestResult, type Upstream, Upstream as UpstreamShape, Upstreams } from '../../src/admin/schema/upstreams.ts'
import { modelTable } from '../../src/models/table.ts'
import { until } from '../support/gateway.ts'
import { operatedGateway } from '../support/operated-gateway.ts'
import { chatRoute, modelsRoute, quotaRoute } from '../support/zai-api.ts'

const apiError = (status: number, code: string, message: string) =>
  Response.json({ error: { code, message } }, { status })

async function setUp(env: Record<string, string> = {}) {
  const gateway = await operatedGateway(env)
  const upstreams = async (): Promise<Upstream[]> => {
    const answer: unknown = await (await gateway.ask('GET', '/admin/api/upstreams')).json()
    expect([...Value.Errors(Upstreams, answer)]).toEqual([])
    return Value.Cast(Upstreams, answer).upstreams
  }
  const credentials = async () => (await upstreams())[0]?.credentials ?? []
  const now = async (): Promise<Now> => {
    const answer: unknown = await (await gateway.ask('GET', '/admin/api/now')).json()
    expect([...Value.Errors(NowShape, answer)]).toEqual([])
    return Value.Cast(NowShape, answer)
  }
  const act = async (index: number, action: string) => {
    const { id = '' } = (await credentials())[index] ?? {}
    return gateway.ask('POST', `/admin/api/upstreams/zai-api/credentials/${id}/${action}`)
  }
  const keysOf = () => gateway.api.to(chatRoute).map(({ key }) => key)
  return { ...gateway, upstreams, credentials, now, act, keysOf }
}

/** What `read` gives once it is as it should be. */
async function eventually<Value>(read: () => Promise<Value>, holds: (value: Value) => boolean): Promise<Value> {
  const deadline = Date.now() + 5_000
  for (;;) {
    const value = await read()
    if (holds(value)) return value
    if (Date.now() > deadline) throw new Error(`waited in vain, the last was ${JSON.stringify(value)}`)
  }
}

test('credentials are told apart without any part of them', async () => {
  const { upstreams, close } = await setUp()
  const [upstream] = await upstreams()
  expect(upstream).toMatchObject({
    ...{ id: 'zai-api', kind: 'zai-api', label: 'Official API', state: 'ready', busy: 0, waiting: 0 },
    text: '2 of 2 credentials can take a request.',
    credentials: [
      { name: 'key 1', source: 'ZAI_API_KEY', state: 'ready', paused: false, busy: 0, requests_1h: 0, refused_1h: 0 },
      { name: 'key 2' },
    ],
  })
  expect(JSON.stringify(upstream)).not.toMatch(/key-[12]/)
  expect(upstream?.credentials[0]?.fingerprint).toMatch(/^[0-9a-f]{4}…[0-9a-f]{4}$/)
  expect(upstream).not.toHaveProperty('of')
  await close()
})

test('each credential tells what its calls have cost since the start', async () => {
  const { chat, credentials, act, keysOf, close } = await setUp()
  expect((await credentials()).map(({ spent }) => spent)).toEqual([undefined, undefined])
  await act(1, 'pause')
  const { usage } = await (await chat()).json()
  const { input = 0, output = 0 } = modelTable().of('glm-4.6').price ?? {}
  const usd = (usage.prompt_tokens * input + usage.completion_tokens * output) / 1_000_000
  await act(0, 'pause')
  await act(1, 'resume')
  for (const _ of [1, 2]) expect((await chat()).status).toBe(200)
  expect(keysOf()).toEqual(['key-1', 'key-2', 'key-2'])
  const [first, second] = await credentials()
  expect(usd).toBeGreaterThan(0)
  expect(first?.spent?.usd).toBeCloseTo(usd, 12)
  expect(second?.spent?.usd).toBeCloseTo(2 * usd, 12)
  await close()
})

test('a paused key gets no request until it is resumed', async () => {
  const { act, chat, keysOf, upstreams, now, close } = await setUp()
  const answer = await act(0, 'pause')
  expect([...Value.Errors(UpstreamShape, await answer.json())]).toEqual([])
  for (let times = 0; times < 3; times++) expect((await chat()).status).toBe(200)
  expect(keysOf()).toEqual(['key-2', 'key-2', 'key-2'])
  expect((await upstreams())[0]?.credentials.map(({ state, requests_1h }) => [state, requests_1h])).toEqual([
    ['paused', 0],
    ['ready', 3],
  ])
  await act(1, 'pause')
  const refused = await chat()
  expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: 'upstream_paused' } }])
  expect(await now()).toMatchObject({
    ready: false,
    ...{ code: 'upstream_paused', credentials: { ready: 0, of: 2 }, upstreams: [{ state: 'paused' }] },
    troubles: [
      { code: 'upstream_paused', remedy: 'Resume it under Upstreams.' },
      { code: 'upstream_paused', count: 1 },
    ],
  })
  await act(0, 'resume')
  expect((await chat()).status).toBe(200)
  expect((await upstreams())[0]?.history.map(({ kind }) => kind)).toEqual(['paused', 'paused', 'resumed'])
  await close()
})

test('a refused key is tried again at once when the operator says so', async () => {
  const { act, api, chat, keysOf, credentials, close } = await setUp()
  await act(1, 'pause')
  api.script(chatRoute, () => apiError(401, '1001', 'Header has no authorization'))
  expect((await chat()).status).toBe(403)
  expect((await credentials())[0]).toMatchObject({
    ...{ state: 'blocked', until: expect.any(Number), refused_1h: 1 },
    last_refusal: { code: '1001', remedy: expect.stringContaining('Copy the key') },
  })
  expect((await chat()).status).toBe(403)
  expect(keysOf()).toHaveLength(1)
  await act(0, 'try')
  expect((await credentials())[0]?.state).toBe('trying')
  expect((await chat()).status).toBe(200)
  expect((await credentials())[0]?.state).toBe('ready')
  await close()
})

test('an upstream that is blocked is a trouble with its remedy, from when it began', async () => {
  const { api, chat, now, close } = await setUp({ ZAI_API_KEY: 'key-1' })
  api.script(chatRoute, () => apiError(401, '1001', 'Header has no authorization'))
  const before = Date.now()
  await chat()
  const { troubles, upstreams, ready } = await now()
  expect([ready, upstreams[0]?.state]).toEqual([false, 'blocked'])
  expect(troubles[0]).toMatchObject({ code: '1001', upstream: 'zai-api' })
  expect(troubles[0]?.remedy).toContain('Copy the key')
  expect(troubles[0]?.since).toBeWithin(before, Date.now() + 1)
  await close()
})

test('a test asks with the very key, and says what is wrong with it', async () => {
  const { act, api, ask, close } = await setUp()
  const good: unknown = await (await act(1, 'test')).json()
  expect(good).toMatchObject({ ok: true, models: 2 })
  expect(api.to(modelsRoute).at(-1)?.key).toBe('key-2')
  api.script(modelsRoute, () => apiError(401, '1001', 'Header has no authorization'))
  const bad: unknown = await (await act(0, 'test')).json()
  expect(bad).toMatchObject({ ok: false })
  expect(Reflect.get(Object(bad), 'text')).toContain('key')
  expect(api.to(modelsRoute).at(-1)?.key).toBe('key-1')
  const whole: unknown = await (await ask('POST', '/admin/api/upstreams/zai-api/test')).json()
  expect(whole).toMatchObject({ ok: true })
  for (const result of [good, bad, whole]) expect([...Value.Errors(TestResult, result)]).toEqual([])
  await close()
})

test('what is not there is not found, and nothing is changed by reading', async () => {
  const { ask, credentials, close } = await setUp()
  const { id } = (await credentials())[0] ?? {}
  const statuses = await Promise.all(
    [
      ['POST', '/admin/api/upstreams/nobody/test'],
      ['POST', '/admin/api/upstreams/zai-api/credentials/nobody/pause'],
      ['POST', '/admin/api/upstreams/zai-api/credentials/nobody/test'],
      ['GET', `/admin/api/upstreams/zai-api/credentials/${id}/pause`],
    ].map(async ([method = '', path = '']) => (await ask(method, path)).status),
  )
  expect(statuses).toEqual([404, 404, 404, 404])
  expect((await credentials())[0]?.paused).toBe(false)
  await close()
})

test('a limit is told once a refusal has taught it', async () => {
  const { api, chat, upstreams, act, now, close } = await setUp()
  await act(1, 'pause')
  const go = Promise.withResolvers<Response>()
  api.script(
    chatRoute,
    () => go.promise,
    () => apiError(429, '1302', 'Too many requests'),
  )
  const running = chat()
  await until(() => api.to(chatRoute).length === 1, 'the first call')
  const waiting = chat()
  await until(() => api.to(chatRoute).length === 2, 'the call that is refused')
  const [brief] = await eventually(upstreams, ([upstream]) => upstream?.waiting === 1)
  expect(brief).toMatchObject({
    ...{ state: 'waiting', busy: 1, waiting: 1, of: 1, free: 0 },
    credentials: [{ models: [{ model: 'glm-4.6', busy: 1, waiting: 1, learned_limit: 1, refused: 1 }] }, {}],
    history: [{ kind: 'paused' }, { kind: 'limit-lowered', model: 'glm-4.6', limit: 1 }],
  })
  // No client has seen it so far.
  expect((await now()).troubles).toMatchObject([
    { code: '1302', count: 1, upstream: 'zai-api', remedy: 'Nothing: it was waited out here, and no client saw it.' },
  ])
  go.resolve(apiError(400, '1210', 'An error'))
  await Promise.all([running, waiting])
  await close()
})

test('what is left of a plan is asked for, and not again each time', async () => {
  const { api, upstreams, close } = await setUp()
  api.script(quotaRoute, () =>
    Response.json({
      ...{ code: 200, msg: 'ok', success: true },
      data: { level: 'pro', limits: [{ type: 'TOKENS_LIMIT', unit: 3, number: 5, percentage: 31, nextResetTime: 9 }] },
    }),
  )
  await upstreams()
  await until(() => api.to(quotaRoute).length === 2, 'both keys')
  const [upstream] = await eventually(upstreams, ([each]) => each?.quota !== undefined)
  expect(upstream?.quota).toMatchObject({
    ...{
      plan: 'pro',
      limits: [{ kind: 'tokens', window: { unit: 'hour', count: 5 }, used_percent: 31, resets_at: 9 }],
    },
  })
  expect(api.to(quotaRoute)).toHaveLength(2)
  await close()
})

test('the last hour is counted, and what went wrong is told with its remedy', async () => {
  const { api, chat, now, close } = await setUp()
  expect((await now()).last_hour).toMatchObject({ requests: 0, errors: 0, input: 0 })
  expect(await (await chat()).json()).toHaveProperty('choices')
  api.script(chatRoute, () => apiError(400, '1261', 'Prompt exceeds max length'))
  expect((await chat()).status).toBe(400)
  const { last_hour, troubles, ready, base_urls } = await now()
  expect(last_hour).toMatchObject({ requests: 2, errors: 1, first_ms: expect.any(Object) })
  expect(last_hour.input).toBeGreaterThan(0)
  expect([last_hour.per_minute.length, last_hour.per_minute.reduce((a, b) => a + b)]).toEqual([60, 2])
  expect(troubles).toMatchObject([{ count: 1, upstream: 'zai-api', remedy: expect.stringContaining('conversation') }])
  expect({ ready, base_urls }).toEqual({
    ...{ ready: true, base_urls: { openai: 'http://localhost:8080/v1', anthropic: 'http://localhost:8080' } },
  })
  await close()
})

test.each([
  ['coding', true],
  ['general', undefined],
])('an upstream says whether it is on a plan for one person: %s', async (ZAI_API_BASE, expected) => {
  const { ask, close } = await operatedGateway({ ZAI_API_BASE })
  const { upstreams } = await (await ask('GET', '/admin/api/upstreams')).json()
  expect(upstreams[0]?.for_one_person).toBe(expected)
  await close()
})
