import { describe, expect, test } from 'bun:test'
import type { EmbeddingCall } from '../../../src/core/embedding.ts'
import type { Upstream } from '../../../src/core/upstream.ts'
import { apiUpstream } from '../../support/api-upstream.ts'
import { json } from '../../support/chat-zai.ts'
import { manualClock } from '../../support/clock.ts'
import { gatewayApp } from '../../support/gateway.ts'
import { webUpstream } from '../../support/web-gateway.ts'
import { chatRoute, origin, refusal, type Seen, scriptedApi } from '../../support/zai-api.ts'

const route = 'POST /api/paas/v4/embeddings'

/** Vectors of one number, the length of the text, in whatever order; tokens as long as the text. */
function vectors({ body }: Seen): Response {
  const input: string[] = Object(body).input
  const data = input.map((text, index) => ({ object: 'embedding', index, embedding: [text.length] }))
  const tokens = input.join('').length
  return json({
    object: 'list',
    model: 'embedding-3',
    data: data.toReversed(),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  })
}

function gatewayOf(...more: Upstream[]) {
  const api = scriptedApi()
  const clock = manualClock()
  const upstream = apiUpstream({ origin, key: 'key-1', fetch: api.fetch, idleMs: 1_000, clock })
  const lines: string[] = []
  const app = gatewayApp([upstream, ...more], {}, lines)
  const ask = async (path: string, body: object, signal?: AbortSignal) => {
    const init = { method: 'POST', body: JSON.stringify(body), ...(signal ? { signal } : {}) }
    const response = await app.handle(new Request(`http://localhost${path}`, init))
    return { status: response.status, body: await response.json() }
  }
  return {
    api,
    lines,
    ask,
    embed: (body: object, signal?: AbortSignal) => ask('/v1/embeddings', { model: 'embedding-3', ...body }, signal),
  }
}

describe("Z.AI's API", () => {
  test('is asked for 64 texts at a time; the vectors keep the order of the texts, and the tokens are summed', async () => {
    const { api, embed } = gatewayOf()
    api.script(route, vectors, vectors, vectors)
    const texts = Array.from({ length: 130 }, (_, index) => 'x'.repeat(1 + (index % 97)))
    const { status, body } = await embed({ input: texts, dimensions: 512 })
    expect(status).toBe(200)
    expect(body.data.map(({ embedding }: { embedding: number[] }) => embedding[0])).toEqual(
      texts.map(({ length }) => length),
    )
    expect(body.usage.prompt_tokens).toBe(texts.join('').length)
    expect(
      api.to(route).map(({ body }) => [Object(body).input.length, Object(body).dimensions, Object(body).model]),
    ).toEqual([
      [64, 512, 'embedding-3'],
      [64, 512, 'embedding-3'],
      [2, 512, 'embedding-3'],
    ])
    expect(api.to(route)[0]?.headers.accept).toBe('application/json')
  })

  test('a refusal of the second part is that of the whole, in the words of the API that was spoken', async () => {
    const { api, ask, embed } = gatewayOf()
    const input = Array.from({ length: 70 }, () => 'text')
    api.script(route, vectors, refusal(400, '1214', 'input is too long'))
    const refused = await embed({ input })
    expect(refused).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining('input is too long') } },
    })
    api.script(route, vectors, refusal(400, '1214', 'input is too long'))
    expect((await ask('/api/embed', { model: 'embedding-3', input })).body).toEqual({
      error: refused.body.error.message,
    })
  })

  test('an account without a balance still serves replies, which its plan may pay for', async () => {
    const { api, ask, embed } = gatewayOf()
    api.script(route, refusal(429, '1113', 'Insufficient balance or no resource package. Please recharge.'))
    expect((await embed({ input: 'text' })).status).toBe(402)
    expect(api.to(route).length).toBe(1)
    const chat = await ask('/v1/chat/completions', { model: 'glm-4.6', messages: [{ role: 'user', content: 'Hi' }] })
    expect([chat.status, api.to(chatRoute).length]).toEqual([200, 1])
  })

  test.each<[string, unknown]>([
    ['fewer vectors than texts', { data: [] }],
    ['no vectors', { data: [{ index: 0, embedding: 'AAAA' }] }],
    ['something else', { ok: true }],
  ])('that answers with %s has failed', async (_name, body) => {
    const { api, embed } = gatewayOf()
    api.script(route, ...Array.from({ length: 3 }, () => () => json(body as object)))
    expect(await embed({ input: 'text' })).toMatchObject({
      status: 502,
      body: { error: { code: 'upstream_malformed' } },
    })
  })

  test.each<[string, unknown]>([
    ['of words', { prompt_tokens: 'x' }],
    ['below zero', { prompt_tokens: -4, total_tokens: -4 }],
    ['that no computer counts to', { prompt_tokens: 1e308, total_tokens: 1e308 }],
    ['in a list', [4]],
  ])('a usage %s is none, and the vectors stay', async (_name, usage) => {
    const { api, embed } = gatewayOf()
    api.script(route, () => json({ data: [{ index: 0, embedding: [7] }], usage }))
    const { status, body } = await embed({ input: 'text' })
    expect([status, body.data?.[0].embedding]).toEqual([200, [7]])
    expect(body.usage.prompt_tokens).toBeWithin(1, 100)
    expect(api.to(route).length).toBe(1)
  })

  test('is asked no further once the client has left', async () => {
    const { api, embed, lines } = gatewayOf()
    const client = new AbortController()
    let aborted: AbortSignal | undefined
    api.script(route, ({ signal }) => {
      aborted = signal
      client.abort()
      throw signal.reason
    })
    await embed({ input: Array.from({ length: 70 }, () => 'text') }, client.signal)
    expect([aborted?.aborted, api.to(route).length]).toEqual([true, 1])
    expect(lines.join('')).toContain('cancelled')
  })
})

test('the web chat has none, and says where there are some', async () => {
  const web = webUpstream({
    url: 'https://chat.z.ai',
    fetch: async () => json({}),
    tokens: [],
    idleMs: 1_000,
    queue: { queueLimit: 1, queueMs: 0 },
  })
  const app = gatewayApp([web])
  const response = await app.handle(
    new Request('http://localhost/v1/embeddings', {
      method: 'POST',
      body: JSON.stringify({ model: 'embedding-3', input: 'a' }),
    }),
  )
  expect([response.status, (await response.json()).error]).toEqual([
    404,
    expect.objectContaining({ code: 'no_embeddings', message: expect.stringContaining('ZAI_API_KEY') }),
  ])
})

describe('of several upstreams', () => {
  const other = (more: Partial<NonNullable<Upstream['embeddings']>> = {}): [Upstream, EmbeddingCall[]] => {
    const calls: EmbeddingCall[] = []
    const model = {
      id: 'nomic-embed',
      upstreamId: 'nomic-embed',
      createdAtSeconds: 0,
      vision: false,
      reasoning: 'never' as const,
      search: false,
      embeds: true as const,
    }
    const upstream = {
      ...apiUpstream({ origin, key: 'key-1', fetch: scriptedApi().fetch, idleMs: 1_000, clock: manualClock() }),
      id: 'mine',
      embeddings: {
        models: async () => [model, { ...model, id: 'embedding-3', upstreamId: 'embedding-3' }],
        unlisted: (name: string, named: boolean) => (named ? { ...model, id: name, upstreamId: name } : undefined),
        mostTexts: 10,
        async embed(call: EmbeddingCall) {
          calls.push(call)
          return { vectors: call.texts.map(() => [7]), inputTokens: 1 }
        },
        ...more,
      },
    }
    return [upstream, calls]
  }

  test('the one that lists the model is asked, or the one that is named', async () => {
    const [upstream, calls] = other()
    const { embed } = gatewayOf(upstream)
    for (const model of ['nomic-embed', 'nomic-embed:latest', 'mine/anything']) await embed({ model, input: 'a' })
    expect(calls.map(({ model }) => model.id)).toEqual(['nomic-embed', 'nomic-embed', 'anything'])
  })

  test('one that has the same model takes over', async () => {
    const [upstream, calls] = other()
    const { api, embed } = gatewayOf(upstream)
    api.script(route, ...Array.from({ length: 3 }, () => refusal(401, '1000', 'Authentication failed')))
    const { status, body } = await embed({ input: 'a' })
    expect([status, body.data[0].embedding, calls.length]).toEqual([200, [7], 1])
  })

  test('lengths that a model does not have are refused', async () => {
    const model = {
      id: 'fixed',
      upstreamId: 'fixed',
      createdAtSeconds: 0,
      vision: false,
      reasoning: 'never' as const,
      search: false,
      dimensions: [256, 512],
    }
    const [upstream] = other({ models: async () => [model] })
    const { embed } = gatewayOf(upstream)
    expect(await embed({ model: 'fixed', input: 'a', dimensions: 300 })).toMatchObject({
      status: 400,
      body: { error: { param: 'dimensions', message: expect.stringContaining('256, 512') } },
    })
    expect((await embed({ model: 'fixed', input: 'a', dimensions: 512 })).status).toBe(200)
  })
})
