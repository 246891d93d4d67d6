import { describe, expect, test } from 'bun:test'
import type { Model } from '../../../src/core/upstream.ts'
import type { ChatModel } from '../../../src/upstreams/chat-completions/models.ts'
import { type ZaiApiOptions, zaiApi } from '../../../src/upstreams/zai-api/index.ts'
import { unpaidBill } from '../../support/bills.ts'
import { json } from '../../support/chat-zai.ts'
import { manualClock } from '../../support/clock.ts'
import { until } from '../../support/gateway.ts'
import { lending } from '../../support/pool.ts'
import { plainRequest } from '../../support/request.ts'
import { baseUrl, chatRoute, modelsRoute, type Seen, scriptedApi } from '../../support/zai-api.ts'
import recorded from './models.json'
import { modelNamed } from './support.ts'

/** Rows of the vendor's model pages. */
const tableSize = 27

function setUp(keys = ['key-1'], options: Partial<ZaiApiOptions> = {}) {
  const api = scriptedApi(['key-1'])
  const clock = manualClock()
  const logged: string[] = []
  const upstream = zaiApi(
    { keys, baseUrl, idleMs: 1, headersTimeoutMs: 30_000, modelsTtlMs: 600_000, scanLimit: 1, tools: true, ...options },
    {
      ...lending(clock),
      fetch: api.fetch,
      clock,
      newUuid: () => 'request-1',
      log: (_level, message) => void logged.push(message),
    },
  )
  const ids = async () => (await upstream.models()).map(({ id }) => id)
  return { api, clock, logged, upstream, ids }
}

describe('the list', () => {
  test('holds the table and what the API adds to it, chat models alone', async () => {
    const { ids } = setUp()
    const known = await ids()
    expect(known).toContain('GLM-5.3')
    expect(known).toContain('GLM-5.9-Next')
    expect(known.filter((id) => id === 'GLM-4.6')).toHaveLength(1)
    expect(known).not.toContain('cogview-4')
    expect(known).not.toContain('glm-asr')
  })

  test('as recorded adds nothing new', async () => {
    const { api, ids } = setUp()
    api.script(modelsRoute, json(recorded))
    const known = await ids()
    expect(known).toHaveLength(tableSize)
    for (const { id } of recorded.data) expect(known.map((name) => name.toLowerCase())).toContain(id)
  })

  test('adds nothing to a model of the table, whose limits it does not know', async () => {
    const models = await setUp().upstream.models()
    expect(models.find(({ id }) => id === 'GLM-4.6')).toMatchObject({
      contextTokens: 200_000,
      maxOutputTokens: 131_072,
    })
  })

  test('is requested once per lifetime', async () => {
    const { api, clock, ids } = setUp()
    await Promise.all([ids(), ids()])
    await ids()
    expect(api.to(modelsRoute)).toHaveLength(1)
    clock.advance(600_000)
    await ids()
    expect(api.to(modelsRoute)).toHaveLength(2)
  })

  test.each([
    ['an error', () => json({ error: { code: '1002', message: 'x' } }, 401)],
    ['the router', () => json({ code: 500, msg: '404 NOT_FOUND', success: false })],
    ['a page', () => new Response('<html>')],
  ])('falls back to the table when %s answers, and asks again later', async (_name, reply) => {
    const { api, clock, ids, logged } = setUp()
    api.script(modelsRoute, reply)
    expect(await ids()).toHaveLength(tableSize)
    expect(logged).toEqual(['api.z.ai did not tell its models; going by the ones known before.'])
    clock.advance(60_000)
    expect(await ids()).toContain('GLM-5.9-Next')
  })

  test('is requested in the background after a timeout', async () => {
    const { api, clock, ids } = setUp()
    const hang = ({ signal }: Seen) =>
      new Promise<Response>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    api.script(modelsRoute, hang, hang)
    const first = ids()
    await until(() => api.to(modelsRoute).length === 1, 'the first question')
    clock.advance(5_000)
    expect(await first).toHaveLength(tableSize)
    clock.advance(60_000)
    expect(await ids()).toHaveLength(tableSize)
    expect(api.to(modelsRoute)).toHaveLength(2)
    clock.advance(5_000)
    await until(() => clock.pending() === 0, 'the end of the second')
    clock.advance(60_000)
    await ids()
    await until(() => api.to(modelsRoute).length === 3 && clock.pending() === 0, 'the answer to the third')
    expect(await ids()).toContain('GLM-5.9-Next')
  })

  test('keeps what it has when a later request fails', async () => {
    const { api, clock, ids } = setUp()
    await ids()
    clock.advance(600_000)
    api.script(modelsRoute, json({}, 500))
    expect(await ids()).toContain('GLM-5.9-Next')
  })

  test('needs no key for the table', async () => {
    const { api, ids } = setUp([])
    expect(await ids()).toHaveLength(tableSize)
    expect(api.seen).toEqual([])
  })

  test('has the limits that the vendor publishes', async () => {
    const models = await setUp([]).upstream.models()
    const limits = (id: string) =>
      models.flatMap((model) => (model.id.toLowerCase() === id ? [model.contextTokens, model.maxOutputTokens] : []))
    expect(limits('glm-5.2')).toEqual([1_000_000, 131_072])
    expect(limits('glm-4.6')).toEqual([200_000, 131_072])
    expect(limits('glm-4.5-air')).toEqual([128_000, 98_304])
    expect(limits('glm-4.5v')).toEqual([64_000, 16_384])
    expect(limits('glm-5.3')).toEqual([1_048_576, 131_072])
    expect(limits('glm-5.3-flash')).toEqual([1_048_576, 131_072])
  })

  test('prefers the limits of a live list', async () => {
    const { api, upstream } = setUp()
    const data = [
      { id: 'GLM-5.3', context_length: 400_000, max_output_tokens: 65_536 },
      { id: 'glm-5.9-next', context_length: 300_000 },
      { id: 'glm-4.6', context_length: null },
    ]
    api.script(modelsRoute, json({ data }))
    const models = await upstream.models()
    const limits = (id: string) =>
      models.flatMap((model) => (model.id.toLowerCase() === id ? [model.contextTokens, model.maxOutputTokens] : []))
    expect(limits('glm-5.3')).toEqual([400_000, 65_536])
    expect(limits('glm-5.9-next')).toEqual([300_000, 131_072])
    expect(limits('glm-4.6')).toEqual([200_000, 131_072])
  })
})

test.each<[string, string[]]>([
  ['glm-5.3', ['thinking']],
  ['glm-5.4', ['thinking']],
  ['glm-4.1v-thinking-flash', ['thinking']],
  ['glm-5.2', []],
  ['glm-4-flash-250414', []],
])('switching reasoning off for %s is ignored as %j, whatever name the client uses', (model, ignored) => {
  const asked = plainRequest({ model: 'mine', reasoning: { mode: 'off' } })
  expect(setUp().upstream.ignored(asked, modelNamed(model))).toEqual(ignored)
})

test.each<[string, Partial<ChatModel>]>([
  ['glm-5.4', { vision: true, video: true, files: true, reasoningSwitch: 'always', efforts: ['low', 'high', 'max'] }],
  ['glm-5.3', { vision: false, reasoning: 'by-default', reasoningSwitch: 'always', toolStream: true, search: true }],
  ['glm-5.3-flashx', { vision: true, video: true, files: false, imagesInToolResults: true, reasoningSwitch: 'always' }],
  ['GLM-5.2', { reasoningSwitch: 'switch', efforts: ['low', 'medium', 'high', 'max'] }],
  ['glm-5.1-highspeed', { reasoningSwitch: 'switch', efforts: [] }],
  ['glm-5v-turbo', { vision: true, reasoningSwitch: 'switch', toolStream: true, search: false }],
  ['glm-4.6v-flash', { vision: true, toolStream: true }],
  ['glm-4.5v', { vision: true, toolStream: false, reasoning: 'by-default' }],
  ['glm-4.1v-thinking-flash', { vision: true, reasoningSwitch: 'none', reasoning: 'by-default' }],
  ['glm-4-32b-0414-128k', { reasoningSwitch: 'none', reasoning: 'never', toolStream: false }],
  ['glm-6', { reasoningSwitch: 'always', vision: true, contextTokens: 1_048_576 }],
])('the request traits of %s', (id, expected) => expect(modelNamed(id)).toMatchObject(expected))

describe('a name that is in no list', () => {
  const found = (name: string, named = false) => setUp().upstream.unlisted?.(name, named)

  test.each([
    ['one that looks like a model', 'GLM-5.5-Air', false, 'glm-5.5-air'],
    ['one without a number', 'glm-next', false, 'glm-next'],
    ['any other, where it is named for this API', 'Foo-2', true, 'Foo-2'],
  ])('%s goes up', (_name, asked, named, upstreamId) => expect(found(asked, named)).toMatchObject({ upstreamId }))

  test.each(['llama-3', 'gpt-4o', ''])('%p does not by itself', (name) => expect(found(name)).toBeUndefined())
})

describe('what the key was refused', () => {
  const refusal = (code: string) => json({ error: { code, message: 'no' } }, code === '1311' ? 429 : 400)
  const call = (model: Model) => ({
    request: plainRequest({ messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }] }),
    model,
    signal: new AbortController().signal,
    caller: 'key',
    whole: false,
    bill: unpaidBill(),
    annotate: () => {},
  })

  test.each(['1211', '1220', '1311'])('by %s is marked for an hour', async (code) => {
    const { api, clock, upstream } = setUp()
    const marked = async () => (await upstream.models()).flatMap(({ id, refused }) => (refused ? [id] : []))
    const model = (await upstream.models()).find(({ id }) => id === 'GLM-5.3')
    if (!model) throw new Error('the table has no GLM-5.3')
    api.script(chatRoute, refusal(code))
    await expect(upstream.open(call(model))).rejects.toMatchObject({ code: expect.stringMatching(/^model_not_/) })
    expect(await marked()).toEqual(['GLM-5.3'])
    clock.advance(60 * 60_000)
    expect(await marked()).toEqual([])
  })

  test('for another reason is not, and neither is a name that clients make up', async () => {
    const { api, upstream } = setUp()
    const [model] = await upstream.models()
    const madeUp = upstream.unlisted?.('glm-made-up', false)
    if (!model || !madeUp) throw new Error('no model')
    api.script(chatRoute, refusal('1261'), refusal('1211'))
    await upstream.open(call(model)).catch(() => {})
    await upstream.open(call(madeUp)).catch(() => {})
    expect((await upstream.models()).filter(({ refused }) => refused)).toEqual([])
  })
})

test.each([
  ['general', baseUrl, false],
  ['coding plan', 'https://api.z.ai/api/coding/paas/v4', true],
])('the %s has GLM-5.4 in its list: %p', async (_name, baseUrl, expected) => {
  expect((await setUp([], { baseUrl }).ids()).includes('GLM-5.4')).toBe(expected)
})

describe('check', () => {
  const signal = new AbortController().signal

  test('succeeds if one key works', async () => {
    await setUp(['bad', 'key-1']).upstream.check(signal)
  })

  test.each<[string, string[], string]>([
    ['no key', [], 'no_api_key'],
    ['a key that is not accepted', ['bad'], 'upstream_auth_failed'],
  ])('tells %s', async (_name, keys, code) => {
    await expect(setUp(keys).upstream.check(signal)).rejects.toMatchObject({ code })
  })

  test('tells a wrong address', async () => {
    const { upstream } = setUp(['key-1'], { baseUrl: 'https://api.z.ai/api/v4' })
    await expect(upstream.check(signal)).rejects.toMatchObject({ code: 'upstream_wrong_address' })
  })
})
