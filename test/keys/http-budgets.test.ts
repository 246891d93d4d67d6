import { afterEach, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { modelTable } from '../../src/models/table.ts'
import { closeAll, eventually, gatewayWithKeys, messages } from './served-keys.ts'

afterEach(closeAll)

describe('embeddings', () => {
  const priced = modelTable([{ id: 'embedding-3', price: { input: 1, output: 0 } }])
  const embed = (key: string, input: string, model = 'embedding-3') =>
    ['/v1/embeddings', { model, input }, key] as const

  test('are paid for by the budget of a key, by what the upstream counted', async () => {
    const { send, create, budget } = await gatewayWithKeys(undefined, priced)
    const { secret } = await create({ name: 'index', budgets: ['usd:1/total'] })
    const { status, json } = await send(...embed(secret, 'one two three'))
    expect([status, json.usage.prompt_tokens]).toEqual([200, 3])
    await eventually(async () => (await budget(secret)).reserved === 0)
    expect(await budget(secret)).toMatchObject({ spent: 0.000003 })
  })

  test('are refused where the budget does not pay for them, and where nobody knows the price', async () => {
    const { send, create } = await gatewayWithKeys(undefined, priced)
    const { secret } = await create({ name: 'poor', budgets: ['tokens:3/total'] })
    expect((await send(...embed(secret, 'one two three four five six'))).json.error).toMatchObject({
      code: 'budget_used_up',
    })
    const unpriced = await gatewayWithKeys()
    const { secret: paying } = await unpriced.create({ name: 'paying', budgets: ['usd:1/total'] })
    expect((await unpriced.send(...embed(paying, 'one'))).json.error).toMatchObject({ code: 'price_unknown' })
  })

  test('are not for a key that may use other models alone, and count as its requests', async () => {
    const { send, create } = await gatewayWithKeys()
    const { secret } = await create({ name: 'chats', models: ['glm-*'] })
    expect((await send(...embed(secret, 'one'))).status).toBe(404)
    const { secret: slow } = await create({ name: 'slow', rpm: 1 })
    expect((await send(...embed(slow, 'one'))).status).toBe(200)
    expect((await send(...embed(slow, 'one'))).status).toBe(429)
  })
})

describe('batches', () => {
  const requests = ['one', 'two', 'three'].map((custom_id) => ({
    custom_id,
    params: { model: 'GLM-4.5', max_tokens: 100, messages },
  }))

  test('are paid for by the budget of a key, and what it does not pay for is refused', async () => {
    const { send, create, budget } = await gatewayWithKeys()
    const { secret } = await create({ name: 'night', budgets: ['tokens:5000/total'] })
    const { json: batch } = await send('/v1/messages/batches', { requests }, secret)
    const path = `/v1/messages/batches/${batch.id}`
    await eventually(async () => (await send(path, undefined, secret)).json.processing_status === 'ended')
    expect((await send(path, undefined, secret)).json.request_counts).toMatchObject({ succeeded: 3 })
    await eventually(async () => (await budget(secret)).reserved === 0)
    expect((await budget(secret)).spent).toBeGreaterThan(0)
    const { secret: poor } = await create({ name: 'poor', budgets: ['tokens:3/total'] })
    const { json: refused } = await send('/v1/messages/batches', { requests }, poor)
    const ofPoor = `/v1/messages/batches/${refused.id}`
    await eventually(async () => (await send(ofPoor, undefined, poor)).json.processing_status === 'ended')
    expect((await send(ofPoor, undefined, poor)).json.request_counts).toMatchObject({ errored: 3 })
  })
})

describe('a budget that is used up', () => {
  test.each<[string, string, object, (body: never) => unknown, unknown]>([
    [
      'openai-chat',
      '/v1/chat/completions',
      { messages },
      ({ error }: { error: { type: string; code: string } }) => [error.type, error.code],
      ['insufficient_quota', 'budget_used_up'],
    ],
    [
      'openai-responses',
      '/v1/responses',
      { input: 'Hello' },
      ({ error }: { error: { type: string; code: string } }) => [error.type, error.code],
      ['insufficient_quota', 'budget_used_up'],
    ],
    [
      'anthropic-messages',
      '/v1/messages',
      { messages, max_tokens: 1_000 },
      ({ type, error }: { type: string; error: { type: string; details: { resets_at: number } } }) => [
        type,
        error.type,
        error.details.resets_at % 86_400_000,
      ],
      ['error', 'billing_error', 0],
    ],
  ])('is 402 with the time of its reset in %s', async (_dialect, path, body, read, expected) => {
    const { send, create } = await gatewayWithKeys()
    const { secret } = await create({ name: 'a', budget: 'tokens:100/day' })
    for (const stream of [false, true]) {
      const refused = await send(path, { model: 'GLM-4.5', stream, ...body }, secret)
      expect(refused.status).toBe(402)
      expect(read(refused.json as never)).toEqual(expected)
      expect(refused.text).toMatch(/It resets at \d{4}-\d\d-\d\dT00:00:00\.000Z\./)
      expect(refused.headers.get('x-should-retry')).toBe('false')
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    }
  })

  test("is what OpenAI's SDK says, and is not tried again", async () => {
    const { url, create, lines } = await gatewayWithKeys()
    const { secret } = await create({ name: 'a', budget: 'tokens:100/day', rpm: 2 })
    const client = new OpenAI({ apiKey: secret, baseURL: `${url}/v1`, maxRetries: 3 })
    const ask = () => client.chat.completions.create({ model: 'GLM-4.5', messages })
    for (const _ of [1, 2]) {
      const error = await ask().catch((thrown) => thrown)
      expect(error).toBeInstanceOf(OpenAI.APIError)
      expect([error.status, error.code]).toEqual([402, 'budget_used_up'])
    }
    expect(lines.filter((line) => line.startsWith('POST /v1/chat'))).toHaveLength(2)
    const limited = new OpenAI({ apiKey: secret, baseURL: `${url}/v1`, maxRetries: 0 })
    const refused = await limited.chat.completions.create({ model: 'GLM-4.5', messages }).catch((thrown) => thrown)
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError)
    expect(refused.message).toContain('(rpm is 2)')
    expect(refused.headers.get('x-should-retry')).toBe('true')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})

test('a reply is cut to what the budget pays, and that is said', async () => {
  const { create, chat, budget } = await gatewayWithKeys()
  const { secret } = await create({ name: 'a', budget: 'tokens:900/day' })
  const reply = await chat(secret, { messages: [{ role: 'user', content: '[fast] [long:5000]' }] })
  expect(reply.status).toBe(200)
  expect(reply.headers.get('x-zai2api-ignored')).toBe('max_tokens')
  expect(reply.json.choices[0].finish_reason).toBe('length')
  const { spent, reserved, left } = await budget(secret)
  expect(reserved).toBe(0)
  expect(spent).toBeGreaterThan(200)
  expect(spent).toBeLessThanOrEqual(900)
  expect(left).toBe(900 - spent)
})

test('200 calls at once never pass a budget', async () => {
  const { create, chat, budget } = await gatewayWithKeys()
  const { secret } = await create({ name: 'a', budget: 'tokens:20000/day' })
  const replies = await Promise.all(Array.from({ length: 200 }, () => chat(secret, { max_tokens: 300 })))
  const statuses = new Set(replies.map(({ status }) => status))
  expect([...statuses].filter((status) => ![200, 402, 429].includes(status))).toEqual([])
  const spent = replies.reduce((sum, { status, json }) => sum + (status === 200 ? json.usage.total_tokens : 0), 0)
  expect(spent).toBeLessThanOrEqual(20_000)
  expect(await budget(secret)).toMatchObject({ spent, reserved: 0, left: 20_000 - spent })
}, 60_000)

test('a client that leaves has spent what it has read', async () => {
  const { url, create, budget } = await gatewayWithKeys()
  const { secret } = await create({ name: 'a', budget: 'tokens:5000/day' })
  const leaving = new AbortController()
  const response = await fetch(`${url}/v1/chat/completions`, {
    ...{ method: 'POST', signal: leaving.signal },
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ model: 'GLM-4.5', stream: true },
      messages: [{ role: 'user', content: '[fast] [stall] [long:400]' }],
    }),
  })
  const reader = response.body?.getReader()
  let read = 0
  while (read < 2_000) read += (await reader?.read())?.value?.byteLength ?? 0
  expect((await budget(secret)).reserved).toBeGreaterThan(1_000)
  leaving.abort()
  await eventually(async () => (await budget(secret)).reserved === 0)
  const { spent } = await budget(secret)
  expect(spent).toBeGreaterThan(30)
  expect(spent).toBeLessThan(1_500)
})

test('a request that its upstream refused has cost nothing', async () => {
  const { create, chat, budget } = await gatewayWithKeys()
  const { secret } = await create({ name: 'a', budget: 'tokens:5000/day' })
  expect((await chat(secret, { messages: [{ role: 'user', content: '[500]' }] })).status).toBe(502)
  await eventually(async () => (await budget(secret)).reserved === 0)
  expect(await budget(secret)).toMatchObject({ spent: 0, left: 5_000 })
})

test('an answer that is asked for twice is paid once', async () => {
  const { create, chat, budget } = await gatewayWithKeys()
  const { secret } = await create({ name: 'a', budget: 'tokens:9000/day' })
  const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }
  const reply = await chat(secret, {
    max_tokens: 500,
    messages: [{ role: 'user', content: '[fast] [bad-json]' }],
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
  })
  const { spent, reserved } = await budget(secret)
  expect(reserved).toBe(0)
  if (reply.status === 200) expect(spent).toBe(reply.json.usage.total_tokens)
  else expect(spent).toBeGreaterThan(0)
})

test('an answer that is not the JSON that was asked for, twice, is paid for all the same', async () => {
  const { create, chat, budget } = await gatewayWithKeys()
  const { secret } = await create({ name: 'a', budget: 'tokens:9000/day' })
  const schema = { type: 'object', not: {} }
  const { status, json } = await chat(secret, {
    max_tokens: 500,
    messages: [{ role: 'user', content: `[fast] ${'word '.repeat(500)}` }],
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
  })
  expect([status, json.error.code]).toEqual([502, 'structured_output_invalid'])
  await eventually(async () => (await budget(secret)).reserved === 0)
  // Both prompts have more than 500 tokens.
  expect((await budget(secret)).spent).toBeGreaterThan(1_000)
})
