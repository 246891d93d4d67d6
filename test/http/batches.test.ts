import { afterAll, describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import { systemClock } from '../../src/async/system-clock.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { clientKeys, policyOf } from '../../src/http/client-keys.ts'
import { type BatchStore, createBatchStore, noBatchStore } from '../../src/store/batches.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { type GatewaySettings, gatewayApp, startGateway } from '../support/gateway.ts'
import { chatRoute, scriptedApi } from '../support/zai-api.ts'

type MessageBatch = Anthropic.Messages.MessageBatch
type Result = Anthropic.Messages.MessageBatchIndividualResponse
type Params = Anthropic.Messages.BatchCreateParams.Request['params']

const alice = 'sk-alice'
const keys = [
  ...clientKeys({ openaiKey: alice, policy: policyOf({ rateLimitRpm: 0, rateLimitTpm: 0 }) }),
  ...clientKeys({ openaiKey: 'sk-bob', policy: policyOf({ rateLimitRpm: 0, rateLimitTpm: 0 }) }).map((key) => ({
    ...key,
    caller: { ...key.caller, keyId: 'bob' },
  })),
]

const batchesOf = (url: string, apiKey = alice) =>
  new Anthropic({ baseURL: url, apiKey, maxRetries: 0 }).messages.batches
type Batches = ReturnType<typeof batchesOf>

const params = (content = 'Hello', more: Partial<Params> = {}): Params => ({
  ...{ model: 'GLM-4.5', max_tokens: 64, messages: [{ role: 'user', content }] },
  ...more,
})
const requests = (...names: string[]) => names.map((custom_id) => ({ custom_id, params: params(`I am ${custom_id}`) }))

async function ended(batches: Batches, id: string): Promise<MessageBatch> {
  for (;;) {
    const batch = await batches.retrieve(id)
    if (batch.processing_status === 'ended') return batch
  }
}

async function resultsOf(batches: Batches, id: string): Promise<Record<string, Result['result']>> {
  const results = await Array.fromAsync(await batches.results(id))
  return Object.fromEntries(results.map(({ custom_id, result }) => [custom_id, result]))
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    ({ status, error }: { status: number; error: { error: { type: string } } }) => [status, error.error.type],
  )
const messageOf = (promise: Promise<unknown>) => promise.then(String, ({ message }: Error) => message)

describe('with the SDK', () => {
  const quick = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const gateway = startGateway([quick], { access: { keys }, maxBodyBytes: 10_000_000 })
  afterAll(() => gateway.stop())
  const batches = batchesOf(gateway.url)
  const ofBob = batchesOf(gateway.url, 'sk-bob')

  test('a batch is worked off, and its results are told line by line', async () => {
    const begun = await batches.create({ requests: requests('first', 'second', 'third') })
    expect(begun).toEqual({
      ...{ id: expect.stringMatching(/^msgbatch_\w+$/), type: 'message_batch', processing_status: 'in_progress' },
      request_counts: { processing: 3, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
      ...{ created_at: expect.any(String), expires_at: expect.any(String), ended_at: null, archived_at: null },
      ...{ cancel_initiated_at: null, results_url: null },
    })
    expect(Date.parse(begun.expires_at) - Date.parse(begun.created_at)).toBe(24 * 60 * 60 * 1000)
    const done = await ended(batches, begun.id)
    expect(done).toMatchObject({
      request_counts: { processing: 0, succeeded: 3, errored: 0, canceled: 0, expired: 0 },
      results_url: `${gateway.url}/v1/messages/batches/${begun.id}/results`,
      ended_at: expect.any(String),
    })
    const results = await resultsOf(batches, begun.id)
    expect(Object.keys(results)).toEqual(['first', 'second', 'third'])
    expect(results.second).toMatchObject({
      type: 'succeeded',
      message: {
        type: 'message',
        role: 'assistant',
        stop_reason: 'end_turn',
        usage: { output_tokens: expect.any(Number) },
      },
    })
  })

  test('what is wrong with one request is its result, and harms no other', async () => {
    const broken = { model: 'GLM-4.5' } as unknown as Params
    const { id } = await batches.create({
      requests: [
        { custom_id: 'no-quota', params: params('[402]') },
        { custom_id: 'no-messages', params: broken },
        { custom_id: 'good', params: params('Hello', { stream: true } as object) },
      ],
    })
    expect((await ended(batches, id)).request_counts).toMatchObject({ succeeded: 1, errored: 2 })
    expect(await resultsOf(batches, id)).toMatchObject({
      'no-quota': { type: 'errored', error: { type: 'error', error: { type: 'billing_error' } } },
      'no-messages': {
        type: 'errored',
        error: { type: 'error', error: { type: 'invalid_request_error' }, request_id: expect.any(String) },
      },
      good: { type: 'succeeded' },
    })
  })

  test('it is its key’s alone', async () => {
    const { id } = await batches.create({ requests: requests('mine') })
    await ended(batches, id)
    const notThere = [404, 'not_found_error']
    expect(await failureOf(ofBob.retrieve(id))).toEqual(notThere)
    expect(await failureOf(ofBob.cancel(id))).toEqual(notThere)
    expect(await failureOf(ofBob.delete(id))).toEqual(notThere)
    expect(await failureOf(ofBob.results(id))).toEqual(notThere)
    const direct = await fetch(`${gateway.url}/v1/messages/batches/${id}/results`, {
      headers: { 'x-api-key': 'sk-bob' },
    })
    expect(direct.status).toBe(404)
    expect((await ofBob.list()).data).toEqual([])
    expect((await batches.list()).data.map((batch) => batch.id)).toContain(id)
  })

  test('a list goes on page by page, and a deleted batch is gone', async () => {
    const made: string[] = []
    for (const name of ['a', 'b', 'c']) made.unshift((await ofBob.create({ requests: requests(name) })).id)
    const listed: string[] = []
    for await (const batch of ofBob.list({ limit: 2 })) listed.push(batch.id)
    expect(listed).toEqual(made)
    const [newest = ''] = made
    await ended(ofBob, newest)
    expect(await ofBob.delete(newest)).toEqual({ id: newest, type: 'message_batch_deleted' })
    expect(await failureOf(ofBob.retrieve(newest))).toEqual([404, 'not_found_error'])
    expect(await failureOf(ofBob.list({ limit: 0 }))).toEqual([400, 'invalid_request_error'])
  })

  test.each<[string, unknown[], string]>([
    ['no requests', [], 'requests'],
    ['a custom_id with spaces', [{ custom_id: 'a b', params: params() }], 'requests.0.custom_id'],
    ['a custom_id that is too long', [{ custom_id: 'a'.repeat(65), params: params() }], 'requests.0.custom_id'],
    ['no params', [{ custom_id: 'a' }], 'requests.0.params'],
    ['a custom_id twice', requests('a', 'b', 'a'), 'requests.2.custom_id: is that of requests.0'],
  ])('%s are refused', async (_name, wrong, said) => {
    const response = await fetch(`${gateway.url}/v1/messages/batches`, {
      method: 'POST',
      headers: { 'x-api-key': alice },
      body: JSON.stringify({ requests: wrong }),
    })
    expect(response.status).toBe(400)
    expect(JSON.stringify(await response.json())).toContain(said)
  })

  test('a request too long to be stored is named, and nothing of the batch is kept', async () => {
    const before = (await ofBob.list()).data.length
    const large = [...requests('small'), { custom_id: 'large', params: params('a'.repeat(4_000_000)) }]
    const response = await fetch(`${gateway.url}/v1/messages/batches`, {
      method: 'POST',
      headers: { 'x-api-key': 'sk-bob' },
      body: JSON.stringify({ requests: large }),
    })
    expect(response.status).toBe(413)
    const { error } = await response.json()
    expect(error).toMatchObject({
      type: 'request_too_large',
      message: expect.stringContaining('The request large has'),
    })
    expect((await ofBob.list()).data).toHaveLength(before)
  })

  test('each request is recorded as one of its key', async () => {
    const { id } = await batches.create({ requests: requests('noted') })
    await ended(batches, id)
    const line = gateway.lines.find((line) => line.startsWith('POST /v1/messages {') && line.includes(`batch ${id}`))
    expect(line).toContain('"caller":"AUTH_TOKEN"')
    expect(gateway.lines.some((line) => line.startsWith('a batch has ended') && line.includes(id))).toBe(true)
  })
})

/** A gateway in front of an API whose answers wait until they are let go, or are scripted. */
function held(settings: GatewaySettings = {}) {
  const waiting: (() => void)[] = []
  const api = scriptedApi(['key-1'])
  const upstream = apiUpstream({
    ...{ origin: 'https://api.z.ai', key: 'key-1', idleMs: 60_000 },
    queue: { queueLimit: 100, queueMs: 60_000 },
    fetch: async (url, init) => {
      if (String(url).endsWith('/chat/completions')) await new Promise<void>((resolve) => waiting.push(resolve))
      if (init.signal?.aborted) throw init.signal.reason
      return api.fetch(url, init)
    },
  })
  const gateway = startGateway([upstream], { access: { keys }, ...settings })
  const arrived = async (count: number) => {
    while (waiting.length < count) await new Promise((resolve) => setImmediate(resolve))
  }
  return { api, gateway, batches: batchesOf(gateway.url), waiting, arrived }
}

describe('a batch that is under way', () => {
  test('has no results yet, and is not deleted', async () => {
    const { gateway, batches, arrived, waiting } = held()
    const { id } = await batches.create({ requests: requests('a') })
    await arrived(1)
    expect(await messageOf(batches.results(id))).toContain('Has it finished processing?')
    const results = await fetch(`${gateway.url}/v1/messages/batches/${id}/results`, { headers: { 'x-api-key': alice } })
    expect([results.status, (await results.json()).error.type]).toEqual([400, 'invalid_request_error'])
    expect(await failureOf(batches.delete(id))).toEqual([400, 'invalid_request_error'])
    waiting[0]?.()
    await ended(batches, id)
    await gateway.stop()
  })

  test('is cancelled: what is done stays, what is under way is broken off', async () => {
    const { gateway, batches, arrived, waiting } = held()
    const names = Array.from({ length: 20 }, (_, at) => `r${at}`)
    const { id } = await batches.create({ requests: requests(...names) })
    await arrived(8)
    waiting.shift()?.()
    await arrived(8)
    const canceling = await batches.cancel(id)
    expect(canceling.cancel_initiated_at).toBeString()
    for (const go of waiting) go()
    const done = await ended(batches, id)
    expect(done.request_counts).toEqual({ processing: 0, succeeded: 1, errored: 0, canceled: 19, expired: 0 })
    const results = Object.values(await resultsOf(batches, id)).map(({ type }) => type)
    expect(results.toSorted()).toEqual([...Array(19).fill('canceled'), 'succeeded'])
    expect(await batches.cancel(id)).toEqual(done)
    await gateway.stop()
  })

  test('goes on after its gateway stops, in the next one on the same database', async () => {
    const database = openSqlite({ path: ':memory:', clock: systemClock, warn() {} })
    let aheadMs = 0
    const now = () => systemClock.now() + aheadMs
    const storeOf = (node: string) =>
      createBatchStore({ open: () => database, isLasting: true, maxBytes: 1e6, now, node })
    const first = held({ batches: storeOf('first') })
    const { id } = await first.batches.create({ requests: requests('a', 'b', 'c') })
    await first.arrived(3)
    first.waiting.shift()?.()
    while ((await storeOf('nobody').pending(id, -1, 9)).length > 2)
      await new Promise((resolve) => setImmediate(resolve))
    first.gateway.drain()
    for (const go of first.waiting) go()
    await first.gateway.stop()
    expect(await storeOf('nobody').pending(id, -1, 9)).toHaveLength(2)
    aheadMs = 20_000
    const second = held({ batches: storeOf('second') })
    await second.arrived(2)
    for (const go of second.waiting) go()
    const done = await ended(second.batches, id)
    expect(done.request_counts).toMatchObject({ succeeded: 3 })
    await second.gateway.stop()
    await database.close()
  })

  test('lets a request pass that somebody waits for', async () => {
    const { gateway, batches, arrived, waiting, api } = held()
    const { id } = await batches.create({ requests: requests(...Array.from({ length: 20 }, (_, at) => `r${at}`)) })
    await arrived(8)
    const asked = fetch(`${gateway.url}/v1/messages`, {
      ...{ method: 'POST', headers: { 'x-api-key': alice }, body: JSON.stringify(params('I wait')) },
    })
    while (!gateway.pendingRequests()) await new Promise((resolve) => setImmediate(resolve))
    const go = setInterval(() => waiting.shift()?.(), 1)
    expect((await asked).status).toBe(200)
    const before = api.to(chatRoute).findIndex(({ body }) => JSON.stringify(body).includes('I wait'))
    expect(before).toBeLessThan(17)
    await ended(batches, id)
    clearInterval(go)
    await gateway.stop()
  })
})

test('a batch has more values than any other body', async () => {
  const sizes: number[] = []
  const batch = { id: 'msgbatch_1', createdAt: 0, expiresAt: 0 }
  const counts = { succeeded: 0, errored: 0, canceled: 0, expired: 0 }
  const create: BatchStore['create'] = async ({ entries: { length: size } }) => {
    sizes.push(size)
    return { ...batch, size, counts }
  }
  const app = gatewayApp([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })], {
    ...{ batches: { ...noBatchStore, create }, maxBodyBytes: 10_000_000 },
  })
  const ask = async (path: string, body: object) =>
    await app.handle(new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body) }))
  const many = requests(...Array.from({ length: 30_000 }, (_, at) => `r${at}`))
  expect((await ask('/v1/messages/batches', { requests: many })).status).toBe(200)
  expect(sizes).toEqual([30_000])
  const other = await ask('/v1/messages', { ...params(), tags: many })
  expect([other.status, (await other.json()).error.message]).toEqual([
    ...[400, 'The request body holds more than 250000 JSON values.'],
  ])
})

test('results break off when their batch is deleted, and do not look whole', async () => {
  const database = openSqlite({ path: ':memory:', clock: systemClock, warn() {} })
  const common = { isLasting: true, maxBytes: 1e6, now: systemClock.now, node: 'one' }
  const store = createBatchStore({ open: () => database, ...common })
  const app = gatewayApp([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })], { batches: store })
  const entries = Array.from({ length: 1_000 }, (_, at) => ({ name: `r${at}`, body: '{}' }))
  const made = { owner: 'master', dialect: 'anthropic-messages', headers: [], entries }
  const ask = (method: string, path: string) =>
    app.handle(new Request(`http://localhost/v1/messages/batches/${path}`, { method }))
  const linesOf = async (id: string, afterFirst?: () => Promise<unknown>) => {
    const reader = (await ask('GET', `${id}/results`)).body?.getReader()
    const decoder = new TextDecoder()
    let text = ''
    for (let first = true; ; first = false) {
      const read = await reader?.read().catch(() => undefined)
      if (read === undefined) return 'broken off'
      if (read.done) return text.split('\n').length - 1
      text += decoder.decode(read.value, { stream: true })
      if (first) await afterFirst?.()
    }
  }
  for (const id of ['msgbatch_1', 'msgbatch_2']) {
    await store.create({ id, ...made })
    await store.end(id, 'expired')
  }
  expect(await linesOf('msgbatch_1')).toBe(1_000)
  const deleted = async () => expect((await ask('DELETE', 'msgbatch_2')).status).toBe(200)
  expect(await linesOf('msgbatch_2', deleted)).toBe('broken off')
  await database.close()
})

test('STORE=off takes none', async () => {
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const gateway = startGateway([upstream], { batches: noBatchStore })
  const batches = batchesOf(gateway.url)
  expect(await messageOf(batches.create({ requests: requests('a') }))).toContain('STORE=off')
  expect((await batches.list()).data).toEqual([])
  expect(await failureOf(batches.retrieve('msgbatch_1'))).toEqual([404, 'not_found_error'])
  await gateway.stop()
})
