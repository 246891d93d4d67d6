import { afterAll, expect, test } from 'bun:test'
import type { Delta } from '../src/core/events.ts'
import type { Upstream } from '../src/core/upstream.ts'
import { createValidator } from '../src/gateway/structured/validator.ts'
import { startSchemaThread } from '../src/schema-thread.ts'
import { systemClock } from '../src/wire/clock.ts'
import { call, finish, say, usage } from './dialects/stream.ts'
import { type CostlyCase, costlyCases } from './support/costly.ts'
import { startGateway } from './support/gateway.ts'

// No request of one client holds up those of others: while it is dealt with the gateway answers everybody else.

/** A stall of one of these took from half a second to minutes; a machine with much else to do may take a part of one. */
const longestGapMs = 400

const model = 'GLM-4.5'
let answer: readonly Delta[] = []
const upstream: Upstream = {
  id: 'scripted',
  models: async () => [
    { id: model, upstreamId: 'x', createdAtSeconds: 0, vision: false, reasoning: 'never', search: false },
  ],
  unsupported: () => [],
  check: async () => {},
  async open() {
    const batches = answer.map((delta) => [delta])
    return { next: (hear) => hear(batches.shift()), cancel() {} }
  },
}
const memory = { held: process.memoryUsage.rss, left: process.availableMemory }
const validate = createValidator({ startThread: startSchemaThread, clock: systemClock, memory, patientMs: 500 })
const gateway = startGateway([upstream], { validate, loopLimit: 0, maxBodyBytes: 32 * 1024 * 1024 })
afterAll(() => gateway.stop())

/** The answer to a request, and the longest that `/healthz` took meanwhile. */
async function besides(body: object): Promise<{ status: number; longestMs: number }> {
  const asking = fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) })
  let over = false
  const answered = asking.then(async (response) => {
    await response.text()
    over = true
    return response.status
  })
  let longestMs = 0
  do {
    const startedAt = performance.now()
    await (await fetch(`${gateway.url}/healthz`)).text()
    longestMs = Math.max(longestMs, performance.now() - startedAt)
  } while (!over)
  return { status: await answered, longestMs }
}

const messages = [{ role: 'user', content: 'Hello!' }]

const json = ({ schema }: CostlyCase) => ({
  model,
  messages,
  response_format: { type: 'json_schema', json_schema: { name: 'it', schema } },
})
const tool = ({ schema }: CostlyCase, strict: boolean) => ({
  model,
  messages,
  tools: [{ type: 'function', function: { name: 'it', parameters: schema, strict } }],
})

test.each(costlyCases)(
  'an answer: $name',
  async (costly) => {
    answer = [say(costly.answer), usage, finish()]
    expect((await besides(json(costly))).longestMs).toBeLessThan(longestGapMs)
  },
  60_000,
)

test.each(costlyCases)(
  'the arguments of a strict tool: $name',
  async (costly) => {
    answer = [...call('a', 'it', costly.answer), usage, finish('tool-calls')]
    expect((await besides(tool(costly, true))).longestMs).toBeLessThan(longestGapMs)
  },
  60_000,
)
