import { describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import type { Delta } from '../../src/core/events.ts'
import { call, finish, usage } from '../dialects/stream.ts'
import { gatewayApp } from '../support/gateway.ts'
import { replyingWith } from '../support/replies.ts'

// What the vendors' own packages get of calls whose arguments are not what was promised.
const model = 'GLM-4.5'
const parameters = {
  type: 'object' as const,
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false as const,
}

/** Packages that talk to a gateway whose upstream says `deltas`, whatever it is asked. */
function clients(...deltas: Delta[]) {
  const app = gatewayApp([replyingWith(() => [...deltas, usage, finish('tool-calls')])])
  const settings = {
    apiKey: 'anything',
    maxRetries: 0,
    fetch: async (url: string | URL | Request, init?: RequestInit) => app.handle(new Request(url, init)),
  }
  return {
    openai: new OpenAI({ baseURL: 'http://localhost/v1', ...settings }),
    anthropic: new Anthropic({ baseURL: 'http://localhost', ...settings }),
  }
}

type Clients = ReturnType<typeof clients>

/** What comes of asking for a call of `weather` in each API, for a whole reply and for a stream. */
const ways: [string, (clients: Clients, strict: boolean) => PromiseLike<unknown>][] = [
  ['Chat Completions, whole', ({ openai }, strict) => openai.chat.completions.create(chatBody(strict))],
  [
    'Chat Completions, streamed',
    ({ openai }, strict) => openai.chat.completions.stream(chatBody(strict)).finalChatCompletion(),
  ],
  ['Responses, whole', ({ openai }, strict) => openai.responses.create(responsesBody(strict))],
  ['Responses, streamed', async ({ openai }, strict) => done(openai.responses.stream(responsesBody(strict)))],
  ['Messages, whole', ({ anthropic }, strict) => anthropic.messages.create(messagesBody(strict))],
  ['Messages, streamed', ({ anthropic }, strict) => anthropic.messages.stream(messagesBody(strict)).finalMessage()],
]

const chatBody = (strict: boolean) => ({
  model,
  messages: [{ role: 'user' as const, content: 'Weather?' }],
  tools: [{ type: 'function' as const, function: { name: 'weather', parameters, strict } }],
})
const responsesBody = (strict: boolean) => ({
  model,
  input: 'Weather?',
  tools: [{ type: 'function' as const, name: 'weather', parameters, strict }],
})
const messagesBody = (strict: boolean) => ({
  model,
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Weather?' }],
  tools: [{ name: 'weather', input_schema: parameters, strict }],
})

/** Errors: what a failed response says; the package itself resolves with it. */
async function done(stream: { finalResponse(): Promise<OpenAI.Responses.Response> }) {
  const response = await stream.finalResponse()
  if (response.status === 'failed') throw new Error(response.error?.message)
  return response
}

/** The packages' promises are lazy subclasses, which `rejects` does not see through. */
async function settled<T>(promise: PromiseLike<T>): Promise<T> {
  return await promise
}

describe.each(ways)('%s', (_name, ask) => {
  test('a call of a strict tool that does not fit is an error that names both', async () => {
    const asked = ask(clients(...call('a', 'weather', '{"town":', '"A"}')), true)
    await expect(settled(asked)).rejects.toThrow(
      "The model called the tool weather with arguments that do not fit: the value must have required property 'city'",
    )
  })

  test('one that fits comes through', async () => {
    expect(JSON.stringify(await ask(clients(...call('a', 'weather', '{"city":', '"Aalen"}')), true))).toContain('Aalen')
  })

  test('a tool that is not strict takes what the model says', async () => {
    expect(JSON.stringify(await ask(clients(...call('a', 'weather', '{"town":"Aalen"}')), false))).toContain('Aalen')
  })

  test('arguments that are no object are an error', async () => {
    await expect(settled(ask(clients(...call('a', 'weather', '["Aalen"]')), false))).rejects.toThrow(
      'The model called the tool weather with arguments that are not a JSON object',
    )
  })
})

describe('tools only the Responses API has', () => {
  const tools: OpenAI.Responses.Tool[] = [
    { type: 'custom', name: 'patch' },
    { type: 'local_shell' },
    { type: 'shell', environment: { type: 'local' } },
    { type: 'apply_patch' },
  ]
  const body = { model, input: 'Go on.', tools }

  test.each([
    ['patch', '{"text":["+a"]}', "the value must have required property 'input'"],
    ['local_shell', '{}', "the value must have required property 'command'"],
    ['shell', '{"commands":7}', 'commands must be array'],
    ['apply_patch', '{"type":"create_file","path":"a"}', "the value must have required property 'diff'"],
  ])('a call of %s with %s is an error, and no item is done', async (name, args, violation) => {
    const message = `The model called the tool ${name} with arguments that do not fit: ${violation}. Try again.`
    const { openai } = clients(...call('a', name, args))
    await expect(settled(openai.responses.create(body))).rejects.toMatchObject({
      status: 502,
      code: 'tool_arguments_invalid',
      message: `502 ${message}`,
    })
    const types: string[] = []
    for await (const event of await openai.responses.create({ ...body, stream: true })) {
      types.push(event.type)
      if (event.type === 'response.failed')
        expect(event.response).toMatchObject({ status: 'failed', output: [], error: { message } })
    }
    expect(types).not.toContain('response.output_item.done')
    expect(types.at(-1)).toBe('response.failed')
  })

  test.each([false, true])(
    'a patch and a command reach the package in their own shapes, streamed: %p',
    async (stream) => {
      const { openai } = clients(
        ...call('a', 'apply_patch', '{"type":"create_file","path":"a.txt",', '"diff":"+Hello\\n"}'),
        ...call('b', 'shell', '{"commands":["cat a.txt"]}'),
      )
      const { output } = stream
        ? await openai.responses.stream(body).finalResponse()
        : await openai.responses.create(body)
      expect<unknown>(output).toMatchObject([
        {
          type: 'apply_patch_call',
          call_id: 'id_a',
          status: 'completed',
          operation: { type: 'create_file', path: 'a.txt', diff: '+Hello\n' },
        },
        { type: 'shell_call', call_id: 'id_b', status: 'completed', action: { commands: ['cat a.txt'] } },
      ])
    },
  )
})

describe('POST /v1/responses/input_tokens', () => {
  const counted = async (openai: OpenAI, body: OpenAI.Responses.InputTokenCountParams) =>
    openai.responses.inputTokens.count({ model, ...body })

  test('answers in the words of its API', async () => {
    const { openai } = clients()
    expect(await counted(openai, { input: 'Hello' })).toEqual({
      object: 'response.input_tokens',
      input_tokens: expect.any(Number),
    })
  })

  test('counts what previous_response_id stands for', async () => {
    const { openai } = clients({ type: 'text', text: 'Aalen, Aachen, Ahlen.' })
    const input = 'Name three towns whose names begin with an A, please.'
    const { id } = await openai.responses.create({ model, input })
    const alone = await counted(openai, { input: 'And B?' })
    const after = await counted(openai, { input: 'And B?', previous_response_id: id })
    expect(after.input_tokens).toBeGreaterThan(alone.input_tokens + 15)
  })

  test('refuses a response nobody knows', async () => {
    const { openai } = clients()
    await expect(settled(counted(openai, { input: 'And?', previous_response_id: 'resp_none' }))).rejects.toMatchObject({
      status: 400,
      code: 'previous_response_not_found',
    })
  })
})
