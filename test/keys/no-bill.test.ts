import { afterEach, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Delta } from '../../src/core/events.ts'
import type { Model, Upstream } from '../../src/core/upstream.ts'
import { modelTable } from '../../src/models/table.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'
import { keysInMemory } from '../support/keys-in-memory.ts'
import { plainModel, replyingWith } from '../support/replies.ts'

// Upstreams that take no limit and send no bill: the gateway ends their replies by its own count, and what they report
// may be anything. Their model has a vocabulary of its own.

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A gateway with one client key, which has this budget. */
async function gatewayOf(upstream: Upstream, budget: string) {
  const { served, close } = await keysInMemory({ upstreams: [upstream.id] })
  const gateway = startGateway([upstream], { access: { openaiKey: 'sk-operator' }, keys: served })
  closing.push(async () => {
    await gateway.stop()
    await close()
  })
  const { secret, id } = await served.keys.create({ name: 'a', budget })
  const first = async () => (await served.keys.show(id)).budgets[0] ?? { spent: -1, reserved: -1 }
  return {
    async ask(body: object) {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'GLM-4.5', ...body }),
      })
      const json = await response.json()
      return { status: response.status, headers: response.headers, choice: json.choices?.[0] }
    },
    /** Once every request is settled. */
    async spent() {
      while ((await first()).reserved !== 0) await new Promise((resolve) => setImmediate(resolve))
      return (await first()).spent
    },
  }
}

const model: Model = { ...plainModel, contextTokens: 10_000, maxOutputTokens: 50 }
const scripted = (deltas: readonly Delta[]): Upstream => ({
  ...replyingWith(() => deltas),
  models: async () => [model],
})
const words = (n: number) => Array.from({ length: n }, (_, at): Delta => ({ type: 'text', text: `word${at} ` }))
const textOf = (deltas: readonly Delta[]) => deltas.map((delta) => ('text' in delta ? delta.text : '')).join('')
const usage = (inputTokens: number, outputTokens: number): Delta => ({
  type: 'usage',
  usage: { inputTokens, outputTokens },
})
const stop: Delta = { type: 'finish', reason: 'stop' }
const messages = [{ role: 'user', content: 'Hello' }]

test.each<[string, readonly Delta[]]>([
  ['reports more of a reply than was set aside', [...words(3), usage(10, 5_000), stop]],
  ['reports more of a prompt than was set aside', [...words(3), usage(9_000, 5), stop]],
  ['writes everything at once', [{ type: 'text', text: textOf(words(3_000)) }, stop]],
])('200 calls at once never pass a budget of an upstream that %s', async (_name, deltas) => {
  const { ask, spent } = await gatewayOf(scripted(deltas), 'tokens:2k/day')
  const statuses = await Promise.all(
    Array.from({ length: 200 }, async () => (await ask({ max_tokens: 20, messages })).status),
  )
  expect(statuses).toContain(200)
  expect(await spent()).toBeLessThanOrEqual(2_000)
})

test('a reply without a limit ends at the longest of its model, which is what was set aside', async () => {
  const { ask, spent } = await gatewayOf(scripted([...words(3_000), stop]), 'tokens:2k/day')
  const { status, headers, choice } = await ask({ messages })
  expect([status, choice.finish_reason]).toEqual([200, 'length'])
  // Nobody asked for more than the model writes.
  expect(headers.get('x-zai2api-ignored')).toBeNull()
  expect(await spent()).toBeLessThan(1_000)
})

test('a reply that is within what was set aside costs what it reports', async () => {
  const { ask, spent } = await gatewayOf(scripted([...words(3), usage(10, 5), stop]), 'tokens:2k/day')
  expect((await ask({ messages })).status).toBe(200)
  expect(await spent()).toBe(15)
})

test('the demo writes no more than its model may, and has paid for it', async () => {
  const table = modelTable([{ id: 'GLM-4.5', max_output_tokens: 50 }])
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0, table })
  const { ask, spent } = await gatewayOf(upstream, 'tokens:500/day')
  const { choice } = await ask({ messages: [{ role: 'user', content: '[fast] [long:2000] 你好' }] })
  expect(choice.finish_reason).toBe('length')
  expect(await spent()).toBeLessThan(500)
})
