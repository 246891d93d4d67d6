import { afterAll, describe, expect, test } from 'bun:test'
import { Ollama } from 'ollama'
import { systemClock } from '../src/async/system-clock.ts'
import { demo } from '../src/upstreams/demo/index.ts'
import { startGateway } from './support/gateway.ts'

// Ollama's own package against a listening server.
const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const gateway = startGateway([upstream], { access: { openaiKey: 'sk-open' } })
afterAll(() => gateway.stop())

const ollama = new Ollama({ host: gateway.url, headers: { Authorization: 'Bearer sk-open' } })
const user = (content: string, more: object = {}) => ({ role: 'user', content, ...more })
const model = 'GLM-4.5:latest'
const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  },
]
const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

describe('chat', () => {
  test('whole and as a stream is the same text, under the name that was asked for', async () => {
    const messages = [user('Say 你好 🌏 twice')]
    const whole = await ollama.chat({ model, messages, think: false })
    expect(whole).toMatchObject({ model, done: true, done_reason: 'stop', message: { role: 'assistant' } })
    expect(whole.message.content).toContain('你好 🌏')
    expect([whole.prompt_eval_count > 0, whole.eval_count > 0, whole.total_duration > 0]).toEqual([true, true, true])
    expect(whole.total_duration).toBe(whole.prompt_eval_duration + whole.eval_duration)

    let text = ''
    for await (const part of await ollama.chat({ model, messages, think: false, stream: true }))
      text += part.message.content
    expect(text).toBe(whole.message.content)
  })

  test('shows its reasoning', async () => {
    const { message } = await ollama.chat({ model, messages: [user('[think] Hello')], think: true })
    expect([Boolean(message.thinking), message.content === '']).toEqual([true, false])
  })

  test('calls a tool and goes on with its result', async () => {
    const asked = [user('[tool:get_weather {"city":"Oslo"}] Weather?')]
    for (const stream of [true, false] as const) {
      const parts = stream
        ? await ollama.chat({ model, messages: asked, tools, stream })
        : [await ollama.chat({ model, messages: asked, tools })]
      const calls = []
      for await (const { message } of parts) calls.push(...(message.tool_calls ?? []))
      expect(calls).toEqual([
        expect.objectContaining({ function: { index: 0, name: 'get_weather', arguments: { city: 'Oslo' } } }),
      ])
      const { message } = await ollama.chat({
        model,
        messages: [
          ...asked,
          { role: 'assistant', content: '', tool_calls: calls },
          { role: 'tool', tool_name: 'get_weather', content: '7 degrees' },
        ],
        tools,
      })
      expect(message.content).toContain('7 degrees')
    }
  })

  test('answers in a schema', async () => {
    const format = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const { message } = await ollama.chat({ model, messages: [user('Where?')], format })
    expect(JSON.parse(message.content)).toEqual({ city: expect.any(String) })
  })

  test('takes images, as bytes too', async () => {
    const images = [Uint8Array.fromBase64(onePixel)]
    const { message } = await ollama.chat({ model: 'GLM-4.5V', messages: [user('See', { images })] })
    expect(message.content).not.toBe('')
  })

  test('a stream that breaks off is an error, not an end', async () => {
    const stream = await ollama.chat({ model, messages: [user('[error-mid] Go on')], stream: true })
    const read = async () => {
      for await (const part of stream) expect(part.done).toBe(false)
    }
    expect(await read().catch((thrown) => thrown)).toBeInstanceOf(Error)
  })

  test('the reasons of a refusal reach the caller', async () => {
    expect(await ollama.chat({ model: 'llama-9', messages: [user('Hi')] }).catch((thrown) => thrown)).toMatchObject({
      name: 'ResponseError',
      status_code: 404,
      error: expect.stringContaining('llama-9'),
    })
    const locked = new Ollama({ host: gateway.url })
    expect(await locked.list().catch((thrown) => thrown)).toMatchObject({
      status_code: 401,
      error: expect.stringContaining('Authorization: Bearer'),
    })
  })
})

describe('generate', () => {
  test('answers a prompt, and remembers by its context', async () => {
    const first = await ollama.generate({ model, prompt: 'My name is Zoë', system: 'Be brief.', think: false })
    expect(first.response).toContain('Zoë')
    let text = ''
    for await (const part of await ollama.generate({
      model,
      prompt: 'And now?',
      context: first.context,
      think: false,
      stream: true,
    }))
      text += part.response
    expect(text).toContain('And now?')
  })

  test('loads a model that exists, and no other', async () => {
    expect(await ollama.generate({ model, prompt: '' })).toMatchObject({
      done: true,
      done_reason: 'load',
      response: '',
    })
    const streamed = await fetch(`${gateway.url}/api/generate`, {
      method: 'POST',
      headers: { Authorization: 'Bearer sk-open' },
      body: JSON.stringify({ model, keep_alive: 0 }),
    })
    expect(streamed.headers.get('content-type')).toContain('application/json')
    expect(await streamed.json()).toEqual({
      ...{ model, created_at: expect.any(String), response: '' },
      ...{ done: true, done_reason: 'unload' },
    })
    expect(await ollama.generate({ model: 'llama-9', prompt: '' }).catch(({ status_code }) => status_code)).toBe(404)
  })
})

describe('models', () => {
  test('are listed with their tag, and answer to each listed name', async () => {
    const { models } = await ollama.list()
    expect(models).toContainEqual(
      expect.objectContaining({ name: model, model, size: 0, digest: expect.stringMatching(/^[0-9a-f]{64}$/) }),
    )
    expect(new Set(models.map(({ digest }) => digest)).size).toBe(models.length)
    for (const { name } of models)
      expect((await ollama.show({ model: name })).capabilities[0]).toMatch(/^(?:completion|embedding)$/)
  })

  test('are shown with what they can do and read', async () => {
    const { capabilities, details, model_info, parameters } = await ollama.show({ model: 'GLM-4.5V' })
    expect(capabilities).toEqual(['completion', 'tools', 'vision', 'thinking'])
    expect(details).toMatchObject({ family: 'glm', families: ['glm'] })
    expect(model_info).toMatchObject({ 'general.architecture': 'glm', 'glm.context_length': expect.any(Number) })
    expect(parameters).toMatch(/^num_ctx +\d+/)
  })

  test('by the older field, and not without any', async () => {
    const ask = (body: object) =>
      fetch(`${gateway.url}/api/show`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { authorization: 'Bearer sk-open' },
      })
    expect((await ask({ name: 'GLM-4.5' })).status).toBe(200)
    const refused = await ask({})
    expect([refused.status, await refused.json()]).toEqual([400, { error: 'model: this field is required' }])
  })

  test('are not in memory', async () => {
    expect(await ollama.ps()).toEqual({ models: [] })
  })

  test.each<[string, () => Promise<unknown>]>([
    ['pull', () => ollama.pull({ model })],
    ['push', () => ollama.push({ model })],
    ['create', () => ollama.create({ model: 'mine', from: model })],
    ['copy', () => ollama.copy({ source: model, destination: 'mine' })],
    ['delete', () => ollama.delete({ model })],
  ])('cannot be changed: %s', async (word, change) => {
    const error: unknown = await change().catch((thrown) => thrown)
    expect(error).toMatchObject({ status_code: 400, error: expect.stringContaining(`nothing to ${word}`) })
  })
})

test('the version is one that clients take for new enough', async () => {
  const { version } = await ollama.version()
  expect(version).toMatch(/^\d+\.\d+\.\d+$/)
})

test('it answers probes at its root', async () => {
  for (const method of ['HEAD', 'GET']) expect((await fetch(gateway.url, { method })).status).toBe(200)
})

test.each(['/nowhere', '/api/chat/nowhere', '/ollama/api/nowhere'])(
  'an unknown path %s is refused in its shape',
  async (path) => {
    const response = await fetch(`${gateway.url}${path}`, {
      headers: { authorization: 'Bearer sk-open', 'user-agent': 'ollama-python/0.6.1' },
    })
    expect([response.status, await response.json()]).toEqual([
      404,
      { error: expect.stringContaining('does not exist here') },
    ])
  },
)

test('behind a path of its own it is the same', async () => {
  const { host } = new URL(gateway.url)
  const behind = new Ollama({ host: `http://${host}/ollama`, headers: { Authorization: 'Bearer sk-open' } })
  expect((await behind.list()).models.length).toBeGreaterThan(0)
})
