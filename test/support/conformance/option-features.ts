import { expect } from 'bun:test'
import { said, startMcpServer, tool } from '../mcp-server.ts'
import { servers } from './cell.ts'
import { type Feature, getWeather, prompted, user } from './feature.ts'

export const optionFeatures: readonly Feature[] = [
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
