import { expect, test } from 'bun:test'
import type { ChatRequest } from '../../src/core/request.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { startGateway } from '../support/gateway.ts'
import { keysInMemory } from '../support/keys-in-memory.ts'
import { plainModel, replyingWith, replyOf } from '../support/replies.ts'

// A model whose vocabulary has no more than the bytes: text that ours counts as far less.

/** Each reply waits for `open`, so that all are under way at the same time. */
function countingBytes(open: Promise<void>, onOpen: () => void): Upstream {
  return {
    ...replyingWith(() => []),
    enforcesMaxTokens: true,
    models: async () => [{ ...plainModel, contextTokens: 200_000, maxOutputTokens: 10 }],
    async open({ request }) {
      onOpen()
      await open
      const usage = { inputTokens: bytesIn(request), outputTokens: 1 }
      return replyOf([
        [
          { type: 'text', text: 'x' },
          { type: 'usage', usage },
          { type: 'finish', reason: 'stop' },
        ],
      ])
    },
  }
}

function bytesIn({ messages }: ChatRequest): number {
  return Buffer.byteLength(messages.map((message) => ('parts' in message ? textOf(message.parts) : '')).join(''))
}

const textOf = (parts: readonly { type: string; text?: string }[]) => parts.map(({ text = '' }) => text).join('')

test.each([
  ['rare characters', '\u9f98\u{20bb7}'.repeat(200)],
  ['emoji', '\u{1f469}\u{1f3fd}\u200d\u{1f680}'.repeat(150)],
  ['base64', Buffer.from(Array.from({ length: 1_500 }, (_, at) => (at * 7919) % 251)).toString('base64')],
  ['digits', '31415926535'.repeat(150)],
  ['spaces', ' '.repeat(3_000)],
  ['words', 'The lighthouse keeper counted seven ships. '.repeat(40)],
])('200 calls at once never pass a budget for 50: %s', async (_, content) => {
  const { served, close } = await keysInMemory({ upstreams: ['scripted'] })
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  let asked = 0
  const count = () => {
    if (++asked === 200) open()
  }
  const gateway = startGateway([countingBytes(opened, count)], {
    ...{ access: { openaiKey: 'sk-operator' }, keys: served, limits: { maxConcurrent: 1_000 } },
  })
  const limit = 50 * (Buffer.byteLength(content) + 1)
  const { secret, id } = await served.keys.create({ name: 'a', budget: `tokens:${limit}/day` })
  const budget = async () => (await served.keys.show(id)).budgets[0] ?? { spent: -1, reserved: -1 }
  const ask = async () => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'GLM-4.5', max_tokens: 1, messages: [{ role: 'user', content }] }),
    })
    await response.text()
    if (!response.ok) count()
    return response.status
  }
  try {
    const statuses = await Promise.all(Array.from({ length: 200 }, ask))
    while ((await budget()).reserved > 0) await new Promise((resolve) => setImmediate(resolve))
    const passed = statuses.filter((status) => status === 200).length
    expect((await budget()).spent).toBe(passed * (Buffer.byteLength(content) + 1))
    expect((await budget()).spent).toBeLessThanOrEqual(limit)
    expect(passed).toBeGreaterThan(30)
  } finally {
    await gateway.stop()
    await close()
  }
})
