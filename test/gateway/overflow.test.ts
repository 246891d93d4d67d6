import { describe, expect, test } from 'bun:test'
import type { Delta } from '../../src/core/events.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { gatewayApp } from '../support/gateway.ts'
import { plainModel, replyOf } from '../support/replies.ts'

const contextTokens = 2_000

/** An upstream that answers "Yes." and reports the given usage; `undefined` reports none. */
function upstream(charged: () => number | undefined) {
  let opened = 0
  let maxTokens: number | undefined
  const site: Upstream = {
    id: 'small',
    models: async () => [{ ...plainModel, contextTokens }],
    ignored: () => [],
    check: async () => {},
    async open({ request }) {
      opened++
      maxTokens = request.sampling.maxTokens
      const inputTokens = charged()
      const usage: Delta[] =
        inputTokens === undefined ? [] : [{ type: 'usage', usage: { inputTokens, outputTokens: 1 } }]
      const batches: Delta[][] = [[{ type: 'text', text: 'Yes.' }, ...usage, { type: 'finish', reason: 'stop' }]]
      return replyOf(batches)
    },
  }
  return { site, opened: () => opened, maxTokens: () => maxTokens }
}

/** A prompt of `amount` words of one token each, and 8 tokens of the template. */
const words = (amount: number) => `the${' the'.repeat(amount - 1)}`

const routes = {
  chat: { path: '/v1/chat/completions', more: {} },
  messages: { path: '/v1/messages', more: { max_tokens: 10 } },
}

function ask(app: ReturnType<typeof gatewayApp>, dialect: keyof typeof routes, amount: number, stream = false) {
  const { path, more } = routes[dialect]
  const body = { model: 'GLM-4.5', messages: [{ role: 'user', content: words(amount) }], stream, ...more }
  const headers = { 'content-type': 'application/json' }
  return app.handle(new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) }))
}

/** An app whose upstream has answered 20 prompts of 1,000 tokens at `ratio`. */
async function taught(ratio: number) {
  const { site, opened } = upstream(() => 1_000 * ratio)
  const app = gatewayApp([site])
  for (let n = 0; n < 20; n++) expect((await ask(app, 'chat', 994)).status).toBe(200)
  return { app, refused: () => opened() === 20 }
}

describe('a prompt that cannot fit', () => {
  test.each([false, true])('is refused with OpenAI’s error, with stream: %p', async (stream) => {
    const { app, refused } = await taught(1)
    const reply = await ask(app, 'chat', 2_495, stream)
    expect(reply.status).toBe(400)
    expect(reply.headers.get('x-should-retry')).toBe('false')
    expect(await reply.json()).toEqual({
      error: {
        message:
          "This model's maximum context length is 2000 tokens. However, your messages resulted in 2501 tokens. Please reduce the length of the messages.",
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
    })
    expect(refused()).toBe(true)
  })

  test.each([false, true])('is refused with Anthropic’s error, with stream: %p', async (stream) => {
    const { app, refused } = await taught(1)
    const reply = await ask(app, 'messages', 2_495, stream)
    expect(reply.status).toBe(413)
    expect(reply.headers.get('x-should-retry')).toBe('false')
    expect(await reply.json()).toMatchObject({
      type: 'error',
      error: { type: 'request_too_large', message: 'prompt is too long: 2501 tokens > 2000 maximum' },
    })
    expect(refused()).toBe(true)
  })
})

describe('a prompt that may fit', () => {
  test.each([
    ['is sent as long as there is room for the answer', 1, 1_984, 200],
    ['is refused from the next token on', 1, 1_985, 413],
    ['is sent where the upstream charges less than we count', 0.8, 2_480, 200],
    ['is refused there from the next one on', 0.8, 2_484, 413],
    ['is refused earlier where the upstream charges more', 1.25, 1_587, 413],
    ['is sent below that', 1.25, 1_586, 200],
  ])('%s', async (_name, ratio, amount, status) => {
    const { app } = await taught(ratio)
    expect((await ask(app, 'messages', amount)).status).toBe(status)
  })

  test('is sent as long as the gateway has no earlier usage', async () => {
    const { site } = upstream(() => undefined)
    const app = gatewayApp([site])
    for (let n = 0; n < 30; n++) expect((await ask(app, 'messages', 3_000)).status).toBe(200)
    expect((await ask(app, 'messages', 3_100)).status).toBe(413)
  })

  test('is always sent if the context window is not known', async () => {
    const { site } = upstream(() => 1_000)
    const unknown: Upstream = {
      ...site,
      models: async () => (await site.models()).map(({ contextTokens: _, ...model }) => model),
    }
    expect((await ask(gatewayApp([unknown]), 'messages', 20_000)).status).toBe(200)
  })
})

test('max_tokens beyond the room behind the prompt is reduced, which the log and a header say', async () => {
  const { site, maxTokens } = upstream(() => 1_000)
  const lines: string[] = []
  const app = gatewayApp([site], {}, lines)
  for (let n = 0; n < 20; n++) await ask(app, 'chat', 994)
  const body = { model: 'GLM-4.5', messages: [{ role: 'user', content: words(994) }], max_tokens: 4_000 }
  const headers = { 'content-type': 'application/json' }
  const reply = await app.handle(
    new Request('http://localhost/v1/messages', { method: 'POST', headers, body: JSON.stringify(body) }),
  )
  expect(reply.status).toBe(200)
  expect(reply.headers.get('x-zai2api-ignored')).toBe('max_tokens')
  expect(maxTokens()).toBe(1_000)
  await reply.text()
  expect(lines.at(-1)).toContain('max_tokens 4000 cut to 1000')
})
