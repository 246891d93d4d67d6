import { afterEach, describe, expect, test } from 'bun:test'
import { compose } from '../../../src/compose.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { type CompatibleServer, chunks, compatibleServer } from '../../support/compatible-server.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function started(options: Parameters<typeof compatibleServer>[0] = {}): CompatibleServer {
  const server = compatibleServer(options)
  stops.push(server.stop)
  return server
}

const surroundings = (toml: string, env: Record<string, string> = {}) => ({
  cwd: '/srv',
  env,
  readFile: (path: string) => (path === '/srv/zai2api.toml' ? toml : undefined),
})

const rowOf = (id: string, base: string, more = '') =>
  `[[upstreams]]\nid = "${id}"\nkind = "openai-compatible"\nbase = "${base}"\n${more}\n`

async function gateway(toml: string, env: Record<string, string> = {}) {
  const { config } = loadConfig(new Map(), surroundings(toml, env), upstreamKinds)
  const { app } = await compose({ ...config, logLevel: 'off' }, '0.0.0', { write() {} })
  const send = (path: string, body?: object) =>
    app.handle(
      new Request(`http://localhost${path}`, {
        ...(body
          ? { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
          : {}),
      }),
    )
  return { send, chat: (body: object) => send('/v1/chat/completions', { messages: hello, ...body }) }
}

function stream(start: (controller: ReadableStreamDefaultController<Uint8Array>) => void): Response {
  return new Response(new ReadableStream({ start }), { headers: { 'content-type': 'text/event-stream' } })
}

const hello = [{ role: 'user', content: 'Hi' }]
const tool = { type: 'function', function: { name: 'look.up', parameters: { type: 'object', properties: {} } } }

describe('a server of open weights', () => {
  test('answers under its own name of a model, without a key', async () => {
    const server = started()
    const { chat } = await gateway(rowOf('home', server.base))
    const response = await chat({ model: 'zai-org/GLM-4.6-FP8' })
    expect(response.headers.get('x-zai2api-upstream')).toBe('home')
    expect(await response.json()).toMatchObject({
      model: 'zai-org/GLM-4.6-FP8',
      choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3 },
    })
    const [asked] = server.seen.filter(({ path }) => path.startsWith('POST'))
    expect(asked).toEqual({
      path: 'POST /v1/chat/completions',
      authorization: null,
      body: { model: 'zai-org/GLM-4.6-FP8', messages: hello, stream: true, stream_options: { include_usage: true } },
    })
  })

  test.each(['GLM-4.6-FP8', 'claude-sonnet-5', 'gpt-6', 'home/zai-org/GLM-4.6-FP8', 'z-ai/GLM-4.6-FP8'])(
    'is used for %s',
    async (model) => {
      const server = started()
      const { chat } = await gateway(rowOf('home', server.base))
      expect((await chat({ model })).status).toBe(200)
      expect(server.seen.at(-1)?.body.model).toBe('zai-org/GLM-4.6-FP8')
    },
  )

  test("lists its models, their windows, and none of the vendor's own service", async () => {
    const server = started()
    const { send } = await gateway(rowOf('home', server.base))
    const { data } = (await (await send('/v1/models')).json()) as { data: { id: string; context_length?: number }[] }
    expect(data.map(({ id }) => id)).toContain('zai-org/GLM-4.6-FP8')
    expect(data.map(({ id }) => id)).not.toContain('GLM-5.4')
    expect(data.find(({ id }) => id === 'zai-org/GLM-4.6-FP8')?.context_length).toBe(65_536)
  })

  test.each(['zai-org/GLM-4.6-FP8', 'GLM-4.6-FP8'])('lists the price in a row of the user for %s', async (id) => {
    const { send } = await gateway(rowOf('home', started().base), {
      ZAI_API_KEY: 'key',
      ZAI_MODELS: JSON.stringify([{ id, price: { input: 1, output: 2 } }]),
    })
    const { data } = (await (await send('/v1/models')).json()) as { data: { id: string; pricing?: object }[] }
    const listed = data.filter((model) => model.id === 'zai-org/GLM-4.6-FP8')
    expect(listed).toEqual([expect.objectContaining({ pricing: expect.objectContaining({ prompt: '0.000001' }) })])
  })

  test.each<[string, Record<string, string>, string[]]>([
    ['without a setting none', {}, []],
    ['those that are set', { THINKING_MODEL: 'deep', SEARCH_MODEL: 'wide' }, ['deep', 'wide']],
  ])('of the names for reasoning and search, its list has: %s', async (_which, env, expected) => {
    const server = started()
    const { send, chat } = await gateway(rowOf('home', server.base), env)
    const { data } = (await (await send('/v1/models')).json()) as { data: { id: string }[] }
    expect(data.map(({ id }) => id).filter((id) => !id.startsWith('zai-org/'))).toEqual(expected)
    expect((await chat({ model: env.THINKING_MODEL ?? 'GLM-4.5-Thinking' })).status).toBe(200)
  })

  test.each([
    ['a call of any tool', { tool_choice: 'required' }, { tool_choice: 'required' }],
    [
      'a call of one tool',
      { tool_choice: { type: 'function', function: { name: 'look.up' } } },
      { tool_choice: { type: 'function', function: { name: 'look.up' } } },
    ],
    ['one call at a time', { parallel_tool_calls: false }, { tool_choice: 'auto', parallel_tool_calls: false }],
  ])('gets %s as a field, not as an instruction', async (_what, asked, sent) => {
    const server = started()
    server.script(
      chunks(
        { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'look.up', arguments: '' } }] },
        { tool_calls: [{ index: 0, function: { arguments: '{}' } }] },
      ),
    )
    const { chat } = await gateway(rowOf('home', server.base))
    const response = await chat({ model: 'glm-4.6-fp8', tools: [tool], ...asked })
    expect(await response.json()).toMatchObject({
      choices: [{ message: { tool_calls: [{ function: { name: 'look.up', arguments: '{}' } }] } }],
    })
    const { body } = server.seen.at(-1) ?? { body: {} }
    expect(body).toMatchObject({ messages: hello, ...sent })
  })

  test('gets a schema as a field', async () => {
    const server = started()
    server.script(chunks({ content: '{"a":1}' }))
    const { chat } = await gateway(rowOf('home', server.base))
    const schema = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] }
    await chat({ model: 'glm-4.6-fp8', response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } })
    expect(server.seen.at(-1)?.body).toMatchObject({
      messages: hello,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    })
  })

  test.each([
    ['reasoning_content', [{ reasoning_content: 'Hm.' }]],
    ['reasoning', [{ reasoning: 'Hm.' }]],
    ['both', [{ reasoning: 'Hm.', reasoning_content: 'Hm.' }]],
    ['reasoning, in many pieces', [...'Hm.'].map((reasoning) => ({ reasoning }))],
  ])('may call its reasoning %s', async (_name, reasoning) => {
    const server = started()
    server.script(chunks({ role: 'assistant', content: '' }, ...reasoning, { content: 'Yes' }))
    const { chat } = await gateway(rowOf('home', server.base))
    expect(await (await chat({ model: 'glm-4.6-fp8' })).json()).toMatchObject({
      choices: [{ message: { reasoning_content: 'Hm.', content: 'Yes' } }],
    })
  })

  test.each([
    ['template', 'none', { chat_template_kwargs: { enable_thinking: false } }],
    ['template', 'high', { chat_template_kwargs: { enable_thinking: true } }],
    ['effort', 'none', { reasoning: { enabled: false } }],
    ['effort', 'high', { reasoning: { effort: 'high' } }],
    ['none', 'high', {}],
  ])('with reasoning style %s, effort %s is sent as %j', async (style, reasoning_effort, sent) => {
    const server = started()
    const { chat } = await gateway(rowOf('home', server.base, `reasoning = "${style}"`))
    await chat({ model: 'glm-4.6-fp8', reasoning_effort })
    const { chat_template_kwargs, reasoning, thinking } = server.seen.at(-1)?.body ?? {}
    expect(JSON.parse(JSON.stringify({ chat_template_kwargs, reasoning, thinking }))).toEqual(sent)
  })

  test.each([
    [
      Response.json(
        { object: 'error', message: "This model's maximum context length is 8192 tokens.", code: 400 },
        { status: 400 },
      ),
      400,
      'context_length_exceeded',
    ],
    [
      Response.json({ error: { message: 'The model `x` does not exist.', code: 404 } }, { status: 404 }),
      404,
      'model_not_found',
    ],
    [Response.json({ detail: 'temperature must be at most 2' }, { status: 422 }), 400, 'invalid_request'],
  ])('is named in errors, without its address', async (reply, status, code) => {
    const server = started()
    server.script(reply)
    const { chat } = await gateway(rowOf('home', server.base))
    const response = await chat({ model: 'glm-4.6-fp8' })
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    expect([response.status, error.code]).toEqual([status, code])
    expect(error.message).not.toContain('127.0.0.1')
    expect(error.message).not.toContain('Z.AI')
  })

  test.each<[string, () => Response, string, string]>([
    [
      'closes the stream without a word',
      () => stream((controller) => controller.close()),
      'upstream_truncated',
      'home closed the stream without an answer. Try again.',
    ],
    [
      'ends its reply without an answer',
      () => chunks(),
      'upstream_empty_response',
      'home ended its reply without an answer. Try again.',
    ],
  ])('that %s is named by its id in the configuration', async (_what, reply, code, message) => {
    const server = started()
    server.script(reply(), reply(), reply())
    const { chat } = await gateway(rowOf('home', server.base))
    const response = await chat({ model: 'glm-4.6-fp8' })
    expect(await response.json()).toMatchObject({ error: { code, message } })
  })

  test('that is down is named, and its address is not', async () => {
    const { base, stop } = compatibleServer()
    const { chat } = await gateway(rowOf('home', base, 'models = ["glm-4.6"]'))
    stop()
    const { error } = (await (await chat({ model: 'glm-4.6' })).json()) as { error: { message: string } }
    expect(error.message).toMatch(/^home could not be reached \(ECONNREFUSED\)\. /)
    expect(error.message).not.toContain('127.0.0.1')
  })

  test('that breaks off in the middle of its answer is named', async () => {
    const server = started()
    const word = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'Hel' } }] })}\n\n`
    const told = Promise.withResolvers<void>()
    server.script(
      stream((controller) => {
        controller.enqueue(new TextEncoder().encode(word))
        void told.promise.then(() => controller.error(new Error('reset')))
      }),
    )
    const { chat } = await gateway(rowOf('home', server.base))
    const response = await chat({ model: 'glm-4.6-fp8', stream: true })
    told.resolve()
    const text = await response.text()
    expect(text).toContain('The connection to home broke before the answer was complete.')
    expect(text).not.toContain('Z.AI')
  })

  test('gets the requested temperature', async () => {
    const server = started()
    const { chat } = await gateway(rowOf('home', server.base))
    const response = await chat({ model: 'glm-4.6-fp8', temperature: 1.5 })
    expect(response.headers.get('x-zai2api-ignored')).toBeNull()
    expect(server.seen.at(-1)?.body.temperature).toBe(1.5)
  })
})

describe('several upstreams', () => {
  test('of one kind answer each for its own models, with its own key', async () => {
    const one = started({ key: 'key-one' })
    const other = started({ key: 'key-two', models: [{ id: 'zai-org/GLM-4.5-Air', object: 'model' }] })
    const { chat } = await gateway(
      rowOf('one', one.base, 'keys = ["key-one"]') + rowOf('two', other.base, 'keys = ["key-two"]'),
    )
    const answered = async (model: string) => (await chat({ model })).headers.get('x-zai2api-upstream')
    expect(await answered('glm-4.6-fp8')).toBe('one')
    expect(await answered('glm-4.5-air')).toBe('two')
    expect(other.seen.at(-1)?.authorization).toBe('Bearer key-two')
  })

  test('replace the official API before the first word', async () => {
    const official = started({ models: [] })
    official.script(
      ...Array.from({ length: 5 }, () => Response.json({ error: { code: '1234', message: 'down' } }, { status: 500 })),
    )
    const home = started({ models: [{ id: 'glm-4.6', object: 'model' }] })
    const zai = `[[upstreams]]\nid = "plan"\nkind = "zai-api"\nbase = "${official.base.replace('/v1', '/api/paas/v4')}"\nkeys = ["a.b"]\n`
    const { chat } = await gateway(zai + rowOf('home', home.base))
    const response = await chat({ model: 'glm-4.6' })
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello' } }] })
    expect(home.seen.at(-1)?.body.model).toBe('glm-4.6')
  })

  test('offer only the models in their configuration', async () => {
    const server = started({ models: [{ id: 'glm-4.6' }, { id: 'glm-4.5' }] })
    const { send } = await gateway(rowOf('home', server.base, 'models = ["glm-4.5"]'))
    const { data } = (await (await send('/v1/models')).json()) as { data: { id: string }[] }
    expect(data.map(({ id }) => id.toLowerCase()).filter((id) => /^glm-\d\.\d$/.test(id))).toEqual(['glm-4.5'])
  })
})
