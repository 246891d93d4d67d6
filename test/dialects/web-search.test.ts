import { describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { numberedLink } from '../../src/core/citations.ts'
import type { Dialect } from '../../src/core/dialect.ts'
import type { Delta } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { openaiChat } from '../../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { requestContext } from '../support/request-context.ts'
import { answering, answeringJson, head as anyHead, events, finish, reply, say, think, usage } from './stream.ts'

// One turn with two searches, told to the vendors' own packages.
const one = { refId: 'r1', title: 'One', url: 'https://one.example/' }
const two = { refId: 'r2', title: '', url: 'https://two.example/(x)' }
const links = { one: numberedLink(1, one.url), two: numberedLink(2, two.url) }
const searched = (id: string, query: string, sources: (typeof one)[]): Delta => ({
  type: 'server-tool',
  tool: { id, name: 'search', arguments: '{}', kind: 'web-search', query, sources },
})
const turn: Delta[] = [
  think('Hm.'),
  searched('a', 'first', [one]),
  say(`So 🌊${links.one.slice(0, 9)}`),
  say(`${links.one.slice(9)} and again ${links.one}.`),
  searched('b', 'second "quoted"', [two]),
  say(` Then${links.two}, ${links.one}.`),
  usage,
  finish(),
]
const texts = [`So 🌊${links.one} and again ${links.one}.`, ` Then${links.two}, ${links.one}.`]
const answer = texts.join('')

function optionsOf<Options>(dialect: Dialect<Options>, body: object): Options {
  return dialect.decode(body, requestContext()).options
}

describe('Messages', () => {
  const body = { model: 'glm-5', max_tokens: 9, messages: [{ role: 'user' as const, content: 'Hi' }] }
  const options = optionsOf(anthropicMessages, body)
  const head = { ...anyHead, id: 'msg_1' }
  const clientOf = (fetch: typeof globalThis.fetch) =>
    new Anthropic({ apiKey: 'k', baseURL: 'http://localhost', fetch, maxRetries: 0 })
  const stream = () =>
    clientOf(answering(runTransform(anthropicMessages.encoder(head, options), events(...turn)))).messages.stream(body)
  const whole = () => clientOf(answeringJson(200, anthropicMessages.encodeReply(head, reply(...turn), options)))

  const cites = (url: string, title: string) => ({
    type: 'web_search_result_location' as const,
    url,
    title,
    cited_text: title,
    encrypted_index: expect.stringMatching(/./),
  })
  const found = (id: string, url: string, title: string) => ({
    type: 'web_search_tool_result',
    tool_use_id: id,
    content: [{ type: 'web_search_result', url, title, page_age: null, encrypted_content: expect.stringMatching(/./) }],
  })
  const content = [
    { type: 'server_tool_use', id: 'srvtoolu_1_0', name: 'web_search', input: { query: 'first' } },
    found('srvtoolu_1_0', one.url, 'One'),
    { type: 'text', text: texts[0], citations: [cites(one.url, 'One')] },
    { type: 'server_tool_use', id: 'srvtoolu_1_1', name: 'web_search', input: { query: 'second "quoted"' } },
    found('srvtoolu_1_1', two.url, two.url),
    { type: 'text', text: texts[1], citations: [cites(two.url, two.url), cites(one.url, 'One')] },
  ]

  test('the SDK gathers searches, results and citations from a stream', async () => {
    const message = await stream().finalMessage()
    expect(message.content).toMatchObject(content)
    expect(message.content).toHaveLength(content.length)
    expect(message.usage.server_tool_use).toEqual({ web_search_requests: 2, web_fetch_requests: 0 })
  })

  test('a citation follows the link it belongs to', async () => {
    const order: string[] = []
    await stream()
      .on('text', (text) => void order.push(text))
      .on('citation', (citation) => void order.push(`cites ${'url' in citation ? citation.url : ''}`))
      .finalMessage()
    expect(order).toEqual([
      `So 🌊${links.one.slice(0, 9)}`,
      `${links.one.slice(9)} and again ${links.one}.`,
      `cites ${one.url}`,
      ` Then${links.two}, ${links.one}.`,
      `cites ${two.url}`,
      `cites ${one.url}`,
    ])
  })

  test('a whole reply holds the same', async () => {
    const message = await whole().messages.create(body)
    expect(message.content).toMatchObject(content)
    expect(message.content).toHaveLength(content.length)
    expect(message.usage.server_tool_use).toEqual({ web_search_requests: 2, web_fetch_requests: 0 })
  })

  test('the blocks can be sent back', async () => {
    const { content: said } = await whole().messages.create(body)
    const messages = [...body.messages, { role: 'assistant', content: said }, { role: 'user', content: 'More' }]
    const { request } = anthropicMessages.decode({ ...body, messages }, requestContext())
    const words = JSON.stringify(request.messages[1])
    expect(words).toContain('second')
    expect(words).toContain('- One: https://one.example/')
    expect(words).toContain(links.two)
  })
})

describe('Chat Completions', () => {
  const body = { model: 'glm-5', messages: [{ role: 'user' as const, content: 'Hi' }] }
  const options = optionsOf(openaiChat, body)
  const head = { ...anyHead, id: 'chatcmpl-1' }
  const clientOf = (fetch: typeof globalThis.fetch) =>
    new OpenAI({ apiKey: 'k', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 })
  const cited = (message: OpenAI.ChatCompletionMessage | undefined) =>
    (message?.annotations ?? []).map(({ url_citation: { start_index, end_index, url, title } }) => ({
      link: message?.content?.slice(start_index, end_index),
      url,
      title,
    }))
  const expected = [
    { link: links.one, url: one.url, title: 'One' },
    { link: links.one, url: one.url, title: 'One' },
    { link: links.two, url: two.url, title: two.url },
    { link: links.one, url: one.url, title: 'One' },
  ]

  test('the SDK finds every link of a stream where the annotations say', async () => {
    const said = runTransform(openaiChat.encoder(head, options), events(...turn))
    const final = await clientOf(answering(said)).chat.completions.stream(body).finalChatCompletion()
    expect(final.choices[0]?.message.content).toBe(answer)
    expect(cited(final.choices[0]?.message)).toEqual(expected)
  })

  test('and of a whole reply', async () => {
    const said = openaiChat.encodeReply(head, reply(...turn), options)
    const final = await clientOf(answeringJson(200, said)).chat.completions.create(body)
    expect(cited(final.choices[0]?.message)).toEqual(expected)
  })

  test('without a cited page there are none', () => {
    const plain = [say(answer), finish()]
    expect(runTransform(openaiChat.encoder(head, options), events(...plain)).join('')).not.toContain('annotations')
    const whole = openaiChat.encodeReply(head, reply(...plain), options)
    expect(whole).toHaveProperty('choices.0.message.annotations', [])
  })
})

describe('Responses', () => {
  const body = { model: 'glm-5', input: 'Hi' }
  const options = optionsOf(openaiResponses, body)
  const listing = optionsOf(openaiResponses, { ...body, include: ['web_search_call.action.sources'] })
  const head = { ...anyHead, id: 'resp_1' }
  const clientOf = (fetch: typeof globalThis.fetch) =>
    new OpenAI({ apiKey: 'k', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 })
  const streaming = () =>
    clientOf(answering(runTransform(openaiResponses.encoder(head, options), events(...turn)))).responses.stream(body)

  const search = (id: string, query: string) => ({
    id,
    type: 'web_search_call',
    status: 'completed',
    action: { type: 'search', query, queries: [query] },
  })
  const cites = (text: string, link: string, { title, url }: typeof one, from = 0) => {
    const start = text.indexOf(link, from)
    return { type: 'url_citation', start_index: start, end_index: start + link.length, title: title || url, url }
  }
  const [first = '', second = ''] = texts
  const firstCited = [cites(first, links.one, one), cites(first, links.one, one, 30)]
  const secondCited = [cites(second, links.two, two), cites(second, links.one, one)]
  const output = [
    { type: 'reasoning' },
    search('ws_1_1', 'first'),
    {
      type: 'message',
      content: [{ text: first, annotations: firstCited }],
    },
    search('ws_1_3', 'second "quoted"'),
    {
      type: 'message',
      content: [{ text: second, annotations: secondCited }],
    },
  ]

  test('the SDK reads the searches as items of a stream, and the citations as they come', async () => {
    const stream = streaming()
    const received: string[] = []
    const annotations: unknown[] = []
    for await (const event of stream) {
      if ('output_index' in event && event.output_index === 1) received.push(event.type)
      if (event.type === 'response.output_text.annotation.added') annotations.push(event.annotation)
    }
    expect(received).toEqual([
      'response.output_item.added',
      'response.web_search_call.in_progress',
      'response.web_search_call.searching',
      'response.web_search_call.completed',
      'response.output_item.done',
    ])
    const final = await stream.finalResponse()
    expect(final.output).toMatchObject(output)
    expect(final.output_text).toBe(answer)
    expect(annotations).toMatchObject([...firstCited, ...secondCited])
  })

  test('a whole response holds the same', async () => {
    const said = openaiResponses.encodeReply(head, reply(...turn), options)
    const final = await clientOf(answeringJson(200, said)).responses.create(body)
    expect(final.output).toMatchObject(output)
    expect(final.output).toHaveLength(output.length)
  })

  test('the pages are in the item where the client wants them', () => {
    const action = { type: 'search', query: 'first', queries: ['first'], sources: [{ type: 'url', url: one.url }] }
    const whole = openaiResponses.encodeReply(head, reply(...turn), listing)
    expect(whole).toMatchObject({ output: [{}, { action }, {}, {}, {}] })
    const items = runTransform(openaiResponses.encoder(head, listing), events(...turn)).filter((text) =>
      text.startsWith('event: response.output_item.done'),
    )
    expect(items[1]).toContain(JSON.stringify(action))
  })

  test('a reply cut behind a search has a whole search', () => {
    const whole = openaiResponses.encodeReply(head, reply(searched('a', 'first', [one]), finish('length')), options)
    expect(whole).toMatchObject({ output: [{ type: 'web_search_call', status: 'completed' }] })
  })
})

test('Completions have no place for a search', () => {
  const options = optionsOf(openaiCompletions, { model: 'glm-5', prompt: 'Hi' })
  const said = runTransform(openaiCompletions.encoder(anyHead, options), events(...turn)).join('')
  expect(said).toContain(links.two)
  expect(said).not.toContain('second')
})

describe('what a client says about the search', () => {
  const messages = { model: 'glm-5', messages: [{ role: 'user', content: 'Hi' }] }
  const search = { type: 'web_search_20250305', name: 'web_search' }
  const custom = { name: 'f', input_schema: { type: 'object' } }
  test.each<[string, Dialect, object, object]>([
    ['Messages: no more than it is', anthropicMessages, { ...messages, tools: [search] }, { chosen: false }],
    [
      'Messages: how often, and where',
      anthropicMessages,
      { ...messages, tools: [{ ...search, max_uses: 3, allowed_domains: ['a.example'], blocked_domains: null }] },
      { chosen: false, maxUses: 3, allowedDomains: ['a.example'] },
    ],
    [
      'Messages: now',
      anthropicMessages,
      { ...messages, tools: [custom, search], tool_choice: { type: 'tool', name: 'web_search' } },
      { chosen: true },
    ],
    [
      'Messages: a tool of its own now',
      anthropicMessages,
      { ...messages, tools: [custom, search], tool_choice: { type: 'tool', name: 'f' } },
      { chosen: false },
    ],
    [
      'Responses: where',
      openaiResponses,
      {
        model: 'glm-5',
        input: 'Hi',
        tools: [{ type: 'web_search', filters: { allowed_domains: ['a.example'], blocked_domains: ['b.example'] } }],
      },
      { chosen: false, allowedDomains: ['a.example'], blockedDomains: ['b.example'] },
    ],
    [
      'Responses: now',
      openaiResponses,
      {
        model: 'glm-5',
        input: 'Hi',
        tools: [{ type: 'function', name: 'f' }, { type: 'web_search_preview' }],
        tool_choice: { type: 'web_search_preview' },
      },
      { chosen: true },
    ],
  ])('%s', (_name, dialect, body, expected) => {
    const { request } = dialect.decode(body, requestContext())
    expect(request.search).toBe(true)
    expect(JSON.parse(JSON.stringify(request.searchRules))).toEqual(expected)
    // A choice of the search rules out the client's own tools.
    if ('chosen' in expected && expected.chosen === true) expect(request.toolChoice).toBe('none')
  })
})
