import { afterEach, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { systemClock } from '../../src/async/system-clock.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { dialects } from '../../src/dialects/index.ts'
import { openKeys } from '../../src/keys/open-keys.ts'
import { modelTable } from '../../src/models/table.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type GatewaySettings, startGateway } from '../support/gateway.ts'

const table = modelTable([
  { id: 'GLM-4.5', price: { input: 1, cached: 0.5, output: 2 }, max_output_tokens: 2_000, context_tokens: 20_000 },
])
const operator = 'sk-operator'
const messages = [{ role: 'user' as const, content: '[fast] Hello' }]
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function gatewayWithKeys(settings: GatewaySettings = { access: { openaiKey: operator } }, known = table) {
  const database = openSqlite({ path: ':memory:', clock: systemClock, warn: () => {} })
  const warnings: string[] = []
  const served = await openKeys({
    ...{
      database,
      clock: systemClock,
      dialects: dialects.map(({ id }) => id),
      upstreams: () => ['demo'],
      table: () => known,
    },
    random: (bytes) => crypto.getRandomValues(bytes),
    policy: () => policy,
    warn: (message, cause) => void warnings.push(`${message}: ${cause}`),
    info: () => {},
  })
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0, table: known })
  const gateway = startGateway([upstream], { ...settings, keys: served })
  closing.push(async () => {
    await gateway.stop()
    await served.close()
    await database.close()
    expect(warnings).toEqual([])
  })
  const send = async (path: string, body?: object, key = operator, method = body ? 'POST' : 'GET', more = {}) => {
    const response = await fetch(gateway.url + path, {
      ...{ method, ...more },
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text === '' ? undefined : JSON.parse(text),
    }
  }
  const create = async (members: object) => {
    const { status, json } = await send('/admin/api/keys', members)
    expect(status).toBe(200)
    return json
  }
  const chat = (key: string, more: object = {}) =>
    send('/v1/chat/completions', { model: 'GLM-4.5', messages, ...more }, key)
  const budget = async (key: string) => (await send('/v1/key', undefined, key)).json.budgets[0]
  return { ...gateway, ...served, database, send, create, chat, budget }
}

const policy = {}

/** Asks until it is so. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

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

describe('the operator', () => {
  test('makes, changes and deletes keys over HTTP as on the command line', async () => {
    const { send, create, chat } = await gatewayWithKeys()
    const { secret, ...view } = await create({ name: 'ci', rpm: 60, budgets: ['tokens:2m/day'] })
    expect(view).toMatchObject({ name: 'ci', rpm: 60, disabled: false, state: 'active', prefix: secret.slice(0, 10) })
    expect((await send('/admin/api/keys')).json).toEqual({ keys: [view] })
    expect((await send(`/admin/api/keys/${view.id}`)).json).toEqual(view)
    expect((await chat(secret)).status).toBe(200)

    const patch = (body: object) => send(`/admin/api/keys/${view.id}`, body, operator, 'PATCH')
    expect((await patch({ disabled: true })).json).toMatchObject({ disabled: true, state: 'disabled' })
    expect(await chat(secret)).toMatchObject({ status: 401, json: { error: { code: 'key_disabled' } } })
    expect((await patch({ disabled: false, rpm: null })).json).not.toHaveProperty('rpm')
    expect((await chat(secret)).status).toBe(200)

    const rotated = (await send(`/admin/api/keys/${view.id}/rotate`, {})).json
    expect((await chat(secret)).status).toBe(401)
    expect((await chat(rotated.secret)).status).toBe(200)

    expect((await send(`/admin/api/keys/${view.id}/reset`, {})).json.budgets[0]).toMatchObject({ spent: 0, left: 2e6 })
    expect((await send(`/admin/api/keys/${view.id}`, undefined, operator, 'DELETE')).status).toBe(204)
    expect(await chat(rotated.secret)).toMatchObject({ status: 401, json: { error: { code: 'invalid_api_key' } } })
    expect((await send(`/admin/api/keys/${view.id}`)).status).toBe(404)
  })

  test.each<[object, number, string, string]>([
    [{}, 400, 'name', 'name'],
    [{ name: '' }, 400, 'name', 'name'],
    [{ name: 'a', rpm: 0 }, 400, 'rpm', 'rpm: expected a whole number, 1 or more'],
    [{ name: 'a', budgets: ['eur:1/day'] }, 400, 'budgets.0', 'budgets.0: expected the unit usd, tokens, credits'],
    [{ name: 'a', budget: 'usd:1/year' }, 400, 'budget', 'budget: expected the window'],
    [{ name: 'a', models: ['glm-5.4'], budget: 'usd:1/day' }, 400, 'budgets', 'the price of GLM-5.4 is not known here'],
    [{ name: 'a', colour: 'red' }, 400, 'colour', 'colour: unknown; a key has name, models'],
    [{ name: 'taken' }, 409, 'name', 'name: there is a key of this name already'],
  ])('is told what is wrong with %j', async (members, status, param, said) => {
    const { send, create } = await gatewayWithKeys()
    await create({ name: 'taken' })
    const refused = await send('/admin/api/keys', members)
    expect([refused.status, refused.json.error.param]).toEqual([status, param])
    expect(refused.json.error.message).toContain(said)
    expect((await send('/admin/api/keys')).json.keys).toHaveLength(1)
  })

  test('alone may do so', async () => {
    const { send, create } = await gatewayWithKeys()
    const { secret, id } = await create({ name: 'a' })
    for (const [path, method, body] of [
      ['/admin/api/keys', 'GET', undefined],
      ['/admin/api/keys', 'POST', { name: 'b' }],
      [`/admin/api/keys/${id}`, 'PATCH', { rpm: null }],
      [`/admin/api/keys/${id}`, 'DELETE', undefined],
      [`/admin/api/keys/${id}/rotate`, 'POST', {}],
      [`/admin/api/keys/${id}/reset`, 'POST', {}],
      ['/metrics', 'GET', undefined],
    ] as const)
      expect([path, method, (await send(path, body, secret, method)).status]).not.toEqual([path, method, 200])
    expect((await send('/admin/api/keys')).json.keys).toHaveLength(1)
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

test('as many requests at a time as the key may have', async () => {
  const { url, create, chat, send } = await gatewayWithKeys()
  const { secret } = await create({ name: 'a', parallel: 1 })
  const leaving = new AbortController()
  const running = await fetch(`${url}/v1/chat/completions`, {
    ...{ method: 'POST', signal: leaving.signal },
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'GLM-4.5', stream: true, messages: [{ role: 'user', content: '[fast] [stall]' }] }),
  })
  const refused = await chat(secret)
  expect(refused.status).toBe(429)
  expect(refused.json.error).toMatchObject({ type: 'rate_limit_error', code: 'parallel_limit_exceeded' })
  expect([refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual(['true', '2'])
  // It is the limit of this key alone, and of what models answer.
  expect((await chat(operator)).status).toBe(200)
  expect((await send('/v1/key', undefined, secret)).status).toBe(200)
  leaving.abort()
  await running.body?.cancel().catch(() => {})
  await eventually(async () => (await chat(secret)).status === 200)
})

test('a key takes no places of others with bodies that never come', async () => {
  const { url, create, chat, send } = await gatewayWithKeys({
    access: { openaiKey: operator },
    limits: { maxConcurrent: 6 },
  })
  const { secret } = await create({ name: 'a', parallel: 1 })
  const leaving = new AbortController()
  closing.push(async () => leaving.abort())
  const holding = Array.from({ length: 6 }, () =>
    fetch(`${url}/v1/messages/count_tokens`, {
      ...{ method: 'POST', signal: leaving.signal },
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('{')) }),
    }).then(({ status }) => status),
  )
  expect(await Promise.race(holding)).toBe(429)
  expect((await chat(operator)).status).toBe(200)
  expect((await send('/v1/messages/count_tokens', { model: 'GLM-4.5', messages })).status).toBe(200)
  leaving.abort()
  await Promise.allSettled(holding)
  await eventually(
    async () => (await send('/v1/messages/count_tokens', { model: 'GLM-4.5', messages }, secret)).status === 200,
  )
})

describe('a key', () => {
  test('for some models and APIs has those alone', async () => {
    const { create, chat, send } = await gatewayWithKeys()
    const { secret } = await create({ name: 'a', models: ['glm-4.5*'], dialects: ['openai-chat'] })
    expect((await chat(secret)).status).toBe(200)
    expect((await chat(secret, { model: 'GLM-4.6' })).status).toBe(404)
    expect((await send('/v1/messages', { model: 'GLM-4.5', max_tokens: 9, messages }, secret)).status).toBe(403)
    const listed: { data: { id: string }[] } = (await send('/v1/models', undefined, secret)).json
    expect(listed.data.filter(({ id }) => !id.startsWith('GLM-4.5'))).toEqual([])
  })

  test('for some MCP servers may use no others, and none where it is off', async () => {
    const settings = { access: { openaiKey: operator }, mcp: { rules: ['127.0.0.1:1', '127.0.0.1:2'] } }
    const { create, send } = await gatewayWithKeys(settings)
    const { secret, id } = await create({ name: 'a', mcp_servers: ['127.0.0.1:1'] })
    const at = (port: number) => ({
      ...{ model: 'GLM-4.5', input: '[fast] Hello' },
      tools: [{ type: 'mcp', server_label: 's', server_url: `http://127.0.0.1:${port}/mcp` }],
    })
    // Nobody listens there.
    expect((await send('/v1/responses', at(1), secret)).status).toBe(424)
    expect((await send('/v1/responses', at(2), secret)).status).toBe(403)
    expect((await send('/v1/responses', at(2), operator)).status).toBe(424)
    expect((await send('/v1/key', undefined, secret)).json.mcp_servers).toEqual(['127.0.0.1:1'])
    const change = async (mcp_servers: unknown) =>
      (await send(`/admin/api/keys/${id}`, { mcp_servers }, operator, 'PATCH')).json.mcp_servers
    expect(await change([])).toEqual([])
    expect((await send('/v1/responses', at(1), secret)).status).toBe(403)
    expect(await change(null)).toBeUndefined()
    expect((await send('/v1/responses', at(2), secret)).status).toBe(424)
  })

  test('sees what is left of it, and nothing of others', async () => {
    const { create, send } = await gatewayWithKeys()
    const { secret, ...view } = await create({ name: 'a', rpm: 5, budget: 'tokens:9000/day' })
    await create({ name: 'other' })
    expect((await send('/v1/key', undefined, secret)).json).toEqual({ ...view, ...(await lastUse(send, secret)) })
    expect((await send('/v1/key')).json).toEqual({
      ...{ id: 'master', name: 'AUTH_TOKEN', disabled: false, budgets: [], state: 'active' },
    })
    expect((await send('/v1/key', undefined, 'sk-wrong')).status).toBe(401)
  })

  test('shows Claude Code what is left of its dollars', async () => {
    const { create, send, chat } = await gatewayWithKeys()
    const { secret } = await create({ name: 'a', budgets: ['usd:0.002/month', 'usd:1/total', 'tokens:90000/day'] })
    await chat(secret)
    const { budgets } = (await send('/v1/key', undefined, secret)).json
    const [month, total] = ['month', 'total'].map((name) =>
      budgets.find(({ window }: { window: string }) => window === name),
    )
    const { status, headers, json } = await send('/api/oauth/usage', undefined, secret)
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    const percent = (budget: typeof month) => Math.floor((budget.spent / budget.limit) * 100)
    expect(percent(month)).toBeGreaterThan(0)
    expect(json).toEqual({
      extra_usage: {
        ...{ is_enabled: true, monthly_limit: 0.2, used_credits: Math.round(month.spent * 1e4) / 100 },
        ...{ utilization: percent(month), currency: 'USD' },
      },
      limits: [
        {
          ...{ kind: 'spend', group: 'monthly', percent: percent(month), severity: 'normal', is_active: true },
          resets_at: new Date(month.resets_at).toISOString(),
        },
        {
          ...{ kind: 'spend', group: 'total', percent: percent(total), severity: 'normal', is_active: false },
          resets_at: null,
        },
      ],
    })
    // The path belongs to Anthropic's API alone, whatever comes before it.
    expect((await send('/anthropic/api/oauth/usage', undefined, secret)).status).toBe(200)
    for (const key of [operator, (await create({ name: 'b', budget: 'tokens:9000/day' })).secret]) {
      const none = await send('/api/oauth/usage', undefined, key)
      expect([none.status, none.json.error.type]).toEqual([404, 'not_found_error'])
    }
    expect((await send('/api/oauth/usage', undefined, 'sk-wrong')).status).toBe(401)
  })

  test('has its stored replies for itself, also with another secret', async () => {
    const { create, send } = await gatewayWithKeys()
    const [first, second] = [await create({ name: 'a' }), await create({ name: 'b' })]
    const { id } = (await send('/v1/responses', { model: 'GLM-4.5', input: '[fast] Hello' }, first.secret)).json
    for (const key of [second.secret, operator]) {
      expect((await send(`/v1/responses/${id}`, undefined, key)).status).toBe(404)
      const next = { model: 'GLM-4.5', input: '[fast] And?', previous_response_id: id }
      expect((await send('/v1/responses', next, key)).status).toBe(400)
    }
    const { secret } = (await send('/admin/api/keys/a/rotate', {})).json
    expect((await send(`/v1/responses/${id}`, undefined, secret)).status).toBe(200)
  })

  test('that was deleted is refused where none is needed, too', async () => {
    const { create, chat, send } = await gatewayWithKeys({})
    const { secret } = await create({ name: 'a', models: ['glm-4.5'] })
    expect((await chat(secret)).status).toBe(200)
    expect((await chat(secret, { model: 'GLM-4.6' })).status).toBe(404)
    expect((await chat('anything', { model: 'GLM-4.6' })).status).toBe(200)
    await send('/admin/api/keys/a', undefined, '', 'DELETE')
    expect((await chat(secret)).status).toBe(401)
  })

  test('may be sent as Anthropic has it', async () => {
    const { url, create } = await gatewayWithKeys()
    const { secret } = await create({ name: 'a' })
    const headers = { 'x-api-key': secret, 'content-type': 'application/json' }
    const body = JSON.stringify({ model: 'GLM-4.5', max_tokens: 300, messages })
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body })
    expect([response.status, await response.text()]).toEqual([200, expect.any(String)])
  })
})

async function lastUse(send: (path: string) => Promise<{ json: { last_used_at?: number } }>, _secret: string) {
  const { json } = await send('/admin/api/keys/a')
  return json.last_used_at === undefined ? {} : { last_used_at: json.last_used_at }
}
