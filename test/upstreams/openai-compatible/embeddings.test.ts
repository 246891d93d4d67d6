import { afterAll, expect, test } from 'bun:test'
import { systemClock } from '../../../src/async/system-clock.ts'
import { openaiCompatible } from '../../../src/upstreams/openai-compatible/index.ts'
import { gatewayApp } from '../../support/gateway.ts'
import { lending } from '../../support/pool.ts'

const asked: unknown[] = []
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    if (request.url.endsWith('/models'))
      return Response.json({ data: [{ id: 'nomic-embed-text:latest' }, { id: 'glm' }] })
    const body = await request.json()
    asked.push(body)
    const data = body.input.map((text: string, index: number) => ({ index, embedding: [text.length] }))
    return Response.json({ data, usage: { prompt_tokens: 5, total_tokens: 5 } })
  },
})
afterAll(() => server.stop(true))

const settings = { idleMs: 1_000, headersTimeoutMs: 1_000, modelsTtlMs: 60_000, scanLimit: 1_000, tools: true }
const upstream = openaiCompatible(
  { id: 'mine', baseUrl: `http://127.0.0.1:${server.port}/v1`, keys: [''], reasoning: 'none', ...settings },
  {
    ...lending(systemClock, { queueLimit: 1, queueMs: 0 }),
    fetch,
    clock: systemClock,
    random: () => 0,
    newUuid: () => 'id',
    log: () => {},
  },
)
const app = gatewayApp([upstream])

test.each([
  ['the model that it lists', 'nomic-embed-text', 'nomic-embed-text:latest'],
  ["another vendor's name, for the model that it lists", 'text-embedding-3-small', 'nomic-embed-text:latest'],
  ['any model that is addressed to it', 'mine/other', 'other'],
])('a server of the user is asked for %s', async (_name, model, sent) => {
  const init = { method: 'POST', body: JSON.stringify({ model, input: ['ab', 'c'] }) }
  const response = await app.handle(new Request('http://localhost/v1/embeddings', init))
  const { data, usage } = await response.json()
  expect(data.map(({ embedding }: { embedding: number[] }) => embedding)).toEqual([[2], [1]])
  expect([usage.prompt_tokens, asked.at(-1)]).toEqual([5, { model: sent, input: ['ab', 'c'] }])
})
