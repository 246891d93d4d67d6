import { afterAll, describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'

// What the gateway promises whatever the upstream does, as the vendors' own packages see it.
const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
afterAll(() => gateway.stop())

const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'anything', maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'anything', maxRetries: 0 })
const model = 'GLM-4.5'
const user = (content: string) => [{ role: 'user' as const, content }]

const schema = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, people: { type: 'integer', minimum: 1 } },
  required: ['city', 'people'],
  additionalProperties: false as const,
}
const city = { city: expect.any(String), people: expect.any(Number) }
const chatFormat = { type: 'json_schema' as const, json_schema: { name: 'city', strict: true, schema } }

/** The packages' promises are lazy subclasses, which `rejects` does not see through. */
async function settled<T>(promise: PromiseLike<T>): Promise<T> {
  return await promise
}

describe('structured output', () => {
  // Half an object at first: the gateway has to ask once more.
  test.each(['A city, please.', '[bad-json] A city, please.'])(
    'is what .parse() of each package reads: %s',
    async (said) => {
      const chat = await openai.chat.completions.parse({ model, messages: user(said), response_format: chatFormat })
      expect<unknown>(chat.choices[0]?.message.parsed).toEqual(city)

      const response = await openai.responses.parse({
        model,
        input: said,
        text: { format: { type: 'json_schema', name: 'city', strict: true, schema } },
      })
      expect<unknown>(response.output_parsed).toEqual(city)

      const message = await anthropic.messages.parse({
        model,
        max_tokens: 1_000,
        messages: user(said),
        output_config: { format: { type: 'json_schema', schema } },
      })
      expect<unknown>(message.parsed_output).toEqual(city)
    },
  )

  test('comes in a stream, whole and at the end', async () => {
    const stream = openai.chat.completions.stream({
      model,
      messages: user('[bad-json] A city'),
      response_format: chatFormat,
      stream_options: { include_usage: true },
    })
    const texts: string[] = []
    stream.on('content.delta', ({ delta }) => texts.push(delta))
    const final = await stream.finalChatCompletion()
    expect(texts).toHaveLength(1)
    expect(JSON.parse(final.choices[0]?.message.content ?? '')).toEqual(city)
    expect(gateway.lines.join('\n')).toContain('repair round: the answer is not JSON')

    const once = await openai.chat.completions.parse({ model, messages: user('A city'), response_format: chatFormat })
    expect(final.usage?.prompt_tokens).toBeGreaterThan(once.usage?.prompt_tokens ?? Number.POSITIVE_INFINITY)
  })

  test('without a schema is an object', async () => {
    const reply = await openai.chat.completions.create({
      model,
      messages: user('Anything'),
      response_format: { type: 'json_object' },
    })
    expect(JSON.parse(reply.choices[0]?.message.content ?? '')).toBeObject()
  })

  test('does not stand in the way of tools', async () => {
    const reply = await openai.chat.completions.create({
      model,
      messages: user('[tool:look {"at":"x"}]'),
      response_format: chatFormat,
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
    })
    expect(reply.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ function: { name: 'look', arguments: '{"at":"x"}' } }] },
    })
  })

  test.each(['tags', 'raw', 'think', 'strip'])('stays JSON when thinking goes to %s', async (mode) => {
    const reply = await openai.chat.completions.parse(
      { model: 'GLM-4.5-Thinking', messages: user('A city'), response_format: chatFormat },
      { headers: { 'x-thinking-processing': mode } },
    )
    expect<unknown>(reply.choices[0]?.message.parsed).toEqual(city)
  })

  test('that cannot be had is an error that says what is wrong', async () => {
    const impossible = { ...chatFormat, json_schema: { name: 'n', schema: { type: 'object', not: {} } } }
    const failure = openai.chat.completions.create({ model, messages: user('Hi'), response_format: impossible })
    await expect(settled(failure)).rejects.toMatchObject({
      status: 502,
      code: 'structured_output_invalid',
      message: expect.stringContaining('the value must NOT be valid'),
    })
  })
})

describe('a model that repeats itself without end', () => {
  const code = 'repetition_loop'

  test('is stopped, whole or streamed, in every API', async () => {
    const ask = { model, messages: user('[loop] Go on') }
    await expect(settled(openai.chat.completions.create(ask))).rejects.toMatchObject({ status: 502, code })
    await expect(openai.chat.completions.stream(ask).finalChatCompletion()).rejects.toThrow('LOOP_LIMIT')
    await expect(anthropic.messages.stream({ ...ask, max_tokens: 60_000 }).finalMessage()).rejects.toThrow('LOOP_LIMIT')
  })

  test('is let be with LOOP_LIMIT=0', async () => {
    const patient = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })], { loopLimit: 0 })
    const client = new OpenAI({ baseURL: `${patient.url}/v1`, apiKey: 'x', maxRetries: 0 })
    const reply = await client.chat.completions.create({ model, messages: user('[loop]') })
    expect(reply.choices[0]?.message.content?.length).toBeGreaterThan(100_000)
    await patient.stop()
  })

  test('is not a long answer', async () => {
    const reply = await openai.chat.completions.create({ model, messages: user('[long:9000]') })
    expect(reply.choices[0]).toMatchObject({ finish_reason: 'stop' })
  })
})

test('max_tokens ends an answer with its reason', async () => {
  const reply = await anthropic.messages.create({ model, max_tokens: 200, messages: user('[long:2000]') })
  expect(reply.stop_reason).toBe('max_tokens')
  expect(reply.usage.output_tokens).toBeGreaterThan(200)
  expect(reply.usage.output_tokens).toBeLessThan(400)
  const whole = await anthropic.messages.create({ model, max_tokens: 200, messages: user('[long:100]') })
  expect(whole.stop_reason).toBe('end_turn')
})

test('a reply stopped for its content passes without the call that tool_choice demands', async () => {
  const stopped = openai.chat.completions.create({
    model,
    messages: user('[filter] [tool:look]'),
    tools: ['look', 'listen'].map((name) => ({ type: 'function', function: { name } })),
    tool_choice: { type: 'function', function: { name: 'listen' } },
  })
  await expect(settled(stopped)).resolves.toMatchObject({ choices: [{ finish_reason: 'content_filter' }] })
})

describe('legacy completions', () => {
  test('come whole', async () => {
    const reply = await openai.completions.create({ model, prompt: 'Say hello' })
    expect(reply).toMatchObject({ id: expect.stringMatching(/^cmpl-/), object: 'text_completion', model })
    expect(reply.choices).toEqual([
      { text: expect.stringContaining('Say hello'), index: 0, logprobs: null, finish_reason: 'stop' },
    ])
    expect(reply.usage?.total_tokens).toBeGreaterThan(reply.usage?.completion_tokens ?? Number.POSITIVE_INFINITY)
  })

  test('come as the same text in a stream, with the prompt and the usage where asked', async () => {
    const ask = { model, prompt: ['Say 你好 🌏 twice'], echo: true }
    const whole = await openai.completions.create(ask)
    const stream = await openai.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })
    let text = ''
    const reasons: unknown[] = []
    let tokens: number | undefined
    for await (const { choices, usage } of stream) {
      text += choices[0]?.text ?? ''
      if (choices[0]?.finish_reason) reasons.push(choices[0].finish_reason)
      tokens = usage?.completion_tokens ?? tokens
    }
    expect(text).toBe(whole.choices[0]?.text ?? '')
    expect(text).toStartWith('Say 你好 🌏 twice')
    expect(reasons).toEqual(['stop'])
    expect(tokens).toBe(whole.usage?.completion_tokens)
  })

  test.each(['[429]', '[error-mid] Go', '[cut] Go'])('fail as loudly as others: %s', async (prompt) => {
    await expect(settled(openai.completions.create({ model, prompt }))).rejects.toThrow()
    const streamed = async () => {
      for await (const _ of await openai.completions.create({ model, prompt, stream: true }));
    }
    await expect(streamed()).rejects.toThrow()
  })

  test.each(['/v1', '', '/openai/v1'])('name the field that is wrong, under %p', async (base) => {
    const client = new OpenAI({ baseURL: gateway.url + base, apiKey: 'x', maxRetries: 0 })
    const failure = client.post('/completions', { body: { model, prompt: { text: 'Hi' } } })
    await expect(settled(failure)).rejects.toMatchObject({ status: 400, param: 'prompt' })
    const chat = client.post('/chat/completions', { body: { model, prompt: 'Hi' } })
    await expect(settled(chat)).rejects.toMatchObject({ status: 400, param: 'messages' })
  })
})

test('a choice of a tool that is not offered is refused by name, in every dialect', async () => {
  const parameters = { type: 'object' as const, properties: {} }
  const chat = openai.chat.completions.create({
    model,
    messages: user('Hi'),
    tools: [{ type: 'function', function: { name: 'known', parameters } }],
    tool_choice: { type: 'function', function: { name: 'toString' } },
  })
  await expect(settled(chat)).rejects.toMatchObject({ status: 400, param: 'tool_choice' })
  const messages = anthropic.messages.create({
    model,
    max_tokens: 100,
    messages: user('Hi'),
    tools: [{ name: 'known', input_schema: parameters }],
    tool_choice: { type: 'tool', name: 'toString' },
  })
  await expect(settled(messages)).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('tool_choice'),
  })
})
