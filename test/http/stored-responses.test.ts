import { afterAll, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { systemClock } from '../../src/async/system-clock.ts'
import { createResponseStore, noResponseStore } from '../../src/store/responses.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'

// The vendor's own package against a listening server, with its memory in between.
const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const gateway = startGateway([upstream])
const forgetful = startGateway([upstream], { store: noResponseStore })
const broken = createResponseStore({
  path: ':memory:',
  maxBytes: 1_000_000,
  maxRows: 10,
  maxAgeMs: 60_000,
  now: systemClock.now,
  warn() {},
})
broken.close()
const unlucky = startGateway([upstream], { store: broken })
afterAll(() => Promise.all([gateway.stop(), forgetful.stop(), unlucky.stop()]))

const clientOf = ({ url }: { url: string }, path = '/v1') =>
  new OpenAI({ baseURL: url + path, apiKey: 'anything', maxRetries: 0 })
const { responses } = clientOf(gateway)
const model = 'GLM-4.5'

/** What a call of the package throws; the package's promises are lazy. */
async function refusal(attempt: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await attempt
  } catch (thrown) {
    return thrown
  }
}

const weather: OpenAI.Responses.FunctionTool = {
  type: 'function',
  name: 'get_weather',
  description: 'Weather of a city',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

describe('the openai package', () => {
  test('reads a whole response', async () => {
    const response = await responses.create({ model, input: 'Hello there' })
    expect(response).toMatchObject({ object: 'response', status: 'completed', model, error: null, store: true })
    expect(response.output_text).toContain('Hello there')
    expect(response.usage?.total_tokens).toBe(
      (response.usage?.input_tokens ?? 0) + (response.usage?.output_tokens ?? 0),
    )
  })

  test('reads a stream as the same text', async () => {
    const input = 'Say 你好 🌏 twice'
    const whole = await responses.create({ model, input })
    const final = await responses.stream({ model, input }).finalResponse()
    expect(final.output_text).toBe(whole.output_text)
    expect(final.status).toBe('completed')
  })

  test('gets reasoning as an item of its own', async () => {
    const { output } = await responses.create({ model: 'GLM-4.5-Thinking', input: 'Why?' })
    expect(output.map(({ type }) => type)).toEqual(['reasoning', 'message'])
  })

  test('gets a reply cut for length as an incomplete response', async () => {
    const final = await responses.stream({ model, input: '[length] Tell me all' }).finalResponse()
    expect(final).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
  })

  test('gets a failure in the middle as a failed response', async () => {
    const final = await responses.stream({ model, input: '[error-mid] Tell me all' }).finalResponse()
    expect(final).toMatchObject({ status: 'failed', error: { message: expect.any(String) } })
  })

  test('parses JSON of the shape it asks for', async () => {
    const format = { type: 'json_schema' as const, name: 'n', schema: { type: 'object', properties: {} } }
    const { output_parsed } = await responses.parse({ model, input: 'Give me JSON', text: { format } })
    expect(output_parsed).toBeObject()
  })

  test('runs a tool over two rounds, sending the items back', async () => {
    const input: OpenAI.Responses.ResponseInput = [
      { role: 'user', content: '[tool:get_weather {"city":"Oslo"}] What is the weather?' },
    ]
    const first = await responses.stream({ model, input, tools: [weather] }).finalResponse()
    const [called] = first.output.filter((item) => item.type === 'function_call')
    expect(called).toMatchObject({ name: 'get_weather', arguments: '{"city":"Oslo"}', status: 'completed' })
    // The package adds `parsed_arguments` and the like to what its stream helper gives.
    for (const item of first.output) if (item.type === 'function_call') input.push(item)
    input.push({ type: 'function_call_output', call_id: called?.call_id ?? '', output: 'Oslo: 3 °C' })
    const second = await responses.create({ model, input, tools: [weather] })
    expect(second.output_text).toContain('Oslo: 3 °C')
  })

  test('gets parallel calls, each with its own id', async () => {
    const { output } = await responses.create({ model, input: '[tools:2] Weather, please', tools: [weather] })
    const calls = output.flatMap((item) => (item.type === 'function_call' ? [item.call_id] : []))
    expect(new Set(calls).size).toBe(2)
  })

  test('runs a freeform tool', async () => {
    const stream = responses.stream({
      model,
      input: '[tool:apply_patch {"input":"*** Begin\\n+ \\"a\\"\\n*** End"}] Fix it',
      tools: [{ type: 'custom', name: 'apply_patch', description: 'Changes files.' }],
    })
    let streamed = ''
    for await (const event of stream)
      if (event.type === 'response.custom_tool_call_input.delta') streamed += event.delta
    const patch = '*** Begin\n+ "a"\n*** End'
    expect(streamed).toBe(patch)
    expect((await stream.finalResponse()).output).toContainEqual(
      expect.objectContaining({ type: 'custom_tool_call', name: 'apply_patch', input: patch }),
    )
  })

  test('gets a call of a namespace under both names', async () => {
    const { output } = await responses.create({
      model,
      input: '[tool:team__ask {"city":"Oslo"}] Ask them',
      tools: [{ type: 'namespace', name: 'team', description: 'Helpers.', tools: [{ ...weather, name: 'ask' }] }],
    })
    expect(output).toContainEqual(
      expect.objectContaining({ type: 'function_call', name: 'ask', namespace: 'team', arguments: '{"city":"Oslo"}' }),
    )
  })
})

const plain = { model, reasoning: { effort: 'none' as const } }

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
    ['without a store', forgetful],
    ['with a store that is broken', unlucky],
  ])('%s, and replies go out all the same', async (_name, { url }) => {
    const client = clientOf({ url })
    const whole = await client.responses.create({ model, input: 'Hello' })
    const streamed = await client.responses.stream({ model, input: 'Hello' }).finalResponse()
    expect(streamed.output_text).toBe(whole.output_text)
    for (const previous_response_id of [whole.id, streamed.id])
      expect(await refusal(client.responses.create({ model, input: 'And?', previous_response_id }))).toMatchObject({
        status: 400,
        code: 'previous_response_not_found',
        param: 'previous_response_id',
      })
  })
})

test.each([
  ['an unknown previous response', { input: 'a', previous_response_id: 'resp_x' }, 'previous_response_id'],
  ['work in the background', { input: 'a', background: true }, 'background'],
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
