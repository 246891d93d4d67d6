import { expect, test } from 'bun:test'
import OpenAI from 'openai'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { requestContext } from '../../support/request-context.ts'
import {
  answering,
  answeringJson,
  head as anyHead,
  call,
  events,
  fail,
  finish,
  reply,
  say,
  think,
  usage,
} from '../stream.ts'

const head = { ...anyHead, id: 'resp_1' }
const ask = { model: 'glm-5', input: 'Hello' }
const optionsOf = (fields: object) =>
  openaiResponses.decode({ ...ask, tools: [{ type: 'custom', name: 'patch' }], ...fields }, requestContext()).options
const plain = optionsOf({})
const client = (fetch: typeof globalThis.fetch) =>
  new OpenAI({ apiKey: 'k', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 })
const streaming = (deltas: Delta[], options = plain) =>
  client(answering(runTransform(openaiResponses.encoder(head, options), events(...deltas)))).responses.stream(ask)

const turn = [
  think('Two '),
  think('towns.'),
  say('Looking.'),
  ...call('a', 'weather', '{"city":', '"A"}'),
  ...call('b', 'patch', '{"input":"x\\n', 'y"}'),
  usage,
  finish(),
]

test("OpenAI's stream helper puts a turn with a summary, text and two kinds of calls together", async () => {
  const stream = streaming(turn, optionsOf({ reasoning: { summary: 'auto' } }))
  const reasoning: string[] = []
  const inputs: string[] = []
  for await (const event of stream) {
    if (event.type === 'response.reasoning_summary_text.delta') reasoning.push(event.delta)
    if (event.type === 'response.custom_tool_call_input.delta') inputs.push(event.delta)
  }
  expect(reasoning.join('')).toBe('Two towns.')
  expect(inputs.join('')).toBe('x\ny')
  const final = await stream.finalResponse()
  expect(final.output_text).toBe('Looking.')
  expect(final.usage?.total_tokens).toBe(42)
  expect(final.output).toMatchObject([
    { type: 'reasoning', summary: [{ text: 'Two towns.' }] },
    { type: 'message', content: [{ text: 'Looking.' }] },
    { type: 'function_call', call_id: 'id_a', name: 'weather', arguments: '{"city":"A"}' },
    { type: 'custom_tool_call', call_id: 'id_b', name: 'patch', input: 'x\ny' },
  ])
})

test('the helper puts reasoning that nobody wants summed up together as content', async () => {
  const stream = streaming(turn)
  const reasoning: string[] = []
  for await (const event of stream) if (event.type === 'response.reasoning_text.delta') reasoning.push(event.delta)
  expect(reasoning.join('')).toBe('Two towns.')
  expect((await stream.finalResponse()).output[0]).toMatchObject({
    type: 'reasoning',
    summary: [],
    content: [{ type: 'reasoning_text', text: 'Two towns.' }],
  })
})

test('what the helper gathers from the deltas is what the last event says', async () => {
  const stream = streaming(turn)
  let collected: unknown
  stream.on('response.output_text.delta', ({ snapshot }) => {
    collected = snapshot
  })
  const { output_text } = await stream.finalResponse()
  expect(collected).toBe(output_text)
})

test('a reply that fails in the middle ends as a failed response with its reason', async () => {
  const final = await streaming([say('a'), fail(new GatewayError('upstream-truncated', 'Cut off.'))]).finalResponse()
  expect(final).toMatchObject({ status: 'failed', error: { code: 'server_error', message: 'Cut off.' } })
})

test('a whole reply parses, and its JSON content with it', async () => {
  const body = openaiResponses.encodeReply(head, reply(say('{"n":3}'), usage, finish()), plain)
  const parsed = await client(answeringJson(200, body)).responses.parse({
    ...ask,
    text: { format: { type: 'json_schema', name: 'n', strict: true, schema: { type: 'object' } } },
  })
  expect(parsed).toHaveProperty('output_parsed', { n: 3 })
})

test('an error status becomes the SDK class of that status', async () => {
  const { status, body } = openaiResponses.encodeError(new GatewayError('unauthorized', 'Wrong key.'), 'req_1')
  const thrown = await client(answeringJson(status, body))
    .responses.create(ask)
    .catch((error: unknown) => error)
  expect(thrown).toBeInstanceOf(OpenAI.AuthenticationError)
  expect(thrown).toMatchObject({ status: 401, type: 'authentication_error' })
})
