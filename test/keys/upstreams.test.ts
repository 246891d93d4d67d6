import { afterEach, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { systemClock } from '../../src/async/system-clock.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { modelTable } from '../../src/models/table.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'
import { keysInMemory } from '../support/keys-in-memory.ts'

const operator = 'sk-operator'
const messages = [{ role: 'user', content: '[fast] Hello' }]
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** An upstream that counts what it is asked for. */
function counted(id: string) {
  const table = modelTable()
  const working = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0, table })
  const state = { asked: 0, isDown: false }
  const down = () => Promise.reject(new GatewayError('upstream-unavailable', `${id} is down`))
  const upstream: Upstream = {
    ...working,
    id,
    open(call) {
      state.asked++
      return state.isDown ? down() : working.open(call)
    },
    ...(working.embeddings
      ? {
          embeddings: {
            ...working.embeddings,
            embed(call) {
              state.asked++
              return working.embeddings?.embed(call) ?? down()
            },
          },
        }
      : {}),
  }
  return { upstream, state }
}

/** A gateway whose first upstream is `plan`, and a key for the second one, `open`, alone. */
async function gatewayWithKey(rules: object = { upstreams: ['open'] }, ids = ['plan', 'open']) {
  const [plan, open] = [counted('plan'), counted('open')]
  const { served, close } = await keysInMemory({ upstreams: ['plan', 'open'] })
  const gateway = startGateway(
    [plan, open].map(({ upstream }) => upstream).filter(({ id }) => ids.includes(id)),
    { access: { openaiKey: operator }, keys: served, routes: { modelMap: [['mapped', 'plan/GLM-4.5']] } },
  )
  const { id, secret } = await served.keys.create({ name: 'guest', ...rules })
  closing.push(async () => {
    await gateway.stop()
    await close()
  })
  const send = async (path: string, body?: object, key = secret, method = body ? 'POST' : 'GET') => {
    const response = await fetch(gateway.url + path, {
      ...{ method, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, headers: response.headers, json: await response.json() }
  }
  const chat = (more: object = {}, key = secret) =>
    send('/v1/chat/completions', { model: 'GLM-4.5', messages, ...more }, key)
  return { ...gateway, plan: plan.state, open: open.state, id, secret, send, chat }
}

describe('a key for one upstream', () => {
  test('has its replies from it, although another one comes first', async () => {
    const { chat, plan } = await gatewayWithKey()
    expect((await chat()).headers.get('x-zai2api-upstream')).toBe('open')
    expect((await chat({}, operator)).headers.get('x-zai2api-upstream')).toBe('plan')
    expect(plan.asked).toBe(1)
  })

  test('does not fall back to another one', async () => {
    const { chat, open, plan } = await gatewayWithKey()
    open.isDown = true
    expect((await chat()).status).toBe(502)
    // Now it rests, which is no reason either.
    expect((await chat()).status).toBe(502)
    expect(plan.asked).toBe(0)
  })

  test.each([
    ['the name of another one in front', { model: 'plan/GLM-4.5' }, 404],
    ['MODEL_MAP', { model: 'mapped' }, 404],
    ['a name of another vendor', { model: 'claude-sonnet-4-5' }, 200],
    ['a suffix', { model: 'GLM-4.5-Search' }, 200],
    ['its own name in front', { model: 'open/GLM-4.5' }, 200],
    ['a name that no list has', { model: 'glm-99' }, undefined],
  ])('cannot reach another one by %s', async (_, body, status) => {
    const { chat, plan } = await gatewayWithKey()
    const reply = await chat(body)
    if (status !== undefined) expect(reply.status).toBe(status)
    expect(plan.asked).toBe(0)
  })

  test.each<[string, object]>([
    ['/v1/messages', { model: 'GLM-4.5', max_tokens: 50, messages }],
    ['/v1/messages/count_tokens', { model: 'plan/GLM-4.5', messages }],
    ['/v1/responses', { model: 'GLM-4.5', input: '[fast] Hello' }],
    ['/v1/responses', { model: 'GLM-4.5', input: '[fast] Hello', background: true }],
    ['/v1/completions', { model: 'GLM-4.5', prompt: '[fast] Hello' }],
    ['/v1beta/models/GLM-4.5:generateContent', { contents: [{ role: 'user', parts: [{ text: '[fast] Hello' }] }] }],
    ['/v1beta/models/plan/GLM-4.5:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }],
    ['/api/chat', { model: 'GLM-4.5', messages, stream: false }],
    ['/v1/embeddings', { model: 'embedding-3', input: 'one' }],
    ['/v1/embeddings', { model: 'plan/embedding-3', input: 'one' }],
  ])('has nothing of another one at %s with %j', async (path, body) => {
    const { send, plan } = await gatewayWithKey()
    const { status } = await send(path, body)
    expect(status).toBe(JSON.stringify([path, body]).includes('plan') ? 404 : 200)
    expect(plan.asked).toBe(0)
  })

  test('has nothing of another one over a WebSocket', async () => {
    const { url, secret, plan, open } = await gatewayWithKey()
    const socket = new ResponsesWS(new OpenAI({ baseURL: `${url}/v1`, apiKey: secret, maxRetries: 0 }))
    const ended = new Promise<string>((resolve) => {
      socket.on('event', ({ type }) => {
        if (/completed|failed|error/.test(type)) resolve(type)
      })
    })
    socket.send({ type: 'response.create', model: 'GLM-4.5', input: '[fast] Hello' })
    expect(await ended).toBe('response.completed')
    socket.close()
    expect([plan.asked, open.asked]).toEqual([0, 1])
  })

  test('is told so by /v1/key and the page, and may be freed', async () => {
    const { id, send, chat } = await gatewayWithKey()
    expect((await send('/v1/key')).json).toMatchObject({ upstreams: ['open'] })
    const changed = await send(`/admin/api/keys/${id}`, { upstreams: null }, operator, 'PATCH')
    expect(changed.json).not.toHaveProperty('upstreams')
    expect((await chat()).headers.get('x-zai2api-upstream')).toBe('plan')
  })
})

test('lists have only what a key can reach', async () => {
  const { send } = await gatewayWithKey({ upstreams: ['open'] }, ['open'])
  const listed = (await send('/v1/models')).json
  expect(listed.data.length).toBeGreaterThan(0)
  expect((await send('/v1/models', undefined, operator)).json).toEqual(listed)
})

describe('where the upstreams of a key are gone', () => {
  test.each<[string, object | undefined]>([
    ['/v1/chat/completions', { model: 'GLM-4.5', messages }],
    ['/v1/messages', { model: 'GLM-4.5', max_tokens: 50, messages }],
    ['/v1beta/models/GLM-4.5:generateContent', { contents: [{ parts: [{ text: 'Hello' }] }] }],
    ['/api/chat', { model: 'GLM-4.5', messages, stream: false }],
    ['/v1/messages/count_tokens', { model: 'GLM-4.5', messages }],
    ['/v1/embeddings', { model: 'embedding-3', input: 'one' }],
    ['/v1/models', undefined],
  ])('%s is refused in its own words', async (path, body) => {
    const { send, plan } = await gatewayWithKey({ upstreams: ['open'] }, ['plan'])
    const { status, json } = await send(path, body)
    expect(status).toBe(403)
    expect(JSON.stringify(json)).toContain('for the upstreams open only')
    expect(plan.asked).toBe(0)
  })
})

test('a rule with an unknown upstream is refused, naming the member', async () => {
  const { send } = await gatewayWithKey()
  const { status, json } = await send('/admin/api/keys', { name: 'b', upstreams: ['nowhere'] }, operator)
  expect([status, json.error.param]).toEqual([400, 'upstreams'])
  expect(json.error.message).toBe('upstreams: there is no upstream "nowhere" here; expected some of plan, open')
})
