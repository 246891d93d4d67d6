import { afterAll, describe, expect, test } from 'bun:test'
import type OpenAI from 'openai'
import { createResponseStore, noResponseStore } from '../../src/store/responses.ts'
import { startGateway } from '../support/gateway.ts'
import { clientOf, model, plain, storeLimits, upstream, weather } from './storing.ts'

const gateway = startGateway([upstream])
const forgetful = startGateway([upstream], { store: noResponseStore })
const broken = createResponseStore({ ...storeLimits, warn() {} })
await broken.close()
const unlucky = startGateway([upstream], { store: broken })
afterAll(() => Promise.all([gateway.stop(), forgetful.stop(), unlucky.stop()]))

const { responses } = clientOf(gateway)

/** What a call of the package throws; the package's promises are lazy. */
async function refusal(attempt: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await attempt
  } catch (thrown) {
    return thrown
  }
}

describe('a stored response', () => {
  test('is continued by its id, streaming and whole, and again from where that ended', async () => {
    const first = await responses
      .stream({ ...plain, input: '[tool:get_weather {"city":"Oslo"}] Weather?', tools: [weather] })
      .finalResponse()
    const [called] = first.output.filter((item) => item.type === 'function_call')
    const second = await responses.create({
      ...plain,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: called?.call_id ?? '', output: 'Oslo: 3 °C' }],
      tools: [weather],
    })
    expect(second.output_text).toContain('Oslo: 3 °C')
    expect(second.previous_response_id).toBe(first.id)
    const third = await responses.create({ ...plain, previous_response_id: second.id, input: 'And now?' })
    const types = []
    for await (const item of responses.inputItems.list(third.id, { order: 'asc' })) types.push(item.type)
    expect(types).toEqual(['message', 'message', 'function_call', 'function_call_output', 'message', 'message'])
  })

  test.each(['whole', 'stream'])('can be read as it was sent (%s)', async (way) => {
    const sent =
      way === 'whole'
        ? await responses.create({ model, input: 'Hello' })
        : await responses.stream({ model, input: 'Hello' }).finalResponse()
    const kept = await responses.retrieve(sent.id)
    expect(kept.output_text).toBe(sent.output_text)
    expect(kept).toMatchObject({ id: sent.id, status: 'completed', usage: { ...sent.usage } })
  })

  test('resolves references to its items', async () => {
    const first = await responses.create({ ...plain, input: 'Hello' })
    const [item] = first.output
    const second = await responses.create({
      ...plain,
      input: [
        { type: 'item_reference', id: item?.id ?? '' },
        { role: 'user', content: 'And?' },
      ],
    })
    const { data } = await responses.inputItems.list(second.id, { order: 'asc' })
    expect(data).toMatchObject([
      { id: item?.id, type: 'message' },
      { role: 'user', content: [{ text: 'And?' }] },
    ])
  })

  test('lists its input newest first, page by page', async () => {
    const input = ['a', 'b', 'c'].map((content) => ({ role: 'user' as const, content }))
    const { id } = await responses.create({ model, input })
    const said = (items: OpenAI.Responses.ResponseItem[]) =>
      items.map((item) => ('content' in item ? item.content?.map((part) => ('text' in part ? part.text : '')) : []))
    const page = await responses.inputItems.list(id, { limit: 2 })
    expect(said(page.data)).toEqual([['c'], ['b']])
    expect(page.has_more).toBe(true)
    const next = await page.getNextPage()
    expect(said(next.data)).toEqual([['a']])
    expect(next.has_more).toBe(false)
  })

  test('is gone once it is deleted', async () => {
    const { id } = await responses.create({ model, input: 'Hello' })
    await responses.delete(id)
    const attempts = [() => responses.retrieve(id), () => responses.delete(id), () => responses.inputItems.list(id)]
    for (const attempt of attempts)
      expect(await refusal(attempt())).toMatchObject({ status: 404, code: 'response_not_found' })
  })

  test('was over before it could be cancelled', async () => {
    const { id } = await responses.create({ model, input: 'Hello' })
    expect(await refusal(responses.cancel(id))).toMatchObject({
      status: 400,
      message: expect.stringContaining('Cannot cancel a synchronous response'),
    })
    expect(await refusal(responses.cancel('resp_unknown'))).toMatchObject({ status: 404 })
  })

  test('cannot be streamed again', async () => {
    const { id } = await responses.create({ model, input: 'Hello' })
    expect(await refusal(responses.retrieve(id, { stream: true }))).toMatchObject({ status: 400, param: 'stream' })
  })

  test.each(['/v1', '', '/v1/v1', '/openai', '/openai/v1', '/anthropic/v1'])('is found under %p', async (path) => {
    const client = clientOf(gateway, path)
    const { id } = await client.responses.create({ model, input: 'Hello' })
    expect((await client.responses.retrieve(id)).id).toBe(id)
  })
})

describe('nothing is stored', () => {
  test('of a request that says so', async () => {
    const { id } = await responses.create({ model, input: 'Hello', store: false })
    expect(await refusal(responses.retrieve(id))).toMatchObject({ status: 404 })
  })

  test('of a reply that failed', async () => {
    const { id } = await responses.stream({ model, input: '[error-mid] Hello' }).finalResponse()
    expect(await refusal(responses.retrieve(id))).toMatchObject({ status: 404 })
  })

  test.each([
    ['without a store', forgetful, { status: 400, code: 'previous_response_not_found', param: 'previous_response_id' }],
    ['with a store that is broken', unlucky, { status: 503, code: 'store_unavailable' }],
  ])('%s, and replies go out all the same', async (_name, { url }, error) => {
    const client = clientOf({ url })
    const whole = await client.responses.create({ model, input: 'Hello' })
    const streamed = await client.responses.stream({ model, input: 'Hello' }).finalResponse()
    expect(streamed.output_text).toBe(whole.output_text)
    for (const previous_response_id of [whole.id, streamed.id])
      expect(await refusal(client.responses.create({ model, input: 'And?', previous_response_id }))).toMatchObject(
        error,
      )
  })
})

test.each([
  ['an unknown previous response', { input: 'a', previous_response_id: 'resp_x' }, 'previous_response_id'],
  ['work in the background that is not stored', { input: 'a', background: true, store: false }, 'background'],
  ['a field of the wrong kind', { input: 7 }, 'input'],
])('%s is refused in the words of OpenAI', async (_name, fields, param) => {
  const answer = await fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ model, ...fields }),
  })
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error', param } })
})
