import { expect, test } from 'bun:test'
import { ApiError, GoogleGenAI } from '@google/genai'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { gemini } from '../../../src/dialects/gemini/index.ts'
import { requestContext } from '../../support/request-context.ts'
import {
  answering,
  answeringJson,
  call,
  events,
  fail,
  finish,
  head,
  reply,
  say,
  think,
  turn,
  usage,
} from '../stream.ts'

const options = { showsThoughts: true }
const ask = { model: 'glm-5', contents: 'Hello' }
const client = (fetch: typeof globalThis.fetch) =>
  new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: 'http://localhost', fetch } })
const messages = (...deltas: Delta[]) => runTransform(gemini.encoder(head, options), events(...deltas))
const streaming = (...sent: string[]) => client(answering(sent)).models.generateContentStream(ask)

test('a chat keeps a turn with reasoning and two calls, and sends the reasoning back once', async () => {
  const chat = client(answering(messages(...turn))).chats.create({ model: 'glm-5' })
  const chunks = await Array.fromAsync(await chat.sendMessageStream({ message: 'Hello' }))
  expect(chunks.flatMap(({ functionCalls }) => functionCalls ?? [])).toEqual([
    { id: 'id_a', name: 'weather', args: { city: 'A' } },
    { id: 'id_b', name: 'weather', args: { city: 'B' } },
  ])
  expect(chunks.at(-1)?.usageMetadata).toEqual({
    promptTokenCount: 30,
    candidatesTokenCount: 7,
    thoughtsTokenCount: 5,
    cachedContentTokenCount: 10,
    totalTokenCount: 42,
  })
  const body = JSON.parse(JSON.stringify({ contents: chat.getHistory(true) }))
  expect(gemini.decode(body, requestContext()).request.messages).toEqual([
    { role: 'user', parts: [{ type: 'text', text: 'Hello' }] },
    {
      role: 'assistant',
      parts: [
        { type: 'reasoning', text: 'Two towns.' },
        { type: 'text', text: 'Looking.' },
        { type: 'tool-call', id: 'id_a', name: 'weather', arguments: '{"city":"A"}' },
        { type: 'tool-call', id: 'id_b', name: 'weather', arguments: '{"city":"B"}' },
      ],
    },
  ])
})

test('signs of life between the pieces are skipped, and no piece with them', async () => {
  const sent = messages(say('One, '), say('two.'), finish()).flatMap((message) => [gemini.stream.keepAlive, message])
  // As one read, too: comments and events in one chunk.
  for (const pieces of [sent, [sent.join('')]]) {
    const chunks = await Array.fromAsync(await streaming(...pieces))
    expect(chunks.map(({ text }) => text).join('')).toBe('One, two.')
  }
})

test('an error in the middle of a stream is raised', async () => {
  const sent = messages(say('a'), fail(new GatewayError('upstream-truncated', 'Cut off.')))
  const thrown = await Array.fromAsync(await streaming(...sent)).catch((error: unknown) => error)
  expect(thrown).toBeInstanceOf(ApiError)
  expect(thrown).toMatchObject({ status: 502 })
  expect(String(thrown)).toContain('Cut off.')
})

test('a whole reply parses: its text has no reasoning, and hidden reasoning is in the signature alone', async () => {
  const whole = reply(think('A greeting.'), say('Hello!'), usage, finish())
  const shown = await client(answeringJson(200, gemini.encodeReply(head, whole, options))).models.generateContent(ask)
  expect([shown.text, shown.candidates?.[0]?.content?.parts?.[0]]).toEqual([
    'Hello!',
    { text: 'A greeting.', thought: true },
  ])
  const hidden = gemini.encodeReply(head, whole, { showsThoughts: false })
  const said = await client(answeringJson(200, hidden)).models.generateContent(ask)
  expect(said.candidates?.[0]?.content?.parts).toEqual([
    { text: 'Hello!', thoughtSignature: expect.stringMatching(/^[\w+/]+={0,2}$/) },
  ])
  const contents = [{ role: 'model', parts: said.candidates?.[0]?.content?.parts }]
  expect(gemini.decode(JSON.parse(JSON.stringify({ contents })), requestContext()).request.messages).toEqual([
    {
      role: 'assistant',
      parts: [
        { type: 'reasoning', text: 'A greeting.' },
        { type: 'text', text: 'Hello!' },
      ],
    },
  ])
})

test('a call that was cut is left out, and the reason tells why', async () => {
  const cut = [say('Looking.'), ...call('a', 'weather', '{"city":'), usage, finish('length')]
  const chunks = await Array.fromAsync(await streaming(...messages(...cut)))
  expect(chunks.flatMap(({ functionCalls }) => functionCalls ?? [])).toEqual([])
  expect(chunks.at(-1)?.candidates?.[0]?.finishReason).toBe('MAX_TOKENS' as never)
  const body = gemini.encodeReply(head, reply(...cut), options)
  expect(await client(answeringJson(200, body)).models.generateContent(ask)).toMatchObject({
    text: 'Looking.',
    candidates: [{ finishReason: 'MAX_TOKENS' }],
  })
})

test('every piece of a stream is part of one array, which is whole only at its end', () => {
  const pieces = runTransform(gemini.encoder(head, { ...options, isArray: true }), events(...turn))
  const values: object[] = JSON.parse(pieces.join(''))
  const fromEvents = messages(...turn).map((message) => JSON.parse(message.slice('data: '.length)))
  expect(values).toEqual(fromEvents)
  for (let count = 1; count < pieces.length; count++)
    expect(() => JSON.parse(pieces.slice(0, count).join(''))).toThrow()
})
