import { afterEach, describe, expect, test } from 'bun:test'
import { closeAll, closing, eventually, gatewayWithKeys, messages, operator } from './served-keys.ts'

afterEach(closeAll)

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
    expect((await send('/v1/key', undefined, secret)).json).toEqual({ ...view, ...(await lastUse(send)) })
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

async function lastUse(send: (path: string) => Promise<{ json: { last_used_at?: number } }>) {
  const { json } = await send('/admin/api/keys/a')
  return json.last_used_at === undefined ? {} : { last_used_at: json.last_used_at }
}
