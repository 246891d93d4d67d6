import { afterAll, expect, test } from 'bun:test'
import { systemClock } from '../src/async/system-clock.ts'
import { demo } from '../src/upstreams/demo/index.ts'
import { startGateway } from './support/gateway.ts'

/**
 * The Python examples people copy for this kind of gateway, over raw bytes: the official Python packages hand on what
 * is in the JSON, their own fields as None where it has none, and raise AttributeError for every other name.
 */
const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
afterAll(() => gateway.stop())

/** Fields the packages' own types declare (openai 2, anthropic 1): there without being in the JSON. */
const declared = new Set([
  ...['id', 'choices', 'created', 'model', 'object', 'service_tier', 'system_fingerprint', 'usage'],
  ...['index', 'message', 'delta', 'finish_reason', 'logprobs'],
  ...['role', 'content', 'refusal', 'annotations', 'audio', 'function_call', 'tool_calls'],
  ...['type', 'function', 'name', 'arguments', 'text'],
])

/** One value of a reply as Python sees it. */
class Python {
  private readonly value: unknown

  constructor(value: unknown) {
    this.value = value
  }

  get(path: string): Python {
    return path.split('.').reduce((at: Python, name) => at.attribute(name), this)
  }

  private attribute(name: string): Python {
    const fields = typeof this.value === 'object' && this.value !== null ? Object.entries(this.value) : []
    const field = fields.find(([key]) => key === name)
    if (field) return new Python(field[1])
    if (declared.has(name) && fields.length > 0 && !Array.isArray(this.value)) return new Python(null)
    throw new Error(`AttributeError: ${name}`)
  }

  items(): Python[] {
    if (Array.isArray(this.value)) return this.value.map((item) => new Python(item))
    if (this.value === null) return []
    throw new Error('TypeError: not iterable')
  }

  /** What `print` would print; undefined for None. */
  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : undefined
  }
}

async function post(path: string, body: object): Promise<Response> {
  const reply = await fetch(gateway.url + path, { method: 'POST', body: JSON.stringify(body) })
  expect(reply.status).toBe(200)
  return reply
}

async function create(body: object): Promise<Python> {
  return new Python(await (await post('/v1/chat/completions', body)).json())
}

async function createStream(body: object): Promise<Python[]> {
  const text = await (await post('/v1/chat/completions', { ...body, stream: true })).text()
  const events = text.split('\n\n').filter((event) => event !== '')
  expect(events.at(-1)).toBe('data: [DONE]')
  return events.slice(0, -1).map((event) => new Python(JSON.parse(event.slice('data: '.length))))
}

const question = (content: string) => [{ role: 'user', content }]

test('the model itself raises for what is neither there nor declared', () => {
  expect(() => new Python({ role: 'assistant' }).get('reasoning_content')).toThrow('AttributeError: reasoning_content')
  expect(new Python({ role: 'assistant' }).get('tool_calls').items()).toEqual([])
})

test.each(['GLM-4.5', 'GLM-4.5-Thinking', 'GLM-4.5-Search', 'GLM-4.5-NoThinking'])(
  'a plain question to %s',
  async (model) => {
    const response = await create({ model, messages: question('什么是机器学习？') })
    expect(response.get('choices.0.message.content').text()).toContain('什么是机器学习？')
    expect(response.get('choices.0.message.reasoning_content').text() !== undefined).toBe(
      !model.endsWith('-NoThinking'),
    )
  },
)

test('a plain question to the Anthropic API, below /v1', async () => {
  const body = { model: 'GLM-4.5', max_tokens: 1024, messages: question('你好，介绍一下 Python') }
  const message = new Python(await (await post('/v1/v1/messages', body)).json())
  expect(message.get('content.0.text').text()).toContain('Python')
})

test.each(['GLM-4.5-Thinking', 'GLM-4.5-NoThinking'])(
  'a stream of %s, each delta asked for both of its fields',
  async (model) => {
    let answer = ''
    let thinking = ''
    for (const chunk of await createStream({ model, messages: question('解释量子计算') })) {
      answer += chunk.get('choices.0.delta.content').text() ?? ''
      thinking += chunk.get('choices.0.delta.reasoning_content').text() ?? ''
    }
    expect(answer).toContain('解释量子计算')
    expect(thinking !== '').toBe(!model.endsWith('-NoThinking'))
  },
)

const parameters = {
  type: 'object',
  properties: { city: { type: 'string', description: '城市名称' } },
  required: ['city'],
}
const tools = [{ type: 'function', function: { name: 'get_weather', description: '获取天气信息', parameters } }]

test('calls are read and answered', async () => {
  const messages = question('[tool:get_weather {"city":"北京"}] 北京天气怎么样？')
  const response = await create({ model: 'GLM-4.5', messages, tools, tool_choice: 'auto' })
  const calls = response.get('choices.0.message.tool_calls').items()
  const called = calls.map((call) => [call.get('function.name').text(), call.get('function.arguments').text()])
  expect(called).toEqual([['get_weather', '{"city":"北京"}']])
})

test('calls are asked for where there are none', async () => {
  const response = await create({ model: 'GLM-4.5', messages: question('你好'), tools })
  expect(response.get('choices.0.message.tool_calls').items()).toEqual([])
})

test('calls in a stream, each delta asked for all of its fields', async () => {
  const messages = question('[tool:get_weather {"city":"北京"}] 北京天气怎么样？')
  let args = ''
  for (const chunk of await createStream({ model: 'GLM-4.5', messages, tools })) {
    chunk.get('choices.0.delta.reasoning_content')
    for (const call of chunk.get('choices.0.delta.tool_calls').items())
      args += call.get('function.arguments').text() ?? ''
  }
  expect(JSON.parse(args)).toEqual({ city: '北京' })
})
