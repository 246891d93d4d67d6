import { afterAll, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { type ChatRequest, textOf } from '../../src/core/request.ts'
import { createResponseStore } from '../../src/store/responses.ts'
import { finish, say, usage } from '../dialects/stream.ts'
import { startGateway } from '../support/gateway.ts'
import { plainModel, replyingWith } from '../support/replies.ts'

const asked: ChatRequest[] = []
const store = createResponseStore({
  ...{ path: ':memory:', maxBytes: 64 * 1024 * 1024, maxRows: 100, maxAgeMs: 60_000 },
  now: () => performance.now(),
  warn() {},
})
const upstream = replyingWith(() => [say('Noted.'), usage, finish()])
const gateway = startGateway(
  [
    {
      ...upstream,
      open(call) {
        asked.push(call.request)
        return upstream.open(call)
      },
    },
  ],
  { maxBodyBytes: 32 * 1024 * 1024, store },
)
afterAll(() => gateway.stop())

const { conversations, responses } = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'k', maxRetries: 0 })
const model = plainModel.id
const say1 = { role: 'user' as const, content: 'The word is heron.' }

/** What the model was told last, in order. */
function told(): string[] {
  return (asked.at(-1)?.messages ?? []).map((message) => ('parts' in message ? textOf(message.parts as never) : ''))
}

async function texts(id: string): Promise<unknown[]> {
  const page = await conversations.items.list(id, { order: 'asc' })
  return page.data.map((item) => (item.type === 'message' ? (item.content[0] as { text: string }).text : item.type))
}

async function refused(attempt: PromiseLike<unknown>) {
  try {
    return await attempt
  } catch (thrown) {
    const { status, code, param } = thrown as { status: number; code: string; param: string }
    return { status, code, param }
  }
}

test('a conversation collects what is asked and answered in it', async () => {
  const { id } = await conversations.create({ items: [say1], metadata: { topic: 'birds' } })
  const first = await responses.create({ model, input: 'Which word?', conversation: id })
  expect(first.conversation).toEqual({ id })
  expect(told()).toEqual(['The word is heron.', 'Which word?'])
  for await (const _ of await responses.create({
    model,
    input: 'Again?',
    conversation: { id },
    store: false,
    stream: true,
  })) {
    // Read to its end.
  }
  expect(told()).toEqual(['The word is heron.', 'Which word?', 'Noted.', 'Again?'])
  expect(await texts(id)).toEqual(['The word is heron.', 'Which word?', 'Noted.', 'Again?', 'Noted.'])
})

test('answers that end at the same time are all added', async () => {
  const { id } = await conversations.create()
  const inputs = ['a', 'b', 'c', 'd', 'e']
  await Promise.all(inputs.map((input) => responses.create({ model, input, conversation: id })))
  expect((await texts(id)).toSorted()).toEqual([...inputs.map(() => 'Noted.'), ...inputs])
})

test('its items can be added, read and removed, and its metadata changed', async () => {
  const { id } = await conversations.create({})
  const added = await conversations.items.create(id, { items: [say1, { role: 'user', content: 'Second.' }] })
  expect(added.data.map((item) => item.type)).toEqual(['message', 'message'])
  const itemId = added.data[0]?.id ?? ''
  expect(await conversations.items.retrieve(itemId, { conversation_id: id })).toMatchObject({
    id: itemId,
    role: 'user',
  })
  expect(await conversations.items.delete(itemId, { conversation_id: id })).toMatchObject({
    id,
    object: 'conversation',
  })
  expect(await texts(id)).toEqual(['Second.'])
  expect(await conversations.update(id, { metadata: { topic: 'x' } })).toMatchObject({ metadata: { topic: 'x' } })
  expect(await conversations.retrieve(id)).toMatchObject({ object: 'conversation', metadata: { topic: 'x' } })
})

test('one that would hold up other requests is refused, and stays as it was', async () => {
  const large = 'a'.repeat(5_000_000)
  const { id } = await conversations.create({ items: [{ role: 'user', content: large }] })
  const items = [{ role: 'user' as const, content: large }]
  const tooLarge = { status: 413, code: 'conversation_too_large' }
  expect(await refused(conversations.items.create(id, { items }))).toEqual({ ...tooLarge, param: 'items' })
  expect(await refused(conversations.create({ items: [...items, ...items] }))).toEqual({ ...tooLarge, param: 'items' })
  const update = conversations.update(id, { metadata: { a: large } as never })
  expect(await refused(update)).toEqual({ ...tooLarge, param: 'metadata' })
  const many = Array.from({ length: 9_000 }, () => ({ role: 'user' as const, content: 'a' }))
  const { id: crowded } = await conversations.create({ items: many })
  await conversations.items.create(crowded, { items: many })
  expect(await refused(conversations.items.create(crowded, { items: many }))).toEqual({ ...tooLarge, param: 'items' })
  expect(await texts(id)).toEqual([large])
})

test('what is not there, or not both, is refused by name', async () => {
  const { id } = await conversations.create({})
  await conversations.delete(id)
  expect(await refused(conversations.retrieve(id))).toMatchObject({ status: 404, code: 'conversation_not_found' })
  expect(await refused(responses.create({ model, input: 'x', conversation: id }))).toMatchObject({ status: 404 })
  const other = await conversations.create({})
  const item = await refused(conversations.items.retrieve('msg_0', { conversation_id: other.id }))
  expect(item).toMatchObject({ status: 404, code: 'item_not_found' })
  expect(await refused(responses.retrieve(other.id))).toMatchObject({ status: 404 })
  const both = { model, input: 'x', conversation: other.id, previous_response_id: 'resp_1' }
  expect(await refused(responses.create(both))).toMatchObject({ status: 400, param: 'previous_response_id' })
  expect(await refused(conversations.items.create(other.id, { items: 'x' as never }))).toMatchObject({
    status: 400,
    param: 'items',
  })
})
