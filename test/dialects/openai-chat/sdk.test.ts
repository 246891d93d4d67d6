import { expect, test } from 'bun:test'
import OpenAI from 'openai'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { openaiChat } from '../../../src/dialects/openai-chat/index.ts'
import { answering, answeringJson, events, fail, finish, head, reply, say, turn, usage } from '../stream.ts'

const options = { includeUsage: true, legacyFunctions: false }
const ask = { model: 'glm-5', messages: [{ role: 'user' as const, content: 'Hello' }] }
const client = (fetch: typeof globalThis.fetch) =>
  new OpenAI({ apiKey: 'k', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 })
const streaming = (...deltas: Delta[]) =>
  client(answering(runTransform(openaiChat.encoder(head, options), events(...deltas)))).chat.completions.stream(ask)

test("OpenAI's stream helper puts a turn with thinking and two calls together", async () => {
  const reasoning: string[] = []
  const stream = streaming(...turn)
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta
    if (delta && 'reasoning_content' in delta && delta.reasoning_content !== null)
      reasoning.push(String(delta.reasoning_content))
  }
  const { choices, usage: counted } = await stream.finalChatCompletion()
  expect(reasoning.join('')).toBe('Two towns.')
  expect(choices).toHaveLength(1)
  expect(choices[0]).toMatchObject({
    finish_reason: 'tool_calls',
    message: {
      role: 'assistant',
      content: 'Looking.',
      tool_calls: [
        { id: 'id_a', type: 'function', function: { name: 'weather', arguments: '{"city":"A"}' } },
        { id: 'id_b', type: 'function', function: { name: 'weather', arguments: '{"city":"B"}' } },
      ],
    },
  })
  expect(counted).toMatchObject({ prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 })
})

test('an error in the middle of a stream is raised as an API error', async () => {
  const stream = streaming(say('a'), fail(new GatewayError('upstream-truncated', 'Cut off.')))
  const thrown = await stream.finalChatCompletion().catch((error: unknown) => error)
  expect(thrown).toBeInstanceOf(OpenAI.APIError)
  expect(thrown).toMatchObject({ code: 'upstream_truncated', type: 'api_error' })
  expect(String(thrown)).toContain('Cut off.')
})

test('a whole reply parses, and its JSON content with it', async () => {
  const body = openaiChat.encodeReply(head, reply(say('{"n":3}'), usage, finish()), options)
  const completion = await client(answeringJson(200, body)).chat.completions.parse({
    ...ask,
    response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema: { type: 'object' } } },
  })
  expect(completion).toHaveProperty('choices.0.message.parsed', { n: 3 })
})

test('an error status becomes the SDK class of that status', async () => {
  const { status, body } = openaiChat.encodeError(new GatewayError('unauthorized', 'Wrong key.'), 'req_1')
  const thrown = await client(answeringJson(status, body))
    .chat.completions.create(ask)
    .catch((error: unknown) => error)
  expect(thrown).toBeInstanceOf(OpenAI.AuthenticationError)
  expect(thrown).toMatchObject({ status: 401, type: 'authentication_error' })
})
