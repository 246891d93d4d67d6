import { afterAll, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Delta } from '../../src/core/events.ts'
import { chain, runTransform } from '../../src/core/transform.ts'
import { startSchemaWorker } from '../../src/gateway/structured/start-schema-worker.ts'
import { createValidator } from '../../src/gateway/structured/validator.ts'
import { channelsAndCalls } from '../../src/prompted-tools/channels-and-calls.ts'
import { decoder } from '../../src/upstreams/chat-completions/decode.ts'
import { usualSettings, zaiErrors } from '../../src/upstreams/zai-api/errors.ts'
import { call, finish, say, usage } from '../dialects/stream.ts'
import { type CostlyCase, callOf, costlyCases, costlyReplies, costlyRequests } from '../support/costly.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'
import { startGateway } from '../support/gateway.ts'
import { replyingWith } from '../support/replies.ts'
import { chunkText } from '../support/zai-api.ts'

// No request of one client holds up those of others: while it is dealt with the gateway answers everybody else.

/**
 * A stall of one of these took from half a second to minutes. Measured is the CPU time of the thread that serves all
 * requests, because on a busy machine it also waits for its turn.
 */
const longestGapMs = 400

const model = 'GLM-4.5'
let answer: readonly Delta[] = []
const memory = { held: process.memoryUsage.rss, left: process.availableMemory }
const validate = createValidator({ startThread: startSchemaWorker, clock: systemClock, memory, patientMs: 500 })
const gateway = startGateway([replyingWith(() => answer)], { validate, loopLimit: 0, maxBodyBytes: 32 * 1024 * 1024 })
afterAll(() => gateway.stop())

/** The answer to a request, and the most CPU time that passed before an answer to `/healthz` meanwhile. */
async function besides(body: object, path = 'chat/completions'): Promise<{ status: number; longestMs: number }> {
  const asking = fetch(`${gateway.url}/v1/${path}`, { method: 'POST', body: JSON.stringify(body) })
  let over = false
  const answered = asking.then(async (response) => {
    await response.text()
    over = true
    return response.status
  })
  let longestMs = 0
  do {
    const before = cpuTimeMs()
    await (await fetch(`${gateway.url}/healthz`)).text()
    longestMs = Math.max(longestMs, cpuTimeMs() - before)
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

const times = <Item>(count: number, make: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => make(index))
const named = (name: string) => ({ type: 'function', name, parameters: {} })
const longest = 'm'.repeat(8_000_000)

/** Requests whose cost was the square of their length, or which every event repeats. */
const crowds: [what: string, path: string, body: object][] = [
  ['tools of one name', 'responses', { model, input: 'Hello!', tools: times(2_000, () => named('it')) }],
  [
    'tools of namespaces that are called alike',
    'responses',
    {
      model,
      input: 'Hello!',
      tools: [{ type: 'namespace', name: 'n', description: '', tools: times(3_000, (index) => named(odd(index))) }],
    },
  ],
  ...['chat/completions', 'responses'].flatMap((path): [string, string, object][] => [
    [
      'tools and those that are allowed',
      path,
      {
        model,
        ...(path === 'responses' ? { input: 'Hello!' } : { messages }),
        tools: times(2_000, (index) => named(`tool${index}`)),
        tool_choice: {
          type: 'allowed_tools',
          mode: 'auto',
          tools: times(8_000, (index) => ({ type: 'function', name: `other${index}` })),
        },
      },
    ],
    [
      'a name of a model',
      path,
      { model: longest, ...(path === 'responses' ? { input: 'Hello!' } : { messages }), stream: true },
    ],
  ]),
  [
    'freeform tools of one name',
    'chat/completions',
    { model, messages, tools: times(2_000, () => ({ type: 'custom', custom: { name: 'it' } })) },
  ],
  [
    'a data URL of attributes',
    'chat/completions',
    {
      model,
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: `data:${';a=b'.repeat(2_000_000)},x` } }] },
      ],
    },
  ],
]

/** Different names that are the same once they are made legal. */
function odd(index: number): string {
  const signs = ['\u{e9}', '!', '?', '.', ':', '/', ',', ';']
  return `${times(6, (digit) => signs[(index >> (3 * digit)) & 7]).join('')}${'x'.repeat(55)}`
}

test.each(crowds)(
  '%s (%s)',
  async (_what, path, body) => {
    answer = [say('Hello!'), usage, finish()]
    expect((await besides(body, path)).longestMs).toBeLessThan(longestGapMs)
  },
  60_000,
)

/** Deltas that an upstream sends in one event. */
const floods = [
  ...costlyReplies.flatMap(({ name, delta }) => (delta ? [{ name, delta }] : [])),
  { name: 'arguments of three million quotes', delta: callOf({ content: '"'.repeat(3_000_000) }) },
  { name: 'arguments of half a million items', delta: callOf({ list: Array(500_000).fill('item') }) },
]

test.each(floods)('a reply: $name', ({ delta }) => {
  const errors = zaiErrors(usualSettings)
  const tools = [
    { name: 'it', description: '', parameters: { type: 'object', properties: { list: { type: 'array' } } } },
  ]
  const annotate = () => {}
  const restoreNames = undefined
  const reading = chain(
    decoder({ tools, errors, now: Date.now, annotate }),
    channelsAndCalls({
      tools,
      scanLimit: 200_000,
      frames: false,
      whole: false,
      empty: errors.empty,
      annotate,
      restoreNames,
    }),
  )
  const before = cpuTimeMs()
  const deltas = runTransform(reading, [chunkText({ delta }), chunkText({ finish_reason: 'stop' })])
  expect(cpuTimeMs() - before).toBeLessThan(longestGapMs)
  expect(deltas.length).toBeGreaterThan(1)
})

test('a model is named in at most 256 characters', async () => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm'.repeat(257), messages }),
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toEqual({
    error: {
      message: 'model: expected at most 256 characters, got 257',
      type: 'invalid_request_error',
      param: 'model',
      code: 'invalid_request',
    },
  })
})

/** Linear work in many steps, of which a slow machine may take a second; `make soak` has the narrow bound. */
const longestStepMs = 2_000

test.each(costlyRequests)(
  'a large request: $name',
  async ({ body }) => {
    answer = [say('Hello!'), usage, finish()]
    const { status, longestMs } = await besides({ model, ...body })
    expect(status).toBe(200)
    expect(longestMs).toBeLessThan(longestStepMs)
  },
  60_000,
)
