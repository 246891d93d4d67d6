import { afterAll, describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import OpenAI6 from 'openai-6'
import { systemClock } from '../src/async/system-clock.ts'
import { demo } from '../src/upstreams/demo/index.ts'
import { startGateway } from './support/gateway.ts'

// The vendors' own packages against a listening server: strangers' code reads what we say.
const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
afterAll(() => gateway.stop())

const clientOptions = { baseURL: `${gateway.url}/v1`, apiKey: 'anything', maxRetries: 0 }
/** People stay on a major version for long; what these tests use has the same types in both. */
const openaiVersions: [string, OpenAI][] = [
  ['7', new OpenAI(clientOptions)],
  ['6', new OpenAI6(clientOptions) as unknown as OpenAI],
]
const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'anything', maxRetries: 0 })

const weather = {
  name: 'get_weather',
  description: 'Weather of a city',
  schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
    required: ['city'],
  },
}
const openaiTools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: weather.name, description: weather.description, parameters: weather.schema } },
]
const anthropicTools: Anthropic.Tool[] = [
  { name: weather.name, description: weather.description, input_schema: weather.schema },
]
const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** The packages' promises are lazy subclasses, which `rejects` does not see through. */
async function settled<T>(promise: PromiseLike<T>): Promise<T> {
  return await promise
}

describe.each(openaiVersions)('the openai package, version %s', (_version, openai) => {
  const user = (content: string): OpenAI.ChatCompletionMessageParam => ({ role: 'user', content })

  test('reads a whole reply', async () => {
    const reply = await openai.chat.completions.create({ model: 'GLM-4.5', messages: [user('Hello there')] })
    expect(reply.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop', message: { role: 'assistant' } })
    expect(reply.choices[0]?.message.content).toContain('Hello there')
    expect(reply.usage?.total_tokens).toBe((reply.usage?.prompt_tokens ?? 0) + (reply.usage?.completion_tokens ?? 0))
  })

  test('reads a stream as the same text', async () => {
    const messages = [user('Say 你好 🌏 twice')]
    const whole = await openai.chat.completions.create({ model: 'GLM-4.5', messages })
    const stream = openai.chat.completions.stream({
      model: 'GLM-4.5',
      messages,
      stream_options: { include_usage: true },
    })
    const final = await stream.finalChatCompletion()
    expect(final.choices[0]?.message.content).toBe(whole.choices[0]?.message.content ?? '')
    expect(final.usage?.completion_tokens).toBeGreaterThan(0)
  })

  test('sees no usage chunk it did not ask for', async () => {
    const stream = await openai.chat.completions.create({ model: 'GLM-4.5', messages: [user('Hi')], stream: true })
    for await (const chunk of stream) {
      expect(chunk.choices).toHaveLength(1)
      expect(chunk.usage ?? null).toBeNull()
    }
  })

  test('gets reasoning apart from the text', async () => {
    const reply = await openai.chat.completions.create({ model: 'GLM-4.5-Thinking', messages: [user('Why?')] })
    const message = reply.choices[0]?.message
    expect(message).toMatchObject({ reasoning_content: expect.stringMatching(/\w/) })
    expect(message?.content).not.toContain('<details')
  })

  test('runs a tool over two rounds', async () => {
    const runner = openai.chat.completions.runTools({
      model: 'GLM-4.5',
      stream: true,
      messages: [user('[tool:get_weather {"city":"Oslo"}] What is the weather?')],
      tools: [
        {
          type: 'function',
          function: {
            name: weather.name,
            description: weather.description,
            parameters: weather.schema,
            parse: JSON.parse,
            function: ({ city }: { city: string }) => `${city}: 3 °C`,
          },
        },
      ],
    })
    expect(await runner.finalContent()).toContain('Oslo: 3 °C')
  })

  test('gets parallel calls, each with its own id and whole arguments', async () => {
    const stream = openai.chat.completions.stream({
      model: 'GLM-4.5',
      messages: [user('[tools:2] Weather, please')],
      tools: openaiTools,
    })
    const message = (await stream.finalChatCompletion()).choices[0]?.message
    const calls = message?.tool_calls ?? []
    expect(calls).toHaveLength(2)
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
    for (const call of calls) {
      if (call.type !== 'function') throw new Error(`call of type ${call.type}`)
      expect(JSON.parse(call.function.arguments)).toMatchObject({ city: expect.any(String) })
    }
  })

  test('may require a call', async () => {
    const reply = await openai.chat.completions.create({
      model: 'GLM-4.5',
      messages: [user('Hi')],
      tools: openaiTools,
      tool_choice: 'required',
    })
    expect(reply.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ type: 'function', function: { name: 'get_weather' } }] },
    })
  })

  test('shows an image', async () => {
    const reply = await openai.chat.completions.create({
      model: 'GLM-4.5V',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${onePixel}` } },
          ],
        },
      ],
    })
    expect(reply.choices[0]?.message.content).toContain('image/png')
  })

  test('stops at a stop sequence', async () => {
    const reply = await openai.chat.completions.create({ model: 'GLM-4.5', messages: [user('Hello')], stop: ['demo'] })
    expect(reply.choices[0]?.finish_reason).toBe('stop')
    expect(reply.choices[0]?.message.content).not.toContain('demo')
  })

  test.each([
    ['[429]', 429, 'rate_limit'],
    ['[500]', 502, 'api_error'],
    ['[401]', 403, 'permission'],
    ['[402]', 402, 'insufficient_quota'],
    ['[captcha]', 403, 'permission'],
    ['[overflow]', 400, 'invalid_request'],
  ])('raises %s as HTTP %d, streaming or not', async (marker, status, type) => {
    for (const stream of [false, true]) {
      const failure = openai.chat.completions.create({ model: 'GLM-4.5', messages: [user(marker)], stream })
      await expect(settled(failure)).rejects.toMatchObject({ status, type: expect.stringContaining(type) })
    }
  })

  test.each(['[error-mid]', '[cut]'])(
    'raises %s in the middle of a stream, and never ends it politely',
    async (marker) => {
      const stream = openai.chat.completions.stream({ model: 'GLM-4.5', messages: [user(`${marker} Tell me`)] })
      await expect(stream.finalChatCompletion()).rejects.toThrow()
      const whole = openai.chat.completions.create({ model: 'GLM-4.5', messages: [user(`${marker} Tell me`)] })
      await expect(settled(whole)).rejects.toMatchObject({ status: 502 })
    },
  )

  test('is told which field is wrong', async () => {
    const failure = openai.post('/chat/completions', {
      body: { model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hi' }], n: 'two' },
    })
    await expect(settled(failure)).rejects.toMatchObject({ status: 400, param: 'n' })
  })

  test('is told which models exist', async () => {
    const failure = openai.chat.completions.create({ model: 'llama-3', messages: [user('Hi')] })
    await expect(settled(failure)).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining('GLM-4.5-Air'),
    })
  })

  test('lists models and finds one in any case', async () => {
    const ids = (await openai.models.list()).data.map(({ id }) => id)
    expect(ids).toEqual(expect.arrayContaining(['GLM-4.5', 'GLM-4.5-Thinking', 'GLM-4.5-Search', 'GLM-4.5-Air']))
    expect((await openai.models.retrieve('glm-4.5-air')).id).toBe('glm-4.5-air')
  })
})

describe('the @anthropic-ai/sdk package', () => {
  const ask = (content: string, more: Partial<Anthropic.MessageCreateParamsNonStreaming> = {}) => ({
    model: 'claude-opus-4-7',
    max_tokens: 1000,
    messages: [{ role: 'user' as const, content }],
    ...more,
  })

  test('reads a whole reply', async () => {
    const reply = await anthropic.messages.create(ask('Hello there'))
    expect(reply).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'claude-opus-4-7',
      stop_reason: 'end_turn',
    })
    expect(reply.content).toMatchObject([{ type: 'text', text: expect.stringContaining('Hello there') }])
    expect(reply.usage.output_tokens).toBeGreaterThan(0)
  })

  test('reads a stream as the same content', async () => {
    const whole = await anthropic.messages.create(ask('Say 你好 🌏 twice'))
    const streamed = await anthropic.messages.stream(ask('Say 你好 🌏 twice')).finalMessage()
    expect<unknown>(streamed.content).toEqual(whole.content)
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens)
  })

  test('gets thinking blocks with a signature when it asks for them', async () => {
    const message = await anthropic.messages
      .stream(ask('Why?', { max_tokens: 3000, thinking: { type: 'enabled', budget_tokens: 2000 } }))
      .finalMessage()
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: expect.stringMatching(/\w/), signature: expect.stringMatching(/./) },
      { type: 'text' },
    ])
  })

  test('gets none when it does not', async () => {
    const message = await anthropic.messages.stream(ask('[think] Why?')).finalMessage()
    expect(message.content.map(({ type }) => type)).toEqual(['text'])
  })

  test('sends its reasoning back over a tool round', async () => {
    const first = await anthropic.messages.create(
      ask('[tool:get_weather {"city":"Oslo"}] What is the weather?', {
        tools: anthropicTools,
        thinking: { type: 'enabled', budget_tokens: 1024 },
        max_tokens: 2000,
      }),
    )
    expect(first.stop_reason).toBe('tool_use')
    const call = first.content.find((block) => block.type === 'tool_use')
    if (!call) throw new Error('no call')
    expect(call).toMatchObject({ name: 'get_weather', input: { city: 'Oslo' } })
    const second = await anthropic.messages.create({
      ...ask('[tool:get_weather {"city":"Oslo"}] What is the weather?', { tools: anthropicTools }),
      messages: [
        { role: 'user', content: 'What is the weather?' },
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'Oslo: 3 °C' }] },
      ],
    })
    expect(second.content).toMatchObject([{ type: 'text', text: expect.stringContaining('Oslo: 3 °C') }])
  })

  test('gets parallel calls in a stream', async () => {
    const message = await anthropic.messages.stream(ask('[tools:2] Weather', { tools: anthropicTools })).finalMessage()
    const calls = message.content.filter((block) => block.type === 'tool_use')
    expect(calls).toHaveLength(2)
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
    for (const call of calls) expect(call.input).toMatchObject({ city: expect.any(String) })
    expect(message.stop_reason).toBe('tool_use')
  })

  test('shows an image, in a tool result too', async () => {
    const image: Anthropic.ImageBlockParam = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: onePixel },
    }
    const reply = await anthropic.messages.create({
      ...ask('', { model: 'GLM-4.5V', tools: anthropicTools }),
      messages: [{ role: 'user', content: [image, { type: 'text', text: 'Look' }] }],
    })
    expect(reply.content).toMatchObject([{ type: 'text', text: expect.stringContaining('image/png') }])
  })

  test('names the stop sequence it met', async () => {
    const message = await anthropic.messages.create(ask('Hello', { stop_sequences: ['demo'] }))
    expect(message).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'demo' })
  })

  test.each([
    ['[429]', 429, 'rate_limit_error'],
    ['[500]', 502, 'api_error'],
    ['[401]', 403, 'permission_error'],
    ['[402]', 402, 'billing_error'],
    ['[overflow]', 413, 'request_too_large'],
  ])('raises %s as HTTP %d, streaming or not', async (marker, status, type) => {
    for (const stream of [false, true]) {
      const failure = anthropic.messages.create({ ...ask(marker), stream })
      await expect(settled(failure)).rejects.toMatchObject({ status, error: { type: 'error', error: { type } } })
    }
  })

  test.each(['[error-mid]', '[cut]'])(
    'raises %s in the middle of a stream, and never ends it politely',
    async (marker) => {
      await expect(anthropic.messages.stream(ask(`${marker} Tell me`)).finalMessage()).rejects.toThrow()
      await expect(settled(anthropic.messages.create(ask(`${marker} Tell me`)))).rejects.toMatchObject({ status: 502 })
    },
  )

  test('falls back from threads to the whole history', async () => {
    const runner = anthropic.beta.messages.toolRunner({
      model: 'GLM-4.5',
      max_tokens: 1000,
      messages: [{ role: 'user', content: '[tool:get_weather {"city":"Oslo"}] Weather?' }],
      tools: [
        {
          type: 'custom',
          name: weather.name,
          description: weather.description,
          input_schema: weather.schema,
          run: () => 'Oslo: 3 °C',
          parse: (input: unknown) => input,
        },
      ],
    })
    const final = await runner
    expect(final.content).toMatchObject([{ type: 'text', text: expect.stringContaining('Oslo: 3 °C') }])
  })

  test('lists models in its own shape', async () => {
    const page = await anthropic.models.list({ limit: 1000 })
    expect(page.data.map(({ id }) => id)).toContain('GLM-4.5-Air')
    expect(page.data[0]).toMatchObject({
      type: 'model',
      display_name: expect.any(String),
      created_at: expect.stringMatching(/Z$/),
    })
    expect(await anthropic.models.retrieve('glm-4.5')).toMatchObject({ id: 'glm-4.5', display_name: 'GLM-4.5' })
  })
})

describe('a base URL as people paste it', () => {
  test.each(['', '/v1', '/openai', '/openai/v1', '/v1/v1'])('the openai package works on %p', async (base) => {
    const client = new OpenAI({ baseURL: gateway.url + base, apiKey: 'x', maxRetries: 0 })
    const reply = await client.chat.completions.create({
      model: 'GLM-4.5',
      messages: [{ role: 'user', content: 'Hi' }],
    })
    expect(reply.object).toBe('chat.completion')
    expect((await client.models.list()).data.length).toBeGreaterThan(3)
  })

  test.each(['', '/v1', '/anthropic', '/anthropic/v1'])('the @anthropic-ai/sdk package works on %p', async (base) => {
    const client = new Anthropic({ baseURL: gateway.url + base, apiKey: 'x', maxRetries: 0 })
    const reply = await client.messages.create({
      model: 'GLM-4.5',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hi' }],
    })
    expect(reply.type).toBe('message')
    expect((await client.models.list()).data.length).toBeGreaterThan(3)
  })
})
