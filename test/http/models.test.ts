import { describe, expect, test } from 'bun:test'
import type Anthropic from '@anthropic-ai/sdk'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Model, Upstream } from '../../src/core/upstream.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from '../support/gateway.ts'

const facts = { createdAtSeconds: 1_780_000_000, vision: false, search: false, reasoning: 'never' } as const
const models: Model[] = [
  { ...facts, id: 'GLM-4.5', upstreamId: 'a', contextTokens: 128_000, maxOutputTokens: 98_304 },
  { ...facts, id: 'GLM-4.5-Air', upstreamId: 'b' },
  { ...facts, id: 'GLM-5.2', upstreamId: 'c', contextTokens: 1_000_000 },
]
const upstream: Upstream = { ...demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }), models: async () => models }
const app = gatewayApp([upstream])

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await app.handle(new Request(`http://localhost${path}`, { headers }))
  return { status: response.status, body: await response.json() }
}

const yes = { supported: true }
const no = { supported: false }
const anthropic = { 'anthropic-version': '2023-06-01' }
const names = (body: { data: { id: string }[] }) => body.data.map(({ id }) => id)

describe('the list of models', () => {
  test('is OpenAI’s by default, with the limits that are known', async () => {
    const { body } = await get('/v1/models')
    expect(body.object).toBe('list')
    expect(body.data[0]).toEqual({
      id: 'GLM-4.5',
      object: 'model',
      created: 1_780_000_000,
      owned_by: 'z-ai',
      context_length: 128_000,
      max_output_tokens: 98_304,
    })
    expect(body.data[1]).not.toHaveProperty('context_length')
  })

  test('is Anthropic’s for whoever names a version of it', async () => {
    const { body } = await get('/v1/models', anthropic)
    expect(body).toMatchObject({ has_more: false, first_id: 'GLM-4.5' })
    expect(body.data[0]).toEqual({
      type: 'model',
      id: 'GLM-4.5',
      display_name: 'GLM-4.5',
      created_at: '2026-05-28T20:26:40.000Z',
      max_input_tokens: 128_000,
      max_tokens: 98_304,
      lifecycle: 'active',
      deprecated_at: null,
      retires_at: null,
      line: null,
      allowed_fallback_models: [],
      capabilities: {
        batch: yes,
        citations: no,
        code_execution: no,
        compaction: { supported: false, summarize: no },
        context_management: {
          supported: true,
          clear_thinking_20251015: yes,
          clear_tool_uses_20250919: yes,
          compact_20260112: no,
        },
        effort: { supported: false, low: no, medium: no, high: no, xhigh: no, max: no },
        image_input: no,
        pdf_input: yes,
        server_tools: { supported: false, web_search: no, code_execution: no },
        structured_outputs: yes,
        thinking: { supported: false, types: { adaptive: no, between_tools: no, enabled: no, disabled: yes } },
      },
    } satisfies Anthropic.Beta.BetaModelInfo)
    expect(body.data[1]).toMatchObject({ max_input_tokens: null, max_tokens: null })
  })

  test('says what a model can do', async () => {
    const able: Model = {
      ...facts,
      ...{ id: 'A', upstreamId: 'a' },
      reasoning: 'by-default',
      vision: true,
      search: true,
    }
    const one = gatewayApp([{ ...upstream, models: async () => [{ ...able, efforts: ['low', 'high', 'max'] }] }])
    const response = await one.handle(new Request('http://localhost/v1/models/A', { headers: anthropic }))
    expect((await response.json()).capabilities).toMatchObject({
      effort: { supported: true, low: yes, medium: no, high: yes, xhigh: no, max: yes },
      image_input: yes,
      server_tools: { supported: true, web_search: yes },
      thinking: { supported: true, types: { adaptive: yes, between_tools: yes, enabled: yes, disabled: yes } },
    })
  })

  test('pages as Anthropic does', async () => {
    const first = await get('/v1/models?limit=1', anthropic)
    expect(first.body).toMatchObject({ has_more: true, last_id: 'GLM-4.5' })
    const second = await get(`/v1/models?limit=1&after_id=${first.body.last_id}`, anthropic)
    expect(names(second.body)).toEqual(['GLM-4.5-Air'])
    const back = await get(`/v1/models?limit=1&before_id=${second.body.first_id}`, anthropic)
    expect(back.body).toMatchObject({ has_more: false, last_id: 'GLM-4.5' })
    expect((await get('/v1/models?limit=0', anthropic)).body.error.message).toContain('limit')
  })

  test('has names that Claude Code’s discovery takes, and requests take them too', async () => {
    const { body } = await get('/v1/models?limit=1000', { ...anthropic, 'user-agent': 'claude-code/2.1.330' })
    expect(names(body).slice(0, 3)).toEqual(['anthropic/GLM-4.5', 'anthropic/GLM-4.5-Air', 'anthropic/GLM-5.2[1m]'])
    expect(body.data[2]).toMatchObject({ display_name: 'GLM-5.2', max_input_tokens: 1_000_000 })
    const answer = await app.handle(
      new Request('http://localhost/v1/messages', {
        method: 'POST',
        body: JSON.stringify({ model: body.data[2].id, max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] }),
      }),
    )
    expect((await answer.json()).content[0].text).toContain('GLM-5.2')
  })
})

test('a model belongs to the vendor of its upstream, else to the publisher in its name, else to the upstream', async () => {
  const own: Upstream = {
    ...upstream,
    id: 'home',
    vendor: undefined,
    models: async () =>
      ['zai-org/GLM-4.6-FP8', 'GLM-4.6-local', '/srv/glm'].map((id) => ({ ...facts, id, upstreamId: id })),
  }
  const both = gatewayApp([upstream, own])
  const owners = async (path: string) => {
    const body = await (await both.handle(new Request(`http://localhost${path}`))).json()
    return [body, ...(body.data ?? [])].flatMap(({ id, owned_by }) => (id ? [[id, owned_by]] : []))
  }
  expect((await owners('/v1/models')).filter(([id]) => /^(GLM-4.5|.*GLM-4.6.*|.*srv.*)$/.test(id))).toEqual([
    ['GLM-4.5', 'z-ai'],
    ['zai-org/GLM-4.6-FP8', 'zai-org'],
    ['GLM-4.6-local', 'home'],
    ['/srv/glm', 'home'],
  ])
  expect(await owners('/v1/models/GLM-4.6-FP8')).toEqual([['GLM-4.6-FP8', 'zai-org']])
})

test('one model comes back under the name it was asked for, with what is known of who answers', async () => {
  const { body } = await get('/v1/models/claude-opus-4-7%5B1m%5D')
  expect(body).toEqual({
    id: 'claude-opus-4-7[1m]',
    object: 'model',
    created: 1_780_000_000,
    owned_by: 'z-ai',
    context_length: 128_000,
    max_output_tokens: 98_304,
  })
})

test('what a model takes besides text and what it costs are told where they are known', async () => {
  const seeing = { ...models[0], vision: true, video: true, price: { input: 0.15, cached: 0, output: 0.5 } } as Model
  const response = await gatewayApp([{ ...upstream, models: async () => [seeing] }]).handle(
    new Request('http://localhost/v1/models/GLM-4.5'),
  )
  expect(await response.json()).toMatchObject({
    architecture: { input_modalities: ['text', 'image', 'video'], output_modalities: ['text'] },
    pricing: { prompt: '0.00000015', completion: '0.0000005', input_cache_read: '0' },
  })
})

test.each(['CLAUDE-opus-4-7[1m]', 'gpt-5', 'mine', 'glm-4.5-thinking', 'anthropic/GLM-5.2[1m]', 'z-ai/glm-4.5-air'])(
  'what a request may ask for can be looked up: %s',
  async (model) => {
    const mapped = gatewayApp([upstream], { routes: { modelMap: [['mine', 'GLM-4.5-Air']] } })
    const ask = { model, max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] }
    const headers = { ...anthropic, 'content-type': 'application/json' }
    const post = new Request('http://localhost/v1/messages', { method: 'POST', headers, body: JSON.stringify(ask) })
    expect((await mapped.handle(post)).status).toBe(200)
    const path = `http://localhost/v1/models/${encodeURIComponent(model)}`
    const found = await mapped.handle(new Request(path, { headers: anthropic }))
    expect([found.status, await found.json()]).toMatchObject([200, { type: 'model', id: model }])
  },
)

test.each([
  ['in any case', '/v1/models/glm-4.5', 200],
  ['as Claude Code was told', '/v1/models/anthropic/GLM-5.2%5B1m%5D', 200],
  ['nobody has', '/v1/models/llama-3', 404],
  ['that is broken', '/v1/models/%E0%A4%A', 404],
])('one model %s', async (_name, path, status) => {
  expect((await get(path)).status).toBe(status)
})
