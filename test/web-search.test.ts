import { afterAll, describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { systemClock } from '../src/async/system-clock.ts'
import type { SearchPolicy } from '../src/gateway/web-search.ts'
import { demo } from '../src/upstreams/demo/index.ts'
import { zaiApi } from '../src/upstreams/zai-api/index.ts'
import { answer, completionRoute, fieldOf, frames } from './support/chat-zai.ts'
import { startGateway } from './support/gateway.ts'
import { lending } from './support/pool.ts'
import { startWebGateway } from './support/web-gateway.ts'
import { baseUrl, chatRoute, chunks, scriptedApi } from './support/zai-api.ts'

// From the request that asks for a search to what the vendors' own packages make of it.
const stops: (() => unknown)[] = []
afterAll(async () => {
  for (const stop of stops) await stop()
})

function clientsOf(url: string) {
  return {
    openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'anything', maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: url, apiKey: 'anything', maxRetries: 0 }),
  }
}

const demoGateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
stops.push(() => demoGateway.stop())

const page = { url: 'https://example.com/', title: 'Example Domain' }
const user = { role: 'user' as const, content: 'News of today?' }
const weather: OpenAI.Responses.Tool = {
  type: 'function',
  name: 'get_weather',
  parameters: { type: 'object', properties: {} },
  strict: false,
}

describe('over the demo', () => {
  const { openai, anthropic } = clientsOf(demoGateway.url)

  test("Claude Code's side request for a search gets results it can count", async () => {
    const { body, headers } = await Bun.file(
      'test/golden/requests/anthropic-messages/claude-code-web-search/in.json',
    ).json()
    const response = await fetch(`${demoGateway.url}/v1/messages?beta=true`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    expect(response.headers.get('x-zai2api-ignored')).toBeNull()
    const events = [...(await response.text()).matchAll(/^data: (.+)$/gm)].map(([, data = '']) => JSON.parse(data))
    const started = events.flatMap(({ type, content_block }) => (type === 'content_block_start' ? [content_block] : []))
    expect(started.map(({ type }) => type)).toContain('server_tool_use')
    expect(started.find(({ type }) => type === 'web_search_tool_result').content).toMatchObject([page])
    expect(events.find(({ type }) => type === 'message_delta').usage.server_tool_use.web_search_requests).toBe(1)
  })

  test('the answer cites the page in every dialect, whole or streamed', async () => {
    const ask = { model: 'GLM-4.5', max_tokens: 900, messages: [user] }
    const tools = [{ type: 'web_search_20250305' as const, name: 'web_search' as const }]
    for (const message of [
      await anthropic.messages.create({ ...ask, tools }),
      await anthropic.messages.stream({ ...ask, tools }).finalMessage(),
    ]) {
      const text = message.content.find((block) => block.type === 'text')
      expect(text?.citations).toMatchObject([{ type: 'web_search_result_location', ...page }])
      expect(text?.text).toContain('[1](https://example.com/)')
    }

    const chat = { model: 'GLM-4.5', messages: [user], web_search_options: {} }
    for (const { choices } of [
      await openai.chat.completions.create(chat),
      await openai.chat.completions.stream(chat).finalChatCompletion(),
    ]) {
      const message = choices[0]?.message
      const [citation] = message?.annotations ?? []
      const { start_index = 0, end_index = 0 } = citation?.url_citation ?? {}
      expect(citation?.url_citation).toMatchObject(page)
      expect(message?.content?.slice(start_index, end_index)).toBe('[1](https://example.com/)')
    }

    const responses = { model: 'GLM-4.5', input: 'News of today?', tools: [{ type: 'web_search' as const }] }
    for (const { output } of [
      await openai.responses.create(responses),
      await openai.responses.stream(responses).finalResponse(),
    ]) {
      expect(output.find(({ type }) => type === 'web_search_call')).toMatchObject({
        action: { query: 'News of today?' },
      })
      expect(output.find(({ type }) => type === 'message')).toMatchObject({ content: [{ annotations: [page] }] })
    }
  })

  test('a search by the name of the model alone leaves links, and no blocks nobody asked for', async () => {
    const message = await anthropic.messages.create({ model: 'GLM-4.5-Search', max_tokens: 900, messages: [user] })
    expect(message.content.map(({ type }) => type)).toEqual(['text'])
    expect(JSON.stringify(message.content)).toContain('[1](https://example.com/)')
    expect(message.usage.server_tool_use ?? null).toBeNull()
  })

  test("beside an agent's own tools the search stays off, and is named", async () => {
    const { data, response } = await openai.responses
      .create({ model: 'GLM-4.5', input: 'News?', tools: [weather, { type: 'web_search' }] })
      .withResponse()
    expect(response.headers.get('x-zai2api-ignored')).toBe('web_search')
    expect(data.output.map(({ type }) => type)).not.toContain('web_search_call')
  })

  test('unless it is the choice', async () => {
    const { data, response } = await openai.responses
      .create({
        model: 'GLM-4.5',
        input: 'News?',
        tools: [weather, { type: 'web_search' }],
        tool_choice: { type: 'web_search_preview' },
      })
      .withResponse()
    expect(response.headers.get('x-zai2api-ignored')).toBeNull()
    expect(data.output.map(({ type }) => type)).toContain('web_search_call')
  })
})

describe('over the official API', () => {
  function official(webSearch?: SearchPolicy) {
    const api = scriptedApi()
    api.script(chatRoute, () =>
      chunks(
        { web_search: [{ refer: 'ref_1', title: page.title, link: page.url }], delta: { content: 'See [ref' } },
        { delta: { content: '_1].' } },
        { finish_reason: 'stop', usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 } },
      ),
    )
    const options = { idleMs: 5_000, headersTimeoutMs: 5_000, modelsTtlMs: 60_000, scanLimit: 1_000, tools: true }
    const upstream = zaiApi(
      { keys: ['key-1'], baseUrl, ...options },
      {
        ...lending(systemClock),
        fetch: api.fetch,
        clock: systemClock,
        newUuid: () => crypto.randomUUID(),
        log: () => {},
      },
    )
    const gateway = startGateway([upstream], webSearch ? { webSearch } : {})
    stops.push(() => gateway.stop())
    return { ...clientsOf(gateway.url), sent: () => fieldOf(api.to(chatRoute).at(-1)?.body, 'tools') }
  }

  test('one site is searched, and its pages come back as blocks', async () => {
    const { anthropic, sent } = official()
    const { data, response } = await anthropic.messages
      .create({
        model: 'glm-4.7',
        max_tokens: 900,
        messages: [user],
        tools: [{ type: 'web_search_20250305', name: 'web_search', allowed_domains: ['example.com'] }],
      })
      .withResponse()
    expect(sent()).toMatchObject([{ type: 'web_search', web_search: { search_domain_filter: 'example.com' } }])
    expect(response.headers.get('x-zai2api-ignored')).toBeNull()
    expect(data.content).toMatchObject([
      // The API does not tell what it looked for.
      { type: 'server_tool_use', input: { query: user.content } },
      { type: 'web_search_tool_result', content: [page] },
      { type: 'text', text: 'See [1](https://example.com/).', citations: [page] },
    ])
  })

  test.each<[SearchPolicy, string[], string | null]>([
    ['auto', ['function'], 'web_search'],
    ['on', ['function', 'web_search'], null],
    ['off', ['function'], 'web_search'],
  ])('WEB_SEARCH=%s sends %p beside a tool', async (policy, expected, ignored) => {
    const { openai, sent } = official(policy)
    const { response } = await openai.responses
      .create({ model: 'glm-4.7', input: 'News?', tools: [weather, { type: 'web_search' }] })
      .withResponse()
    expect([sent()].flat().map((tool) => fieldOf(tool, 'type'))).toEqual(expected)
    expect(response.headers.get('x-zai2api-ignored')).toBe(ignored)
  })
})

describe('over chat.z.ai', () => {
  test('the site searches where it is asked to, and never in place of tools', async () => {
    const { site, gateway, stop } = startWebGateway({ account: true, webSearch: 'on' })
    stops.push(stop)
    const { openai } = clientsOf(gateway.url)
    const searching = () => fieldOf(fieldOf(site.to(completionRoute).at(-1)?.body, 'features'), 'web_search')

    site.script(completionRoute, () =>
      frames(
        { phase: 'tool_call', delta_name: 'search', delta_arguments: '{"search_query":[{"q":"news"}]}' },
        {
          phase: 'tool_response',
          tool_name: 'search',
          delta_content: `[ref_id=turn0search0†${page.title}†${page.url}]`,
        },
        { phase: 'answer', delta_content: 'See【turn0search0】.' },
        { phase: 'done', done: true },
      ),
    )
    const found = await openai.responses.create({ model: 'glm-4.7', input: 'News?', tools: [{ type: 'web_search' }] })
    expect(searching()).toBe(true)
    expect(found.output).toMatchObject([
      { type: 'web_search_call', action: { query: 'news' } },
      { type: 'message', content: [{ text: 'See[1](https://example.com/).', annotations: [page] }] },
    ])

    site.script(completionRoute, () => answer('None.'))
    const { response } = await openai.responses
      .create({ model: 'glm-4.7', input: 'News?', tools: [weather, { type: 'web_search' }] })
      .withResponse()
    expect(searching()).toBe(false)
    expect(response.headers.get('x-zai2api-ignored')).toBe('web_search')
  })
})
