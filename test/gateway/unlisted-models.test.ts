import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import type { GatewayOptions } from '../../src/gateway/start-call.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type ZaiApiOptions, zaiApi } from '../../src/upstreams/zai-api/index.ts'
import { fieldOf, json } from '../support/chat-zai.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { lending } from '../support/pool.ts'
import { answer, baseUrl, chatRoute, modelsRoute, type ScriptedApi, scriptedApi } from '../support/zai-api.ts'

const running: RunningGateway[] = []
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop()
})

const refusal = (code: string) => () => json({ error: { code, message: 'no' } }, code === '1211' ? 400 : 403)

/** The real upstream with a scripted API. `refused` maps names to the error code with which the API refuses them. */
function setUp(
  refused: Record<string, string> = {},
  settings: Partial<GatewayOptions> = {},
  more: Partial<ZaiApiOptions> = {},
  behind: Upstream[] = [],
) {
  const api: ScriptedApi = scriptedApi(['key-1'], (seen) => {
    const code = refused[String(fieldOf(seen.body, 'model'))]
    return code === undefined ? answer('Hello.') : refusal(code)()
  })
  const upstream = zaiApi(
    {
      keys: ['key-1'],
      baseUrl,
      tools: true,
      scanLimit: 1_000,
      modelsTtlMs: 600_000,
      idleMs: 5_000,
      headersTimeoutMs: 5_000,
      ...more,
    },
    {
      ...lending(systemClock, { queueLimit: 1, queueMs: 0 }),
      // The scripted API has one address for both services.
      fetch: (url, init) => api.fetch(url.replace('/coding/', '/'), init),
      clock: systemClock,
      newUuid: () => crypto.randomUUID(),
      log: () => {},
    },
  )
  const gateway = startGateway([upstream, ...behind], {
    routes: { primaryModel: undefined, smallModel: undefined, ...settings },
  })
  running.push(gateway)
  return {
    gateway,
    sent: () => api.to(chatRoute).map(({ body }) => fieldOf(body, 'model')),
    lists: () => api.to(modelsRoute).length,
    async ask(model: string, path = '/v1/chat/completions') {
      const response = await fetch(gateway.url + path, {
        method: 'POST',
        body: JSON.stringify({ model, max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] }),
      })
      const body = (await response.json()) as { model?: string; error?: { message: string; code?: string } }
      return { status: response.status, body }
    },
  }
}

describe('an unlisted name is sent to the upstream:', () => {
  test.each<[string, string, string, Partial<GatewayOptions>]>([
    ['GLM-5.4', 'GLM-5.4', 'glm-5.4', {}],
    ['with the mark of a long window', 'glm-5.4[1m]', 'glm-5.4', {}],
    ['with the mark and a suffix', 'glm-5.4-thinking[1M]', 'glm-5.4', {}],
    ['with a suffix behind the mark', 'glm-5.4[1m]-search', 'glm-5.4', {}],
    ['behind its vendor', 'z-ai/GLM-6', 'glm-6', {}],
    ['behind the upstream', 'zai-api/Foo-2', 'Foo-2', {}],
    ['behind the upstream, for another vendor’s name', 'zai-api/claude-opus-4', 'glm-5.3', {}],
    ['named by MODEL_MAP', 'new', 'glm-5.4', { modelMap: [['new', 'GLM-5.4[1m]']] }],
    ['named by MODEL_MAP, whatever it looks like', 'new', 'Foo-2', { modelMap: [['new', 'Foo-2']] }],
    ['named by MODEL_MAP behind the upstream', 'new', 'Foo-2', { modelMap: [['new', 'zai-api/Foo-2']] }],
    ['as PRIMARY_MODEL', 'claude-opus-4', 'glm-5.9', { primaryModel: 'GLM-5.9' }],
    ['as SMALL_MODEL', 'claude-haiku-4', 'glm-5.9', { smallModel: 'GLM-5.9' }],
  ])('%s', async (_name, asked, upstreamId, settings) => {
    const { ask, sent } = setUp({}, settings)
    const { status } = await ask(asked)
    expect(sent()).toEqual([upstreamId])
    // The scripted API knows only names of GLM.
    expect(status).toBe(upstreamId === 'Foo-2' ? 404 : 200)
  })

  test.each(['llama-3', 'zai-web/glm-5.3', '-thinking', '[1m]'])('not %p', async (asked) => {
    const { ask, sent } = setUp()
    expect(await ask(asked)).toMatchObject({ status: 404 })
    expect(sent()).toEqual([])
  })
})

test('made-up names that are refused, for whatever reason, are no labels of the metrics', async () => {
  const { ask, gateway } = setUp({ 'made-up-1': '1211', 'made-up-2': '1113', 'made-up-3': '1301' })
  for (const index of [1, 2, 3]) expect((await ask(`zai-api/made-up-${index}`)).status).not.toBe(200)
  expect((await ask('GLM-5.3')).status).toBe(200)
  const page = await (await fetch(`${gateway.url}/metrics`)).text()
  expect(page).not.toContain('made-up')
  expect(page).toContain('model="other",upstream="zai-api",status="4xx"')
  expect(page).toContain('model="GLM-5.3",upstream="zai-api",status="2xx"')
})

describe('Z.AI’s own refusal of a name', () => {
  test('is a 404 with the available models in OpenAI’s form', async () => {
    const { body, status } = await setUp({ 'glm-9': '1211' }).ask('GLM-9')
    expect(status).toBe(404)
    expect(body.error).toMatchObject({ code: 'model_not_found', param: 'model', type: 'not_found_error' })
    expect(body.error?.message).toMatch(/^The model `GLM-9` does not exist here\. Available: .*GLM-5\.3, .*GLM-4\.6/)
  })

  test('is a 404 in Anthropic’s form', async () => {
    const { body, status } = await setUp({ 'glm-9': '1211' }).ask('GLM-9', '/v1/messages')
    expect(status).toBe(404)
    expect(body).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
    expect(body.error?.message).toContain('GLM-5.3')
  })

  test('tells what MODEL_MAP maps the name to', async () => {
    const { body } = await setUp({ 'Foo-2': '1211' }, { modelMap: [['new', 'Foo-2']] }).ask('new')
    expect(body.error?.message).toStartWith('The model `new`, which MODEL_MAP makes `Foo-2`, does not exist here.')
  })

  test('does not list the refused model as available', async () => {
    const { body } = await setUp({ 'glm-5.3': '1211' }).ask('glm-5.3')
    expect(body.error?.message).not.toContain('GLM-5.3,')
    expect(body.error?.message).toContain('GLM-5.3-Flash,')
  })
})

describe('if no primary model is configured', () => {
  const coding: Partial<ZaiApiOptions> = { baseUrl: 'https://api.z.ai/api/coding/paas/v4' }

  test.each<[string, Record<string, string>, string[], Partial<ZaiApiOptions>]>([
    ['the newest answers', {}, ['glm-5.3'], {}],
    ['the newest of the coding plan answers there', {}, ['glm-5.4'], coding],
    ['the next steps in for one the API does not know', { 'glm-5.3': '1211' }, ['glm-5.3', 'glm-5.2'], {}],
    ['and for one the key may not use', { 'glm-5.3': '1220' }, ['glm-5.3', 'glm-5.2'], {}],
    [
      'and for one that the plan does not include, without asking for what is the same',
      { 'glm-5.4': '1311', 'glm-5.3': '1311' },
      ['glm-5.4', 'glm-5.3', 'glm-5-turbo'],
      coding,
    ],
  ])('%s', async (_name, refused, expected, more) => {
    const { ask, sent } = setUp(refused, {}, more)
    expect(await ask('claude-opus-4-7')).toMatchObject({ status: 200, body: { model: 'claude-opus-4-7' } })
    expect(sent()).toEqual(expected)
    // A refused model is not requested again.
    expect(await ask('gpt-5')).toMatchObject({ status: 200 })
    expect(sent()).toEqual([...expected, ...expected.slice(-1)])
  })

  test('small ones have a list of their own', async () => {
    const { ask, sent } = setUp({ 'glm-4.5-air': '1311' })
    expect(await ask('claude-haiku-4-5')).toMatchObject({ status: 200 })
    expect(sent()).toEqual(['glm-4.5-air', 'glm-4.7'])
  })

  test('only the list is requested, and only once', async () => {
    const { ask, sent, lists } = setUp()
    await ask('claude-opus-4-7')
    await ask('claude-opus-4-7')
    expect([sent().length, lists()]).toEqual([2, 1])
  })

  test('a model that the client named has no alternative', async () => {
    const { ask, sent } = setUp({ 'glm-5.3': '1311' })
    expect(await ask('glm-5.3')).toMatchObject({ status: 403 })
    expect(sent()).toEqual(['glm-5.3'])
  })

  test('a failure that is not about the model is returned', async () => {
    const { ask, sent } = setUp({ 'glm-5.3': '1113' })
    expect(await ask('claude-opus-4-7')).toMatchObject({ status: 402 })
    expect(sent()).toEqual(['glm-5.3'])
  })

  test('the same model of the next upstream is used if the account cannot pay', async () => {
    const second = { ...demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }), id: 'second' }
    const { gateway, ask } = setUp({ 'glm-5.3': '1113' }, {}, {}, [second])
    expect(await ask('claude-opus-4-7')).toMatchObject({ status: 200 })
    expect(gateway.lines.join()).toContain('insufficient_quota; going on with second')
    expect(gateway.lines.join()).toContain('"model":"GLM-5.3"')
  })

  test('or the newest that it has', async () => {
    const scripted = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
    const old = (await scripted.models()).filter(({ id }) => id === 'GLM-4.7' || id === 'GLM-4.6')
    const { gateway, ask } = setUp({ 'glm-5.3': '1113' }, {}, {}, [
      { ...scripted, id: 'second', models: async () => old },
    ])
    expect(await ask('claude-opus-4-7')).toMatchObject({ status: 200 })
    expect(gateway.lines.join()).toContain('"model":"GLM-4.7"')
  })

  test('but no other upstream for a name that is bound to its upstream', async () => {
    const second = { ...demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }), id: 'second' }
    const { ask } = setUp({ 'glm-5.3': '1113' }, {}, {}, [second])
    expect(await ask('zai-api/glm-5.3')).toMatchObject({ status: 402 })
  })

  test('of several failures the one that is not about a model is returned', async () => {
    const { ask, sent } = setUp({ 'glm-5.3': '1311', 'glm-5.2': '1113' })
    expect(await ask('claude-opus-4-7')).toMatchObject({ status: 402 })
    expect(sent()).toEqual(['glm-5.3', 'glm-5.2'])
  })

  test('if every model is refused, that is returned', async () => {
    const all = ['5.4', '5.3', '5.2', '5.1', '5', '4.7', '4.6', '4.5'].map((version) => [`glm-${version}`, '1311'])
    expect(await setUp(Object.fromEntries(all)).ask('claude-opus-4-7')).toMatchObject({ status: 403 })
  })
})
