import { afterEach, describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import { createParser } from 'eventsource-parser'
import OpenAI from 'openai'
import OpenAI6 from 'openai-6'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Clock } from '../../src/core/clock.ts'
import type { KeepAliveStyle } from '../../src/core/reply-encoder.ts'
import type { ClientWriter } from '../../src/http/client-writer.ts'
import { keepAlive } from '../../src/http/keep-alive.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'

const running: RunningGateway[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((gateway) => gateway.stop()))
})

function start(keepAliveStyle?: KeepAliveStyle, clock: Clock = systemClock): RunningGateway {
  const upstream = demo({ clock, idleMs: 5_000, paceMs: 0 })
  const gateway = startGateway([upstream], { keepAliveMs: 20, ...(keepAliveStyle ? { keepAliveStyle } : {}) })
  running.push(gateway)
  return gateway
}

test('a client that does not read gets no pings, and is given up in the end', () => {
  const clock = manualClock()
  const startedAt = clock.monotonic()
  let unreadSince: number | undefined
  const seen: string[] = []
  const client = { lastWriteAt: () => startedAt, unreadSince: () => unreadSince } as ClientWriter
  const ping = () => void seen.push('ping')
  const onStall = () => void seen.push('stall')
  const stop = keepAlive({ client, clock, everyMs: 10, stallMs: 100, ping, onStall })
  clock.advance(25)
  expect(seen).toEqual(['ping', 'ping'])
  unreadSince = clock.monotonic()
  clock.advance(90)
  expect(seen).toEqual(['ping', 'ping'])
  clock.advance(20)
  expect(seen).toEqual(['ping', 'ping', 'stall'])
  stop()
  expect(clock.pending()).toBe(0)
})

const words = '[silence:200] Hi'
const said = `Hello! 👋 I am the **demo** of zai2api, speaking as **GLM-4.5** without any network. Your request arrived:

> Hi

- **Model**: \`glm-4.5\`
- **Messages**: 1
- **System prompt**: none`
const messages = [{ role: 'user' as const, content: words }]
const asked: Record<string, [path: string, body: object]> = {
  chat: ['/v1/chat/completions', { messages }],
  completions: ['/v1/completions', { prompt: words }],
  responses: ['/v1/responses', { input: words }],
  messages: ['/v1/messages', { messages, max_tokens: 900 }],
}

/** The whole stream of an upstream that is silent until three keep-alives have come. */
async function streamOf(name: string, keepAliveStyle?: KeepAliveStyle): Promise<string> {
  const clock = manualClock()
  const [path, body] = asked[name] ?? ['', {}]
  const init = { method: 'POST', body: JSON.stringify({ model: 'glm-4.5', stream: true, ...body }) }
  const reply = await fetch(start(keepAliveStyle, clock).url + path, init)
  const decoder = new TextDecoder()
  let stream = ''
  for await (const piece of reply.body ?? []) {
    stream += decoder.decode(piece, { stream: true })
    // Nothing else comes before the silence is over.
    if ((stream.match(/^(: ping|data: .*)\n/gm) ?? []).length >= 3) clock.advance(200)
  }
  return stream
}

/** Takes each blank line for the end of an event, as old openai-go and its kin do; throws for one without data. */
function naiveEvents(stream: string): string[] {
  const events: string[] = []
  let data: string[] = []
  for (const line of stream.split('\n').slice(0, -1)) {
    if (line.startsWith('data: ')) data.push(line.slice('data: '.length))
    if (line !== '') continue
    if (data.length === 0) throw new Error('an event without data')
    events.push(data.join('\n'))
    data = []
  }
  return events
}

function parsedEvents(stream: string): string[] {
  const events: string[] = []
  const parser = createParser({ onEvent: ({ data }) => void events.push(data) })
  for (const char of stream) parser.feed(char)
  return events
}

describe('a keep-alive', () => {
  test.each(Object.keys(asked))('is no event without data: %s', async (name) => {
    const stream = await streamOf(name)
    expect(stream.match(/ping/g)?.length).toBeGreaterThan(2)
    const events = naiveEvents(stream)
    expect(parsedEvents(stream)).toEqual(events)
    for (const data of events) if (data !== '[DONE]') expect(JSON.parse(data)).toBeObject()
  })

  test.each(['chat', 'completions', 'responses'])('is a comment without a blank line behind it: %s', async (name) => {
    const stream = await streamOf(name)
    expect(stream).toMatch(/^(: ping\n){3,}(event|data): /)
    expect(stream).not.toContain(': ping\n\n')
  })
})

describe('KEEPALIVE_STYLE=chunk', () => {
  test('is an empty delta of the same reply in chat', async () => {
    const events = naiveEvents(await streamOf('chat', 'chunk'))
    const chunks = events.slice(0, -1).map((data) => JSON.parse(data))
    const spoken = chunks.findIndex(({ choices }) => choices[0]?.delta.role === 'assistant')
    expect(spoken).toBeGreaterThan(2)
    const { id, created, model } = chunks[spoken]
    const empty = { index: 0, delta: { reasoning_content: null }, logprobs: null, finish_reason: null }
    expect(chunks.slice(0, spoken)).toEqual(
      Array(spoken).fill({ id, object: 'chat.completion.chunk', created, model, choices: [empty] }),
    )
  })

  test('is an empty text in completions', async () => {
    const events = naiveEvents(await streamOf('completions', 'chunk'))
    const [first] = events.map((data) => (data === '[DONE]' ? {} : JSON.parse(data)))
    expect(first.choices).toEqual([{ text: '', index: 0, logprobs: null, finish_reason: null }])
  })

  test.each(['responses', 'messages'])('changes nothing where the dialect has no such event: %s', async (name) => {
    expect(await streamOf(name, 'chunk')).toStartWith(name === 'messages' ? 'event: ping\n' : ': ping\n')
  })
})

describe.each(['comment', 'chunk'] as const)('official packages read a stream with keep-alives: %s', (style) => {
  test.each<[string, (baseURL: string) => Pick<OpenAI, 'chat' | 'completions' | 'responses'>]>([
    ['openai 7', (baseURL) => new OpenAI({ apiKey: 'k', baseURL, maxRetries: 0 })],
    // Its types differ in what is not used here.
    ['openai 6', (baseURL) => new OpenAI6({ apiKey: 'k', baseURL, maxRetries: 0 }) as unknown as OpenAI],
  ])('%s', async (_name, clientOf) => {
    const client = clientOf(`${start(style).url}/v1`)
    const chat = await client.chat.completions.stream({ model: 'glm-4.5', messages }).finalChatCompletion()
    expect(chat.choices[0]?.message.content).toBe(said)
    const response = await client.responses.stream({ model: 'glm-4.5', input: words }).finalResponse()
    expect(response.output_text).toBe(said)
    let text = ''
    for await (const { choices } of await client.completions.create({ model: 'glm-4.5', prompt: words, stream: true }))
      text += choices[0]?.text ?? ''
    expect(text).toBe(said)
  })

  test('@anthropic-ai/sdk', async () => {
    const client = new Anthropic({ apiKey: 'k', baseURL: start(style).url, maxRetries: 0 })
    const message = await client.messages.stream({ model: 'glm-4.5', messages, max_tokens: 900 }).finalText()
    expect(message).toBe(said)
  })
})
