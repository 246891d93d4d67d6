import { afterAll, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { systemClock } from '../../src/async/system-clock.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { BackgroundFormat } from '../../src/core/stored-conversation.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { createBackgroundReplies } from '../../src/http/background-replies.ts'
import { clientKeys, policyOf } from '../../src/http/client-keys.ts'
import { createResponseStore, noResponseStore, type ResponseStore } from '../../src/store/responses.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway, until } from '../support/gateway.ts'
import { replyingWith } from '../support/replies.ts'

const slow = demo({ clock: systemClock, idleMs: 5_000, paceMs: 5 })
const gateway = startGateway([slow], { access: { openaiKey: 'sk-1' }, keepAliveMs: 5_000 })
afterAll(() => gateway.stop())

const clientOf = (url: string, apiKey = 'sk-1') => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }).responses
const responses = clientOf(gateway.url)
const model = 'GLM-4.5'
const long = 'many words '.repeat(40)

type Response = OpenAI.Responses.Response
type Event = OpenAI.Responses.ResponseStreamEvent

const unstored = { isStored: () => false, abort() {} }
const statusOf = (attempt: Promise<unknown>) => attempt.then(undefined, ({ status }) => status)

async function over(id: string, at = responses): Promise<Response> {
  let last: Response = await at.retrieve(id)
  const poll = async () => {
    last = await at.retrieve(id)
  }
  while (last.status === 'queued' || last.status === 'in_progress') await poll()
  return last
}

async function eventsOf(stream: AsyncIterable<Event>): Promise<Event[]> {
  return await Array.fromAsync(stream)
}

describe('a response in the background', () => {
  test('is told at once, goes on without its client, and is complete in the end', async () => {
    const begun = await responses.create({ model, input: long, background: true })
    expect(begun).toMatchObject({ status: 'queued', background: true, output: [] })
    const done = await over(begun.id)
    expect(done).toMatchObject({ id: begun.id, status: 'completed', background: true })
    expect(done.output.length).toBeGreaterThan(0)
    const next = await responses.create({ model, input: 'Go on.', previous_response_id: begun.id })
    expect(next.status).toBe('completed')
  })

  test('streams from any event on, also to a client that comes back', async () => {
    const stream = await responses.create({ model, input: long, background: true, stream: true })
    const seen: Event[] = []
    for await (const event of stream) {
      seen.push(event)
      if (seen.length === 6) break
    }
    const [first] = seen
    const id = first?.type === 'response.created' ? first.response.id : ''
    const rest = await eventsOf(await responses.retrieve(id, { stream: true, starting_after: 5 }))
    const numbers = [...seen, ...rest].map(({ sequence_number }) => sequence_number)
    expect(numbers).toEqual([...numbers.keys()])
    expect(rest.at(-1)).toMatchObject({ type: 'response.completed' })
    const again = await eventsOf(await responses.retrieve(id, { stream: true }))
    expect(again.map(({ sequence_number }) => sequence_number)).toEqual(numbers)
  })

  test('ends when it is cancelled, which may be done twice', async () => {
    const { id } = await responses.create({ model, input: 'many words '.repeat(2_000), background: true })
    const cancelled = await responses.cancel(id)
    expect(cancelled).toMatchObject({ id, status: 'cancelled' })
    expect(await responses.cancel(id)).toMatchObject({ id, status: 'cancelled' })
    await until(() => gateway.lines.some((line) => line.includes('cancelled')), 'the log to say so')
    expect(await responses.retrieve(id)).toMatchObject({ status: 'cancelled' })
  })

  test('cannot be continued before it is complete, and can be deleted', async () => {
    const { id } = await responses.create({ model, input: 'many words '.repeat(2_000), background: true })
    const refused = await responses.create({ model, input: 'x', previous_response_id: id }).catch(({ error }) => error)
    expect(refused).toMatchObject({ code: 'previous_response_not_complete' })
    await responses.delete(id)
    expect(await responses.retrieve(id).catch(({ status }) => status)).toBe(404)
  })

  test('has to be stored', async () => {
    const refused = await responses
      .create({ model, input: 'x', background: true, store: false })
      .catch(({ status, error }) => ({ status, error }))
    expect(refused).toMatchObject({ status: 400, error: { param: 'background' } })
  })
})

test('it can be deleted where nothing is stored, once', async () => {
  const forgetful = startGateway([slow], { store: noResponseStore })
  const at = clientOf(forgetful.url)
  const { id } = await at.create({ model, input: long, background: true })
  expect((await over(id, at)).status).toBe('completed')
  await at.delete(id)
  expect(await Promise.all([at.retrieve(id), at.delete(id)].map(statusOf))).toEqual([404, 404])
  await forgetful.stop()
})

test('it is stored twice: before its first event, and when it is complete', async () => {
  const stored: unknown[] = []
  const store: ResponseStore = {
    ...noResponseStore,
    async put(_owner, { reply }) {
      stored.push(reply.status)
    },
  }
  const storing = startGateway([slow], { store })
  const at = clientOf(storing.url)
  const { id } = await at.create({ model, input: long, background: true })
  await over(id, at)
  expect(stored).toEqual(['queued', 'completed'])
  const cut = await at.create({ model, input: 'many words '.repeat(2_000), background: true })
  await at.cancel(cut.id)
  expect(stored).toEqual(['queued', 'completed', 'queued', 'cancelled'])
  await storing.stop()
})

test('what is kept of those that are over counts with the conversations', async () => {
  const replies = createBackgroundReplies({
    ...{ store: noResponseStore, shared: undefined, clock: systemClock },
    maxKeptText: 10_000,
  })
  const format: BackgroundFormat = {
    ...{ update: (reply) => reply, cancelled: (reply) => reply, failIfAbandoned: (reply) => reply },
    queued: () => ({ id: '', reply: {}, input: [] }),
  }
  for (const id of ['one', 'two', 'three']) {
    const queued = { id, reply: {}, input: [{ text: 'x'.repeat(4_000) }] }
    const background = await replies.begin('me', { format, queued, streaming: Promise.resolve(null), ...unstored })
    await background.cancel()
  }
  expect(['one', 'two', 'three'].map((id) => replies.find('me', id) !== undefined)).toEqual([false, true, true])
})

test('a failure is the end of a response in the background', async () => {
  const failing = startGateway([
    {
      ...replyingWith(() => []),
      open: () => Promise.reject(new GatewayError('upstream-unavailable', 'Nobody is there.')),
    },
  ])
  const at = clientOf(failing.url)
  const { id } = await at.create({ model, input: 'x', background: true })
  expect(await over(id, at)).toMatchObject({ status: 'failed', error: { message: expect.stringContaining('Nobody') } })
  await failing.stop()
})

test('an encoder that cannot even encode its own failure leaves a reply that has failed', async () => {
  const encoder = () => ({
    push() {
      throw new Error('nothing can be encoded')
    },
    end() {},
  })
  const broken = startGateway([slow], { dialects: [{ ...openaiResponses, encoder }] })
  const at = clientOf(broken.url)
  const { id } = await at.create({ model, input: 'x', background: true })
  expect((await over(id, at)).status).toBe('failed')
  expect(await eventsOf(await at.retrieve(id, { stream: true }))).toEqual([])
  await broken.stop()
})

test('others neither see it nor cancel it', async () => {
  const policy = policyOf({ rateLimitRpm: 0, rateLimitTpm: 0 })
  const keys = ['sk-one', 'sk-two'].flatMap((openaiKey) =>
    clientKeys({ openaiKey, policy }).map((key) => ({ ...key, caller: { ...key.caller, keyId: openaiKey } })),
  )
  const shared = startGateway([slow], { access: { keys } })
  const { id } = await clientOf(shared.url, 'sk-one').create({ model, input: long, background: true })
  const other = clientOf(shared.url, 'sk-two')
  const statuses = [other.retrieve(id), other.cancel(id), other.retrieve(id, { stream: true })].map((attempt) =>
    Promise.resolve(attempt).catch(({ status }) => status),
  )
  expect(await Promise.all(statuses)).toEqual([404, 404, 404])
  expect((await over(id, clientOf(shared.url, 'sk-one'))).status).toBe('completed')
  await shared.stop()
})

test('a shutdown waits for it, and one that is cut short has failed', async () => {
  const store = createResponseStore({
    ...{ path: ':memory:', maxBytes: 1_000_000, maxRows: 10, maxAgeMs: 60_000 },
    ...{ now: systemClock.now, warn() {} },
  })
  const going = startGateway([slow], { store })
  const { id } = await clientOf(going.url).create({ model, input: long, background: true })
  expect(await going.stop(10_000)).toBe('drained')
  const after = startGateway([slow], { store })
  expect((await clientOf(after.url).retrieve(id)).status).toBe('completed')
  const cut = await clientOf(after.url).create({ model, input: 'many words '.repeat(2_000), background: true })
  expect(await after.stop(1)).toBe('cut')
  const last = startGateway([slow], { store })
  expect((await clientOf(last.url).retrieve(cut.id)).status).toBe('failed')
  await last.stop()
  await store.close()
})

test('a stream that breaks off or has no end leaves a reply that has failed', async () => {
  const format = openaiResponses.storedConversation?.background
  if (!format) throw new Error('no replies in the background')
  const background = createBackgroundReplies({ store: noResponseStore, shared: undefined, clock: systemClock })
  const broken = () => new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error('cut')) })
  for (const [id, stream] of [
    ['resp_a', new Blob(['event: x\n']).stream()],
    ['resp_b', broken()],
  ] as const) {
    const queued = { id, reply: { id, status: 'queued', created_at: 1 }, input: [] }
    const begun = await background.begin('ann', { format, queued, streaming: Promise.resolve(stream), ...unstored })
    await until(() => begun.current().reply.status === 'failed', 'the reply to have failed')
  }
})
