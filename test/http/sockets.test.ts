import { afterAll, describe, expect, test } from 'bun:test'
import { once } from 'node:events'
import { connect as connectTo } from 'node:net'
import OpenAI from 'openai'
import type { ResponsesClientEvent, ResponsesServerEvent } from 'openai/resources/responses/responses'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Delta } from '../../src/core/events.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway, until } from '../support/gateway.ts'
import { replyingWith } from '../support/replies.ts'

const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const gateway = startGateway([upstream], { access: { openaiKey: 'sk-1' } })
afterAll(() => gateway.stop())

const model = 'GLM-4.5'
type Event = ResponsesServerEvent & { stream_id?: string }

/** What is wrong with a message, of the event that says so. */
function refusalOf(event: Event): unknown {
  if (event.type !== 'error' || !('error' in event)) return event
  return event.error.param ?? event.error.code
}

/** A connection of OpenAI's own package, and all that came over it. */
function connect(apiKey = 'sk-1', url = gateway.url) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 })
  const socket = new ResponsesWS(client)
  const events: Event[] = []
  const errors: unknown[] = []
  socket.on('event', (event) => void events.push(event))
  socket.on('error', (error) => void errors.push(error))
  return {
    events,
    errors,
    ask: (fields: object) => socket.send({ type: 'response.create', model, ...fields } as ResponsesClientEvent),
    raw: (text: string) => socket.sendRaw(text),
    ended: (count = 1) =>
      until(
        () => events.filter(({ type }) => type === 'response.completed' || type === 'error').length >= count,
        'ends',
      ),
    completed: () => events.filter((event) => event.type === 'response.completed'),
    [Symbol.dispose]: () => socket.close(),
  }
}

describe('a WebSocket of the Responses API', () => {
  test('carries the events of a stream, in order', async () => {
    using socket = connect()
    socket.ask({ input: 'Hello there' })
    await socket.ended()
    expect(socket.events.map((event) => ('sequence_number' in event ? event.sequence_number : undefined))).toEqual([
      ...socket.events.keys(),
    ])
    expect(socket.events[0]).toMatchObject({ type: 'response.created' })
    expect(socket.completed()[0]?.response.output_text).toContain('Hello there')
  })

  test('continues a reply that is not stored, as long as it lasts, and only there', async () => {
    using socket = connect()
    using other = connect()
    socket.ask({ input: 'The word is heron.', store: false })
    await socket.ended()
    const previous_response_id = socket.completed()[0]?.response.id
    socket.ask({ input: '[echo] again', store: false, previous_response_id })
    other.ask({ input: 'again', store: false, previous_response_id })
    await Promise.all([socket.ended(2), other.ended()])
    expect(socket.completed()).toHaveLength(2)
    expect(socket.completed()[1]?.response.previous_response_id).toBe(previous_response_id ?? '')
    expect(other.events).toMatchObject([{ type: 'error', status: 400, error: { code: 'previous_response_not_found' } }])
  })

  test('prepares a conversation without a reply', async () => {
    using socket = connect()
    socket.ask({ input: 'The word is heron.', store: false, generate: false })
    await socket.ended()
    const prepared = socket.completed()[0]?.response
    expect(prepared).toMatchObject({ output: [], usage: { total_tokens: 0 } })
    socket.ask({ input: 'Go on.', store: false, previous_response_id: prepared?.id })
    await socket.ended(2)
    expect(socket.completed()[1]?.response.output_text).not.toBe('')
  })

  test('answers the requests of one lane in turn and those of others meanwhile', async () => {
    using socket = connect()
    for (const stream_id of ['a', 'a', 'b']) socket.ask({ input: `for ${stream_id}`, stream_id })
    await socket.ended(3)
    const ofA = socket.events.filter(({ stream_id }) => stream_id === 'a').map(({ type }) => type)
    expect(ofA.lastIndexOf('response.created')).toBeGreaterThan(ofA.indexOf('response.completed'))
    expect(socket.events.filter(({ stream_id }) => stream_id === 'b').at(-1)?.type).toBe('response.completed')
    expect(socket.events.every(({ stream_id }) => stream_id !== undefined)).toBe(true)
  })

  test('says what is wrong with a message, and goes on', async () => {
    using socket = connect()
    socket.raw('{')
    socket.raw('{"type":"response.cancel"}')
    socket.ask({ input: 'x', background: true })
    socket.ask({ input: 'x', temperature: 9 })
    socket.ask({ input: [] })
    socket.ask({ input: 'x', stream_id: 'l'.repeat(257) })
    socket.ask({ input: 'x', stream_id: 7 })
    socket.ask({ input: 'x', stream: 'yes' })
    socket.ask({ input: 'x', generate: 'no' })
    socket.raw('[]')
    socket.raw(`{"type":"response.create","input":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)
    socket.raw(`{"type":"response.create","input":[${'0,'.repeat(250_000)}0]}`)
    await socket.ended(12)
    // A message that is refused as a request is answered later than one that is none.
    expect(socket.events.map(refusalOf).toSorted()).toEqual([
      ...['background', 'generate', 'input', 'input.0.0', 'invalid_json', 'stream', 'stream_id', 'stream_id'],
      ...['temperature', 'too_many_values', 'type', 'type'],
    ])
    socket.ask({ input: 'Hello there' })
    await socket.ended(13)
    expect(socket.completed()).toHaveLength(1)
  })

  test('refuses a message by the lane that it names', async () => {
    using socket = connect()
    socket.ask({ input: 'x', stream_id: 'a', background: true })
    socket.ask({ input: 'x', stream_id: 'b', temperature: 9 })
    socket.ask({ input: 'x', stream_id: ['c'] })
    await socket.ended(3)
    const refused = socket.events.map((event) => [event.stream_id, refusalOf(event)])
    expect(refused.toSorted()).toEqual([
      [undefined, 'stream_id'],
      ['a', 'background'],
      ['b', 'temperature'],
    ])
  })

  test('needs the key, and tells plain requests what it is', async () => {
    using socket = connect('sk-wrong')
    await until(() => socket.errors.length > 0, 'a refusal')
    expect(String(socket.errors[0])).toContain('401')
    const plain = await fetch(`${gateway.url}/v1/responses`, { headers: { authorization: 'Bearer sk-1' } })
    expect([plain.status, await plain.json()]).toMatchObject([426, { error: { code: 'upgrade_required' } }])
  })

  test('stops the work for a client that leaves', async () => {
    const slow = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 20 })])
    {
      using socket = connect('any', slow.url)
      socket.ask({ input: `${'many words '.repeat(200)}` })
      await until(() => socket.events.length > 5, 'the beginning')
    }
    await until(
      () => slow.lines.some((line) => line.includes('client_disconnected') || line.includes('cancelled')),
      'an end',
    )
    await slow.stop()
  })
})

test('no more text waits on one connection than in two of the longest messages', async () => {
  const slow = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 5 })], { maxBodyBytes: 10_000 })
  using socket = connect('any', slow.url)
  for (let count = 0; count < 3; count++) socket.ask({ input: 'many words '.repeat(800) })
  await socket.ended()
  expect(socket.events.filter(({ type }) => type === 'error')).toMatchObject([
    { status: 503, error: { code: 'too_many_requests_at_once' } },
  ])
  await slow.stop()
})

test('a client that reads nothing is cut off, not left waiting for the rest of a reply', async () => {
  const words = (from: number) => Array.from({ length: 2_000 }, (_, index) => (from + index).toString(36)).join(' ')
  const long: Delta[] = Array.from({ length: 2_000 }, (_, part) => ({ type: 'text', text: words(part * 2_000) }))
  const endless = startGateway([replyingWith(() => long)], { stallMs: 50, keepAliveMs: 20 })
  const { port } = new URL(endless.url)
  const socket = connectTo(Number(port), '127.0.0.1')
  const handshake = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  socket.write(`GET /v1/responses HTTP/1.1\r\nHost: localhost:8080\r\nConnection: Upgrade\r\n${handshake}\r\n`)
  await once(socket, 'data')
  socket.pause()
  socket.write(textFrame(JSON.stringify({ type: 'response.create', model, input: 'x' })))
  await until(() => endless.lines.some((line) => line.includes('client_stalled')), 'the stall')
  socket.resume()
  await once(socket, 'close')
  await endless.stop()
})

/** A message of a client, with a mask of zeros. */
function textFrame(text: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(0x81, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)])
}

test('a shutdown lets the reply of a WebSocket finish, and refuses the next', async () => {
  const going = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 5 })])
  using socket = connect('any', going.url)
  socket.ask({ input: `${'many words '.repeat(20)}` })
  await until(() => socket.events.length > 5, 'the beginning')
  going.drain()
  socket.ask({ input: 'too late', stream_id: 'b' })
  expect(await going.stop(10_000)).toBe('drained')
  expect(socket.completed()).toHaveLength(1)
  expect(socket.events.find(({ type }) => type === 'error')).toMatchObject({
    status: 503,
    error: { code: 'shutting_down' },
  })
})
