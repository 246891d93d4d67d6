import { expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import type { MessagesOptions } from '../../../src/dialects/anthropic-messages/encode.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { answering, answeringJson, events, fail, finish, head, reply, say, turn, usage } from '../stream.ts'

const options: MessagesOptions = { thinking: 'shown' }
const ask = { model: 'glm-5', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hello' }] }
const client = (fetch: typeof globalThis.fetch) =>
  new Anthropic({ apiKey: 'k', baseURL: 'http://localhost', fetch, maxRetries: 0 })
const streaming = (...deltas: Delta[]) => {
  const messages = runTransform(anthropicMessages.encoder(head, options), events(...deltas))
  // Keep-alives may stand between any two events.
  const pinged = messages.flatMap((message) => [message, anthropicMessages.stream.keepAlive])
  return client(answering(pinged)).messages.stream(ask)
}

test("Anthropic's stream helper puts a turn with thinking and two calls together", async () => {
  const message = await streaming(...turn).finalMessage()
  expect(message).toMatchObject({
    id: 'msg_1',
    model: 'glm-5',
    role: 'assistant',
    stop_reason: 'tool_use',
    usage: { input_tokens: 20, cache_read_input_tokens: 10, cache_creation_input_tokens: 0, output_tokens: 12 },
  })
  expect(message.content).toMatchObject([
    { type: 'thinking', thinking: 'Two towns.', signature: expect.stringMatching(/./) },
    { type: 'text', text: 'Looking.' },
    { type: 'tool_use', id: 'id_a', name: 'weather', input: { city: 'A' } },
    { type: 'tool_use', id: 'id_b', name: 'weather', input: { city: 'B' } },
  ])
})

test('the streamed message is the unstreamed one', async () => {
  const streamed = await streaming(...turn).finalMessage()
  const body = anthropicMessages.encodeReply(head, reply(...turn), options)
  const { content, stop_reason, usage: counted } = await client(answeringJson(200, body)).messages.create(ask)
  expect(JSON.parse(JSON.stringify(streamed.content))).toEqual(content)
  expect(streamed.stop_reason).toBe(stop_reason)
  expect(streamed.usage).toMatchObject(counted)
})

test('an error in the middle of a stream is raised as an API error', async () => {
  const stream = streaming(say('a'), fail(new GatewayError('overloaded', 'Come back later.')))
  const thrown = await stream.finalMessage().catch((error: unknown) => error)
  expect(thrown).toBeInstanceOf(Anthropic.APIError)
  expect(thrown).toMatchObject({ error: { error: { type: 'overloaded_error', message: 'Come back later.' } } })
})

test('an error status becomes the SDK class of that status', async () => {
  const { status, body } = anthropicMessages.encodeError(new GatewayError('rate-limited', 'Slow down.'), 'req_1')
  const thrown = await client(answeringJson(status, body))
    .messages.create(ask)
    .catch((error: unknown) => error)
  expect(thrown).toBeInstanceOf(Anthropic.RateLimitError)
  expect(String(thrown)).toContain('Slow down.')
})

test('a refused thread makes the tool runner send the whole conversation', async () => {
  const bodies: { thread?: unknown; messages: unknown[] }[] = []
  const fetch = async (_url: unknown, init?: RequestInit) => {
    const body = JSON.parse(String(init?.body))
    bodies.push(body)
    try {
      anthropicMessages.decode(body, requestContext())
      return Response.json(anthropicMessages.encodeReply(head, reply(say('Hi.'), usage, finish()), options))
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const { status, body: refusal } = anthropicMessages.encodeError(error, 'req_1')
      return Response.json(refusal, { status })
    }
  }
  const sdk = client(Object.assign(fetch, { preconnect: globalThis.fetch.preconnect }))
  const message = await sdk.beta.messages.toolRunner({ ...ask, tools: [] })
  expect(bodies.map(({ thread, messages }) => [thread !== undefined, messages.length])).toEqual([
    [true, 1],
    [false, 1],
  ])
  expect(message.content).toMatchObject([{ type: 'text', text: 'Hi.' }])
})
