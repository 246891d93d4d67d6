import { afterAll, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { systemClock } from '../../src/async/system-clock.ts'
import { clientKeys } from '../../src/http/client-keys.ts'
import { createLimits } from '../../src/http/limits.ts'
import { cutShort } from '../../src/http/shutdown.ts'
import { createResponseStore, noResponseStore, type ResponseStore } from '../../src/store/responses.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp, startGateway, until } from '../support/gateway.ts'

// The vendor's own package against a listening server, with its memory in between.
const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const gateway = startGateway([upstream])
const forgetful = startGateway([upstream], { store: noResponseStore })
const storeLimits = { path: ':memory:', maxBytes: 1_000_000, maxRows: 10, maxAgeMs: 60_000, now: systemClock.now }
const broken = createResponseStore({ ...storeLimits, warn() {} })
await broken.close()
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

describe('a stored response belongs to its caller', () => {
  const policy = {}
  // Today's two callers; here the Responses API takes the key of either.
  const keys = clientKeys({ openaiKey: 'sk-open', anthropicKey: 'sk-anth', policy }).map((key) => ({
    ...key,
    caller: { ...key.caller, scope: ['operator', 'openai', 'anthropic'] as const },
  }))
  const shared = startGateway([upstream], { access: { keys } })
  afterAll(() => shared.stop())

  const ask = async (key: string, method: string, path: string, body?: object) => {
    const response = await fetch(`${shared.url}/v1/responses${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, body: await response.text() }
  }
  const store = async (key: string): Promise<{ id: string; itemId: string }> => {
    const { body } = await ask(key, 'POST', '', { ...plain, input: 'My secret' })
    const { id, output } = JSON.parse(body)
    return { id, itemId: output[0].id }
  }
  const continued = (id: string) => ({ ...plain, input: 'And?', previous_response_id: id })

  describe.each([
    ['sk-open', 'sk-anth'],
    ['sk-anth', 'sk-open'],
  ])('of %s, and is not there for %s', (owner, other) => {
    test.each<[string, string, (id: string) => string, ((id: string) => object) | undefined]>([
      ['read', 'GET', (id) => `/${id}`, undefined],
      ['list', 'GET', (id) => `/${id}/input_items`, undefined],
      ['cancel', 'POST', (id) => `/${id}/cancel`, undefined],
      ['continue', 'POST', () => '', continued],
      ['continue, as a stream', 'POST', () => '', (id) => ({ ...continued(id), stream: true })],
      ['count', 'POST', () => '/input_tokens', continued],
      ['delete', 'DELETE', (id) => `/${id}`, undefined],
    ])('to %s', async (_name, method, path, body) => {
      const { id } = await store(owner)
      const unknown = `resp_${'x'.repeat(24)}`
      const refused = await ask(other, method, path(id), body?.(id))
      const expected = await ask(other, method, path(unknown), body?.(unknown))
      expect(refused.status).toBeOneOf([400, 404])
      expect({ ...refused, body: refused.body.replace(id, unknown) }).toEqual(expected)
      expect((await ask(owner, 'GET', `/${id}`)).status).toBe(200)
    })

    test('to refer to an item of it', async () => {
      const { itemId } = await store(owner)
      const input = [
        { type: 'item_reference', id: itemId },
        { role: 'user', content: 'And?' },
      ]
      const reading = async (key: string) => {
        const { id } = JSON.parse((await ask(key, 'POST', '', { ...plain, input })).body)
        return JSON.parse((await ask(key, 'GET', `/${id}/input_items?order=asc`)).body).data[0]
      }
      expect(await reading(owner)).toMatchObject({ type: 'message', id: itemId })
      expect(await reading(other)).toMatchObject({ type: 'item_reference', id: itemId })
    })
  })

  test('as well as to ask for it with a key that does not open the API', async () => {
    const access = { openaiKey: 'sk-open', anthropicKey: 'sk-anth' }
    const locked = startGateway([upstream], { access })
    const headers = { authorization: 'Bearer sk-open', 'content-type': 'application/json' }
    const body = JSON.stringify({ ...plain, input: 'My secret' })
    const stored = await fetch(`${locked.url}/v1/responses`, { method: 'POST', headers, body })
    const { id }: { id: string } = JSON.parse(await stored.text())
    const statusOf = async (key: string, asked: string) =>
      (await fetch(`${locked.url}/v1/responses/${asked}`, { headers: { authorization: `Bearer ${key}` } })).status
    expect([await statusOf('sk-open', id), await statusOf('sk-anth', id), await statusOf('sk-anth', 'resp_x')]).toEqual(
      [200, 401, 401],
    )
    await locked.stop()
  })

  test('the operator’s own stays when a key is set, or exchanged', async () => {
    const store = createResponseStore({ ...storeLimits, warn() {} })
    const open = startGateway([upstream], { store })
    const { id } = await clientOf(open).responses.create({ ...plain, input: 'Mine' })
    await open.stop()
    for (const openaiKey of ['sk-one', 'sk-two']) {
      const locked = startGateway([upstream], { store, access: { openaiKey } })
      const client = new OpenAI({ baseURL: `${locked.url}/v1`, apiKey: openaiKey, maxRetries: 0 })
      expect((await client.responses.retrieve(id)).id).toBe(id)
      await locked.stop()
    }
  })
})

describe('a store that takes its time', () => {
  /** Keeps what it is given once `release` is called. */
  function slowStore(): { store: ResponseStore; asked: () => boolean; release: () => void } {
    const memory = createResponseStore({ ...storeLimits, warn() {} })
    const { promise, resolve } = Promise.withResolvers<void>()
    let asked = false
    const put: ResponseStore['put'] = async (owner, response) => {
      asked = true
      await promise
      await memory.put(owner, response)
    }
    return { store: { ...memory, put }, asked: () => asked, release: resolve }
  }

  test.each([false, true])('is waited for before the reply is over (stream: %p)', async (stream) => {
    const { store, asked, release } = slowStore()
    const slow = startGateway([upstream], { store })
    let isOver = false
    const reply = (
      stream
        ? clientOf(slow)
            .responses.stream({ ...plain, input: 'Hello' })
            .finalResponse()
        : clientOf(slow).responses.create({ ...plain, input: 'Hello' })
    ).then((response) => {
      isOver = true
      return response
    })
    await until(asked, 'the reply is handed to the store')
    expect(isOver).toBe(false)
    release()
    const { id } = await reply
    expect((await clientOf(slow).responses.retrieve(id)).id).toBe(id)
    await slow.stop()
  })

  test('does not cut a stream that is complete when the gateway is shut down', async () => {
    const { store, asked } = slowStore()
    const slow = startGateway([upstream], { store })
    const reply = clientOf(slow)
      .responses.stream({ ...plain, input: 'Hello' })
      .finalResponse()
    await until(asked, 'the reply is handed to the store')
    const stopping = slow.stop(1)
    expect(await reply).toMatchObject({ status: 'completed' })
    await stopping
    expect(slow.lines.filter((line) => line.includes('error'))).toEqual([])
  })

  test('does not make a failure of a whole reply when the gateway is shut down', async () => {
    const { store, asked, release } = slowStore()
    const lines: string[] = []
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, systemClock)
    const app = gatewayApp([upstream], { store }, lines, limits)
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ ...plain, input: 'Hello' })
    const reply = app.handle(new Request('http://localhost/v1/responses', { method: 'POST', headers, body }))
    await until(asked, 'the reply is handed to the store')
    for (const record of [...limits.running]) record.end?.(cutShort())
    release()
    expect(await (await reply).json()).toMatchObject({ status: 'completed' })
    expect(lines.filter((line) => line.includes('error'))).toEqual([])
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
