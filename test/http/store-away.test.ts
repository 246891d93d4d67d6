import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { DatabaseError } from '../../src/database/errors.ts'
import { createResponseStore, type ResponseStore, reportFailures } from '../../src/store/responses.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway.ts'

const limits = { path: ':memory:', maxBytes: 1_000_000, maxRows: 100, maxAgeMs: 60_000, now: systemClock.now }
const warnings: string[] = []
let isAway = false
const store = reportFailures(leaving(createResponseStore({ ...limits, warn() {} })), (operation) =>
  warnings.push(operation),
)
const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })], { store })
afterAll(() => gateway.stop())

/** The store, which rejects everything while it is away, as a database does. */
function leaving(memory: ResponseStore): ResponseStore {
  const unlessAway =
    <Args extends unknown[], T>(work: (...args: Args) => Promise<T>) =>
    async (...args: Args) => {
      if (isAway) throw new DatabaseError('late', undefined)
      return await work(...args)
    }
  return {
    put: unlessAway(memory.put),
    get: unlessAway(memory.get),
    change: unlessAway(memory.change),
    delete: unlessAway(memory.delete),
    close: memory.close,
  }
}

async function ask(method: string, path: string, body?: object) {
  const response = await fetch(`${gateway.url}/v1${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
}

const model = 'GLM-4.5'
const item = { role: 'user', content: 'Hello' }
let reply = { id: '', output: [{ id: '' }] }
let conversation = { id: '' }
let itemId = ''
beforeAll(async () => {
  reply = (await ask('POST', '/responses', { model, input: 'Hello' })).body
  conversation = (await ask('POST', '/conversations', { items: [item] })).body
  itemId = (await ask('GET', `/conversations/${conversation.id}/items`)).body.data[0].id
})

async function whileAway<T>(work: () => Promise<T>): Promise<T> {
  isAway = true
  try {
    return await work()
  } finally {
    isAway = false
  }
}

type Asked = [method: string, path: string, body?: object]

describe('while the store is away, nobody is told that there is nothing, but to come again:', () => {
  test.each<[string, () => Asked]>([
    ['a reply that is read', () => ['GET', `/responses/${reply.id}`]],
    ['its input', () => ['GET', `/responses/${reply.id}/input_items`]],
    ['a reply that is cancelled', () => ['POST', `/responses/${reply.id}/cancel`]],
    ['a reply that is deleted', () => ['DELETE', `/responses/${reply.id}`]],
    ['a reply that is continued', () => ['POST', '/responses', { model, input: 'a', previous_response_id: reply.id }]],
    [
      'a reply that is continued by a stream',
      () => ['POST', '/responses', { model, input: 'a', previous_response_id: reply.id, stream: true }],
    ],
    [
      'a reply that is continued in the background',
      () => ['POST', '/responses', { model, input: 'a', previous_response_id: reply.id, background: true }],
    ],
    [
      'tokens of a reply that is continued',
      () => ['POST', '/responses/input_tokens', { model, input: 'a', previous_response_id: reply.id }],
    ],
    [
      'an item of a reply',
      () => ['POST', '/responses', { model, input: [{ type: 'item_reference', id: reply.output[0]?.id }, item] }],
    ],
    ['a reply of a conversation', () => ['POST', '/responses', { model, input: 'a', conversation: conversation.id }]],
    ['a conversation that is begun', () => ['POST', '/conversations', { items: [item] }]],
    ['a conversation that is read', () => ['GET', `/conversations/${conversation.id}`]],
    ['a conversation that is changed', () => ['POST', `/conversations/${conversation.id}`, { metadata: { a: 'b' } }]],
    ['a conversation that is deleted', () => ['DELETE', `/conversations/${conversation.id}`]],
    ['items that are listed', () => ['GET', `/conversations/${conversation.id}/items`]],
    ['items that are added', () => ['POST', `/conversations/${conversation.id}/items`, { items: [item] }]],
    ['an item that is read', () => ['GET', `/conversations/${conversation.id}/items/${itemId}`]],
    ['an item that is removed', () => ['DELETE', `/conversations/${conversation.id}/items/${itemId}`]],
  ])('%s', async (_name, asked) => {
    const { status, headers, body } = await whileAway(() => ask(...asked()))
    expect({ status, body }).toMatchObject({
      status: 503,
      body: { error: { type: 'server_error', code: 'store_unavailable' } },
    })
    expect([headers.get('retry-after'), headers.get('x-should-retry')]).toEqual(['2', 'true'])
    // Nothing was lost.
    expect((await ask('GET', `/responses/${reply.id}`)).status).toBe(200)
    expect((await ask('GET', `/conversations/${conversation.id}/items/${itemId}`)).status).toBe(200)
  })

  test('an id that no store would have', async () => {
    const { status } = await whileAway(() => ask('GET', '/responses/chatcmpl-1'))
    expect(status).toBe(404)
  })
})

test('a reply is sent all the same when it cannot be stored, and is then not there', async () => {
  await ask('POST', '/responses', { model, input: 'Hello' })
  warnings.length = 0
  const { status, body } = await whileAway(async () => {
    await ask('POST', '/responses', { model, input: 'Hello' })
    return await ask('POST', '/responses', { model, input: 'Hello' })
  })
  expect({ status, warnings }).toEqual({ status: 200, warnings: ['written'] })
  expect((await ask('GET', `/responses/${body.id}`)).status).toBe(404)
  const next = await ask('POST', '/responses', { model, input: 'a', previous_response_id: body.id })
  expect(next).toMatchObject({ status: 400, body: { error: { code: 'previous_response_not_found' } } })
})

async function replyInBackground() {
  const { body } = await ask('POST', '/responses', { model, input: 'Hello', background: true })
  await eventually(async () =>
    expect((await ask('GET', `/responses/${body.id}`)).body).toMatchObject({ status: 'completed' }),
  )
  return body
}

test.each([
  ['that is stored', replyInBackground],
  ['that is in the memory alone', () => whileAway(replyInBackground)],
])(
  'a reply in the background %s and could not be deleted is deleted when its client asks again',
  async (_name, begin) => {
    const body = await begin()
    const deleted = () => ask('DELETE', `/responses/${body.id}`)
    expect((await whileAway(deleted)).status).toBe(503)
    expect((await ask('GET', `/responses/${body.id}`)).status).toBe(200)
    expect((await deleted()).status).toBe(200)
    expect((await ask('GET', `/responses/${body.id}`)).status).toBe(404)
  },
)
