import { expect } from 'bun:test'
import { said, startMcpServer, tool } from '../mcp-server.ts'
import { pdfOf } from '../pdf.ts'
import type { Ask, Heard } from './ask.ts'
import { counted } from './backends.ts'
import { type Cell, type Combination, servers } from './cell.ts'

export interface Feature {
  name: Words
  /** Whole, streamed, or (without) both. */
  only?: 'whole' | 'stream'
  /** Throws where the feature is not there. */
  check(cell: Cell): Promise<void>
  notes?: Note[]
}

/** What a mark alone would not say. */
export interface Note extends Words {
  where: Partial<Combination>
  /** The feature cannot be had there, and the note says why: the try ends with these words, and not by accident. */
  lacking?: RegExp
}

export interface Words {
  en: string
  zh: string
}

const user = 'What is the weather in Oslo?'
const getWeather = 'get_weather'
const calls = [
  { name: getWeather, args: { city: 'Oslo' } },
  { name: getWeather, args: { city: 'Rome' } },
]
const seeing = 'glm-4.6v'
const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const askingForTools: Ask = { turns: [{ user }], tools: [getWeather, 'get_time'] }

const prompted: Note = {
  where: { upstream: 'zai-web' },
  en: 'The web backend runs no client tools: they are described in the prompt, and calls are read from the answer.',
  zh: '网页后端不运行客户端的工具：工具写进提示词，调用从回答中读出。',
}
const noChoice = (lacking: RegExp): Note => ({
  where: { dialect: 'ollama-chat' },
  lacking,
  en: 'Ollama’s API has no tool choice.',
  zh: 'Ollama 的 API 没有工具选择。',
})
const ownAccount: Note = {
  where: { upstream: 'zai-web' },
  en: 'With a token of your own (`ZAI_TOKEN`); guests cannot upload.',
  zh: '需要自己的令牌（`ZAI_TOKEN`），游客不能上传。',
}

/** What the README claims, each with the try that proves it. */
export const features: readonly Feature[] = [
  {
    name: { en: 'Whole reply', zh: '完整回复' },
    only: 'whole',
    check: speaks,
  },
  {
    name: { en: 'Streamed reply', zh: '流式回复' },
    only: 'stream',
    check: speaks,
  },
  {
    name: { en: 'Usage, as the upstream counted it', zh: '用量，以上游的计数为准' },
    async check({ ask }) {
      const { usage } = await ask({ turns: [{ user }] })
      expect(usage).toEqual({ input: counted.input, output: counted.output })
    },
  },
  {
    name: { en: 'Reasoning apart from the answer', zh: '思考与回答分开' },
    async check({ ask, say }) {
      say({ thinks: 'Let me look north.', text: 'Cold.' })
      const received = await ask({ turns: [{ user }], thinks: true })
      expect(received).toMatchObject({ reasoning: 'Let me look north.', text: 'Cold.' })
    },
  },
  {
    name: { en: 'Reasoning sent back with the next turn', zh: '思考随下一轮送回' },
    async check({ ask, say, told }) {
      say({ thinks: 'Let me look north.', text: 'One moment.', calls: calls.slice(0, 1) })
      const asking: Ask = { ...askingForTools, thinks: true }
      const first = await ask(asking)
      await ask({ ...asking, turns: [{ user }, { reply: first }, { results: resultsOf(first) }] })
      expect(told().words).toContain('Let me look north.')
    },
    notes: [
      {
        where: { upstream: 'zai-web' },
        lacking: /toContain/,
        en: 'The web backend has no place for the thoughts of earlier turns.',
        zh: '网页后端没有放置前几轮思考的地方。',
      },
    ],
  },
  {
    name: { en: 'Tool call', zh: '工具调用' },
    async check({ ask, say, told }) {
      say({ text: 'One moment.', calls: calls.slice(0, 1) })
      const received = await ask(askingForTools)
      expect(received.text.trim()).toBe('One moment.')
      expect(received.ended).toBe('calls')
      expect(received.calls.map(({ name, args }) => ({ name, args: JSON.parse(args) }))).toEqual(calls.slice(0, 1))
      expect(told().tools(getWeather)).toBe(true)
    },
    notes: [prompted],
  },
  {
    name: { en: 'Parallel tool calls', zh: '并行工具调用' },
    async check({ ask, say }) {
      say({ text: 'One moment.', calls })
      const received = await ask(askingForTools)
      expect(received.calls.map(({ name, args }) => ({ name, args: JSON.parse(args) }))).toEqual(calls)
      expect(new Set(received.calls.map(({ id }) => id)).size).toBe(2)
    },
    notes: [prompted],
  },
  {
    name: { en: 'Tool results over two rounds', zh: '两轮工具结果' },
    async check({ ask, say, told }) {
      say(
        { text: 'One moment.', calls: calls.slice(0, 1) },
        { text: 'And Rome.', calls: calls.slice(1) },
        { text: 'Oslo is colder.' },
      )
      const first = await ask(askingForTools)
      const turns: Ask['turns'] = [{ user }, { reply: first }, { results: resultsOf(first, '3 degrees') }]
      const second = await ask({ ...askingForTools, turns })
      const more: Ask['turns'] = [...turns, { reply: second }, { results: resultsOf(second, '21 degrees') }]
      const third = await ask({ ...askingForTools, turns: more })
      expect(third).toMatchObject({ text: 'Oslo is colder.', calls: [], ended: 'stop' })
      expect(told().words).toMatch(/Oslo.*3 degrees.*Rome.*21 degrees/s)
    },
    notes: [prompted],
  },
  {
    name: { en: 'Forced tool choice; an error where it is not heeded', zh: '强制工具选择；不遵守即报错' },
    async check({ ask, say }) {
      const asking: Ask = { ...askingForTools, choice: { name: getWeather } }
      say({ text: '', calls: calls.slice(0, 1) })
      expect((await ask(asking)).calls).toMatchObject([{ name: getWeather }])
      say({ text: 'I would rather not.' })
      await expect(ask(asking)).rejects.toThrow('answered without a call')
    },
    notes: [noChoice(/promise that rejects/), prompted],
  },
  {
    name: { en: 'Tool choice none', zh: '工具选择 none' },
    async check({ ask, say, told }) {
      say({ text: 'Cold.' })
      await ask(askingForTools)
      expect(told().tools(getWeather)).toBe(true)
      const received = await ask({ ...askingForTools, choice: 'none' })
      expect(received).toMatchObject({ text: 'Cold.', calls: [], ended: 'stop' })
      expect(told().tools(getWeather)).toBe(false)
    },
    notes: [noChoice(/toBe/)],
  },
  {
    name: { en: 'Images', zh: '图片' },
    async check({ ask, told }) {
      await ask({ model: seeing, turns: [{ user: 'What is this?', png: onePixel }] })
      expect(told().images).toBe(1)
    },
    notes: [ownAccount],
  },
  {
    name: { en: 'Image in a tool result', zh: '工具结果中的图片' },
    async check({ ask, say, told }) {
      say({ text: 'One moment.', calls: calls.slice(0, 1) })
      const asking: Ask = { ...askingForTools, model: seeing }
      const first = await ask(asking)
      const results = resultsOf(first).map((result) => ({ ...result, png: onePixel }))
      await ask({ ...asking, turns: [{ user }, { reply: first }, { results }] })
      expect(told().images).toBe(1)
    },
    notes: [
      ownAccount,
      {
        where: { dialect: 'openai-chat' },
        en: 'OpenAI’s reference has only text in tool messages; a picture among it is taken all the same.',
        zh: 'OpenAI 的文档规定工具消息只有文本；其中的图片同样接受。',
      },
    ],
  },
  {
    name: { en: 'Image for a model that cannot see, as words that say so', zh: '模型看不了的图片，换成一句说明' },
    async check({ ask, told }) {
      await ask({ turns: [{ user: 'What is this?', png: onePixel }] })
      expect(told().images).toBe(0)
      expect(told().words).toContain('cannot see images: the answer has to say so')
    },
    notes: [
      {
        where: { upstream: 'zai-web' },
        lacking: /cannot see images: ask a vision model/,
        en: 'Refused with 400, unless it stands in an older turn or came from a tool.',
        zh: '以 400 拒绝；更早轮次中的图片和来自工具的图片除外。',
      },
    ],
  },
  {
    name: { en: 'PDF, as its text', zh: 'PDF，转成文本' },
    async check({ ask, told }) {
      const pdf = Buffer.from(pdfOf([{ lines: ['The seventh chapter'] }])).toString('base64')
      await ask({ turns: [{ user: 'Read this.', pdf }] })
      expect(told().words).toContain('The seventh chapter')
    },
    notes: [
      {
        where: { dialect: 'ollama-chat' },
        lacking: /toContain/,
        en: 'Ollama’s API has no files but images.',
        zh: 'Ollama 的 API 除图片外没有文件。',
      },
    ],
  },
  {
    name: { en: 'Structured output: validated, repaired once, or refused', zh: '结构化输出：校验，修复一次，或拒绝' },
    async check({ ask, say, asked }) {
      const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
      say({ text: '{"town": "Oslo"}' }, { text: '{"city": "Oslo"}' })
      expect(JSON.parse((await ask({ turns: [{ user }], schema })).text)).toEqual({ city: 'Oslo' })
      expect(asked()).toBe(2)
      say({ text: '{"town": "Oslo"}' })
      await expect(ask({ turns: [{ user }], schema })).rejects.toThrow('city')
    },
  },
  {
    name: { en: 'Stop sequences', zh: '停止序列' },
    async check({ ask, say }) {
      say({ text: 'One, two, three, four' })
      const received = await ask({ turns: [{ user: 'Count.' }], stop: ', three' })
      expect(received).toMatchObject({ text: 'One, two', ended: 'stop' })
    },
    notes: [
      {
        where: { dialect: 'openai-responses' },
        lacking: /toMatchObject/,
        en: 'The Responses API has no stop sequences.',
        zh: 'Responses API 没有停止序列。',
      },
    ],
  },
  {
    name: { en: 'Limit on tokens', zh: 'token 上限' },
    async check({ ask, say }) {
      say({ text: Array.from({ length: 2_000 }, (_, at) => `word${at}`).join(' ') })
      const received = await ask({ turns: [{ user: 'Go on.' }], maxTokens: 50 })
      expect(received.ended).toBe('length')
      expect(received.text.split(' ').length).toBeLessThan(100)
    },
    notes: [
      {
        where: { upstream: 'zai-web' },
        en: 'Counted and cut by the gateway, up to a quarter and 16 tokens late.',
        zh: '由网关计数并截断，最多超出四分之一再加 16 个 token。',
      },
    ],
  },
  {
    name: { en: 'Tools of MCP servers, called by the gateway', zh: 'MCP 服务器的工具，由网关调用' },
    check: ({ ask, say, told }) =>
      withServer(async (server) => {
        say({ text: '', calls: [{ name: `town__${getWeather}`, args: { city: 'Oslo' } }] }, { text: 'It rains.' })
        expect(await ask({ turns: [{ user }], server })).toMatchObject({ text: 'It rains.', calls: [], ended: 'stop' })
        expect(told().words).toContain('Rain in Oslo.')
      }),
    notes: [
      prompted,
      ...(['openai-chat', 'gemini', 'ollama-chat'] as const).map((dialect) => ({
        where: { dialect },
        lacking: /no such thing/,
        en: 'This API has no tools of MCP servers; clients call them themselves.',
        zh: '这个 API 没有 MCP 服务器的工具，由客户端自己调用。',
      })),
    ],
  },
  {
    name: { en: 'Web search with sources', zh: '网络搜索及来源' },
    async check({ ask, say, told }) {
      say({ text: 'It snows.', source: 'https://example.com/news' })
      const received = await ask({ turns: [{ user }], searches: true })
      expect(told().searches).toBe(true)
      expect(received.sources).toEqual(['https://example.com/news'])
      expect(received.text).toContain('https://example.com/news')
    },
    notes: [
      {
        where: { dialect: 'ollama-chat' },
        lacking: /toBe/,
        en: 'Ollama’s API has no search; a model’s name with `-Search` asks for it.',
        zh: 'Ollama 的 API 没有搜索；带 `-Search` 的模型名可以要求搜索。',
      },
      {
        where: { upstream: 'zai-api' },
        en: 'Not beside other tools by default: there `web_search_options`, the tool choice, the model’s name or `WEB_SEARCH=on` asks for it.',
        zh: '默认不与其他工具同时使用：那时由 `web_search_options`、工具选择、模型名或 `WEB_SEARCH=on` 要求。',
      },
      {
        where: { upstream: 'zai-web' },
        en: 'Not in a request that declares tools.',
        zh: '声明了工具的请求除外。',
      },
    ],
  },
  {
    name: { en: '`temperature` and `top_p`', zh: '`temperature` 与 `top_p`' },
    async check({ ask, told }) {
      await ask({ turns: [{ user }], temperature: 0.3, topP: 0.9 })
      expect(told().sampling).toEqual({ temperature: 0.3, topP: 0.9 })
    },
    notes: [
      {
        where: { upstream: 'zai-web' },
        en: 'Passed on; nobody knows whether the web backend heeds them.',
        zh: '会转发；网页后端是否采用，无从得知。',
      },
    ],
  },
  {
    name: { en: 'Counting tokens beforehand', zh: '预先计数' },
    only: 'whole',
    async check({ count, asked }) {
      const short = await count({ turns: [{ user }] })
      const long = await count({ turns: [{ user: `${user} `.repeat(20) }] })
      expect(short).toBeGreaterThan(3)
      expect(long).toBeGreaterThan(10 * short)
      expect(asked()).toBe(0)
    },
    notes: [
      {
        where: { dialect: 'openai-chat' },
        lacking: /cannot count/,
        en: 'Chat Completions has no such call.',
        zh: 'Chat Completions 没有这种调用。',
      },
      {
        where: { dialect: 'ollama-chat' },
        lacking: /cannot count/,
        en: 'Ollama’s API has no such call.',
        zh: 'Ollama 的 API 没有这种调用。',
      },
    ],
  },
  {
    name: { en: 'Context overflow, in the words clients compact on', zh: '上下文溢出，用客户端据以压缩的说法' },
    async check({ ask, asked, dialect }) {
      const failure = await failureOf(ask({ model: seeing, turns: [{ user: 'the '.repeat(400_000) }] }))
      expectOverflow(failure, dialect)
      expect(asked()).toBe(0)
    },
  },
  {
    name: { en: 'Rate limit, with `retry-after`', zh: '速率限制，附 `retry-after`' },
    async check({ ask, say, dialect }) {
      say('busy')
      const failure = await failureOf(ask({ turns: [{ user }] }))
      const said = { gemini: /"status":"RESOURCE_EXHAUSTED"/, 'ollama-chat': /Z\.AI/ }
      const words = said[dialect as keyof typeof said] ?? { type: 'rate_limit_error' }
      expectError(failure, dialect, 429, words)
      // Google's package keeps no headers; the body says it, too.
      if (dialect === 'gemini') expect(String(failure)).toMatch(/"retryDelay":"[1-9]\d*s"/)
      else expect(headerOf(failure, 'retry-after')).toMatch(/^[1-9]\d*$/)
    },
  },
  {
    name: { en: 'Cut connection is an error', zh: '连接中断即报错' },
    async check({ ask, say, stream }) {
      say('cut')
      const failure = await failureOf(ask({ turns: [{ user }] }))
      expect(String(failure)).toContain('before the answer was complete')
      if (!stream) expect(failure).toMatchObject({ status: 502 })
    },
  },
  {
    name: { en: 'Failure in the middle is an error', zh: '中途失败即报错' },
    async check({ ask, say, stream }) {
      say('broken')
      const failure = await failureOf(ask({ turns: [{ user }] }))
      expect(String(failure)).toContain('Z.AI could not answer')
      if (!stream) expect(failure).toMatchObject({ status: 502 })
    },
  },
  {
    name: { en: 'Unknown fields are let be', zh: '容忍未知字段' },
    async check({ ask, say }) {
      say({ text: 'Cold.' })
      const received = await ask({ turns: [{ user }], unheardOf: { a_field_of_tomorrow: { deep: [1, null] } } })
      expect(received.text).toBe('Cold.')
    },
  },
  {
    name: { en: 'Unknown model is refused by name', zh: '未知模型指名拒绝' },
    async check({ ask, asked, dialect }) {
      const failure = await failureOf(ask({ model: 'llama-3', turns: [{ user }] }))
      const words = {
        'anthropic-messages': { type: 'not_found_error' },
        gemini: /"status":"NOT_FOUND"/,
        'ollama-chat': /llama-3/,
      }
      const expected = words[dialect as keyof typeof words] ?? { code: 'model_not_found' }
      expectError(failure, dialect, 404, expected)
      expect(String(failure)).toContain('llama-3')
      expect(asked()).toBe(0)
    },
  },
  {
    name: { en: '`previous_response_id`', zh: '`previous_response_id`' },
    async check({ ask, say, told }) {
      say({ text: 'Good morning, Ada.' })
      const first = await ask({ turns: [{ user: 'My name is Ada.' }] })
      await ask({ previous: first, turns: [{ user: 'What is my name?' }] })
      expect(told().words).toMatch(/My name is Ada\..*Good morning, Ada\..*What is my name\?/s)
    },
    notes: (['openai-chat', 'anthropic-messages', 'gemini', 'ollama-chat'] as const).map((dialect) => ({
      where: { dialect },
      lacking: /toMatch/,
      en: 'Clients of this API send the whole conversation with every turn.',
      zh: '这个 API 的客户端每轮都发送整个对话。',
    })),
  },
  {
    name: { en: 'Batches, worked off when nobody else waits', zh: '批处理，在没有其他请求等待时处理' },
    only: 'whole',
    async check({ inBatch, say, told }) {
      say({ text: 'Cold.' })
      expect(await inBatch({ turns: [{ user }] })).toMatchObject({ text: 'Cold.', ended: 'stop' })
      expect(told().words).toContain(user)
    },
    notes: [
      ...(['openai-chat', 'openai-responses'] as const).map((dialect) => ({
        where: { dialect },
        lacking: /no such thing/,
        en: 'OpenAI’s batches are files, and the gateway keeps none.',
        zh: 'OpenAI 的批处理以文件提交，本网关不保存文件。',
      })),
      {
        where: { dialect: 'gemini' },
        lacking: /no such thing/,
        en: 'Google’s batches are long-running operations of its cloud, which the gateway does not have.',
        zh: 'Google 的批处理是其云端的长时间运行操作，本网关没有。',
      },
      {
        where: { dialect: 'ollama-chat' },
        lacking: /no such thing/,
        en: 'Ollama’s API has neither batches nor replies in the background.',
        zh: 'Ollama 的 API 没有批处理，也没有后台回复。',
      },
    ],
  },
  {
    name: { en: 'Replies in the background', zh: '后台回复' },
    only: 'whole',
    async check({ inBackground, say, told }) {
      say({ text: 'Cold.' })
      expect(await inBackground({ turns: [{ user }] })).toMatchObject({ text: 'Cold.', ended: 'stop' })
      expect(told().words).toContain(user)
    },
    notes: [
      ...(['openai-chat', 'anthropic-messages', 'gemini'] as const).map((dialect) => ({
        where: { dialect },
        lacking: /no such thing/,
        en: 'This API has no single replies in the background.',
        zh: '这个 API 没有单个的后台回复。',
      })),
      {
        where: { dialect: 'ollama-chat' },
        lacking: /no such thing/,
        en: 'Ollama’s API has neither batches nor replies in the background.',
        zh: 'Ollama 的 API 没有批处理，也没有后台回复。',
      },
    ],
  },
]

/** A server with one tool, which knows the weather. */
async function withServer(check: (url: string) => Promise<void>): Promise<void> {
  const server = startMcpServer({ tools: [tool(getWeather)], call: (_name, { city }) => said(`Rain in ${city}.`) })
  servers.push(server.host)
  try {
    await check(server.url)
  } finally {
    servers.splice(servers.indexOf(server.host), 1)
    await server.stop()
  }
}

async function speaks({ ask, say, told }: Cell): Promise<void> {
  say({ text: 'Cold, 雪 and 🌨 today.' })
  expect(await ask({ turns: [{ user }] })).toMatchObject({ text: 'Cold, 雪 and 🌨 today.', calls: [], ended: 'stop' })
  expect(told().words).toContain(user)
}

function resultsOf(received: Heard, text = 'Cold.') {
  expect(received.calls).toHaveLength(1)
  return received.calls.map(({ id }) => ({ id, text }))
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it should have failed')
    },
    (failure: unknown) => failure,
  )
}

function expectOverflow(failure: unknown, dialect: Combination['dialect']): void {
  if (dialect === 'anthropic-messages') {
    const message = expect.stringMatching(/^prompt is too long/)
    expectError(failure, dialect, 413, { type: 'request_too_large', message })
  } else if (dialect === 'gemini')
    expectError(failure, dialect, 400, /The input token count \(\d+\) exceeds the maximum number of tokens/)
  else if (dialect === 'ollama-chat') expectError(failure, dialect, 400, /context|too long|longer/i)
  else expectError(failure, dialect, 400, { code: 'context_length_exceeded' })
}

/** The vendors' packages differ in where they put the error's members; Google's has the whole body as its message. */
function expectError(
  failure: unknown,
  dialect: Combination['dialect'],
  status: number,
  words: Record<string, unknown> | RegExp,
): void {
  if (words instanceof RegExp) {
    expect(failure).toMatchObject({ status })
    expect(String(failure)).toMatch(words)
  } else if (dialect === 'anthropic-messages')
    expect(failure).toMatchObject({ status, error: { type: 'error', error: words } })
  else expect(failure).toMatchObject({ status, ...words })
}

function headerOf(failure: unknown, name: string): string | null {
  const headers = typeof failure === 'object' && failure !== null ? Reflect.get(failure, 'headers') : undefined
  return headers instanceof Headers ? headers.get(name) : null
}
