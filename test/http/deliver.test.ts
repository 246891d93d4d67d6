import { afterEach, describe, expect, test } from 'bun:test'
import { fromAsync } from '../../src/core/batch-stream.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta, StreamEvent } from '../../src/core/events.ts'
import type { ReplyStream } from '../../src/core/pipeline.ts'
import type { Transform } from '../../src/core/transform.ts'
import { streamReply, wholeReply } from '../../src/http/deliver.ts'
import { openRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean()
})

const usage = { inputTokens: 1, outputTokens: 2 }
const start: StreamEvent = { type: 'message-start', inputTokens: 1 }
const end: StreamEvent = { type: 'message-end', reason: 'stop', usage }

/** A reply the test feeds by hand: one batch of events a time. */
function handFed() {
  const waiting: ((batch: Delta[] | undefined) => void)[] = []
  const batches: (Delta[] | undefined)[] = []
  const events: StreamEvent[][] = []
  const state = { cancelled: false }
  const rest = fromAsync<Delta>(
    () =>
      new Promise((resolve) => {
        if (batches.length > 0) resolve(batches.shift())
        else waiting.push(resolve)
      }),
    () => {
      state.cancelled = true
    },
  )
  const transform: Transform<Delta, StreamEvent> = {
    push: (_delta, out) => void out.push(...(events.shift() ?? [])),
    end() {},
  }
  const feed = (batch: StreamEvent[] | undefined) => {
    if (batch) events.push(batch)
    const deltas: Delta[] | undefined = batch && [{ type: 'text', text: '' }]
    const resolve = waiting.shift()
    if (resolve) resolve(deltas)
    else batches.push(deltas)
  }
  return { reply: { first: [], rest, transform }, feed, state }
}

const inBrackets = (event: StreamEvent) => (event.type === 'error' ? `<error ${event.error.kind}>` : `<${event.type}>`)

function setUp(begun: Promise<ReplyStream>, encode: (event: StreamEvent) => string = inBrackets) {
  const clock = manualClock()
  const record = openRecord('req_1', 'POST', '/x', clock)
  const seen = { aborts: 0, dones: 0, hangUps: 0 }
  const client = new AbortController()
  const reply = streamReply({
    reply: begun,
    encoder: {
      push: (event, out) => void out.push(encode(event)),
      end() {},
    },
    redact: (text) => text,
    contentType: 'text/event-stream; charset=utf-8',
    keepAlive: '<ping>',
    keepAliveMs: 10_000,
    clock,
    record,
    headers: () => ({}),
    stallMs: 60_000,
    onDisconnect: (leave) => client.signal.addEventListener('abort', leave, { once: true }),
    abortConnection: () => seen.hangUps++,
    abort: () => seen.aborts++,
    done: () => seen.dones++,
  })
  return { clock, record, seen, reply, client }
}

async function readText(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | undefined> {
  const { done, value } = await reader.read()
  return done ? undefined : new TextDecoder().decode(value)
}

function readerOf(response: Response) {
  if (!response.body) throw new Error('no body')
  return response.body.getReader()
}

describe('a streaming reply', () => {
  test('is one write a batch, and ends once', async () => {
    const { reply: begun, feed, state } = handFed()
    const { reply, seen, record, clock } = setUp(Promise.resolve(begun))
    feed([start, { type: 'text-start', index: 0 }])
    feed([end])
    feed(undefined)
    const reader = readerOf(await reply)
    expect(await readText(reader)).toBe('<message-start><text-start>')
    expect(await readText(reader)).toBe('<message-end>')
    expect(await readText(reader)).toBeUndefined()
    expect(seen).toEqual({ aborts: 0, dones: 1, hangUps: 0 })
    expect(state.cancelled).toBe(true)
    expect(record).toMatchObject({ status: 200, usage, firstTokenMs: 0 })
    expect(clock.pending()).toBe(0)
  })

  test('carries the headers that keep proxies from buffering', async () => {
    const { reply: begun, feed } = handFed()
    feed([start])
    const response = await setUp(Promise.resolve(begun)).reply
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    expect(response.headers.get('cache-control')).toBe('no-cache, no-transform')
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  })

  test('that fails before its first event rejects, so that a status can tell', async () => {
    const { reply, seen } = setUp(Promise.reject(new GatewayError('rate-limited', 'slow down')))
    await expect(reply).rejects.toMatchObject({ kind: 'rate-limited' })
    expect(seen.dones).toBe(0)
  })

  test('whose client leaves while it waits cancels what comes too late', async () => {
    const late = Promise.withResolvers<ReplyStream>()
    const { reply, clock, seen, client } = setUp(late.promise)
    clock.advance(10_000)
    const reader = readerOf(await reply)
    expect(await readText(reader)).toBe('<ping>')
    client.abort()
    expect(seen).toEqual({ aborts: 1, dones: 1, hangUps: 0 })
    const { reply: begun, feed, state } = handFed()
    feed([start, end])
    late.resolve(begun)
    await until(() => state.cancelled, 'the end of the source')
    expect(clock.pending()).toBe(0)
  })

  test('that waits too long commits to 200, keeps the client company and fails inside the stream', async () => {
    const begun = Promise.withResolvers<ReplyStream>()
    const { reply, clock, seen, record } = setUp(begun.promise)
    clock.advance(10_000)
    const response = await reply
    expect(response.status).toBe(200)
    const reader = readerOf(response)
    expect(await readText(reader)).toBe('<ping>')
    const second = readText(reader)
    clock.advance(10_000)
    expect(await second).toBe('<ping>')
    const third = readText(reader)
    begun.reject(new GatewayError('rate-limited', 'slow down'))
    expect(await third).toBe('<error rate-limited>')
    expect(await readText(reader)).toBeUndefined()
    expect(seen).toEqual({ aborts: 1, dones: 1, hangUps: 0 })
    expect(record.error?.kind).toBe('rate-limited')
  })

  test('pings while the upstream is silent, and not while it talks', async () => {
    const { reply: begun, feed } = handFed()
    const { reply, clock } = setUp(Promise.resolve(begun))
    feed([start])
    const reader = readerOf(await reply)
    expect(await readText(reader)).toBe('<message-start>')
    const second = readText(reader)
    clock.advance(9_999)
    feed([{ type: 'text-start', index: 0 }])
    expect(await second).toBe('<text-start>')
    const third = readText(reader)
    clock.advance(9_999)
    clock.advance(1)
    expect(await third).toBe('<ping>')
  })

  test('whose client leaves closes what stands behind it', async () => {
    const { reply: begun, feed, state } = handFed()
    const { reply, seen, clock, record } = setUp(Promise.resolve(begun))
    feed([start])
    const reader = readerOf(await reply)
    await reader.read()
    await reader.cancel()
    expect(state.cancelled).toBe(true)
    expect(seen).toEqual({ aborts: 1, dones: 1, hangUps: 0 })
    expect(clock.pending()).toBe(0)
    expect(record.error?.kind).toBe('cancelled')
  })
})

describe('a reply that has to end before its time', () => {
  const cut = () => new GatewayError('overloaded', 'shut down')

  test('ends with an error, and what stands behind it is closed', async () => {
    const { reply: begun, feed, state } = handFed()
    const { reply, record, seen, clock } = setUp(Promise.resolve(begun))
    feed([start])
    const reader = readerOf(await reply)
    expect(await readText(reader)).toBe('<message-start>')
    const second = readText(reader)
    record.end?.(cut())
    expect(await second).toBe('<error overloaded>')
    expect(await readText(reader)).toBeUndefined()
    expect(state.cancelled).toBe(true)
    expect(seen).toEqual({ aborts: 1, dones: 1, hangUps: 0 })
    expect(clock.pending()).toBe(0)
  })

  test('says so as well where nobody had begun to read it', async () => {
    const { reply: begun, state } = handFed()
    const { reply, record } = setUp(Promise.resolve(begun))
    const response = await reply
    record.end?.(cut())
    expect(await response.text()).toBe('<error overloaded>')
    expect(record.error?.kind).toBe('overloaded')
    expect(state.cancelled).toBe(true)
  })

  test('is the error of a whole one', async () => {
    const { reply: begun, feed, state } = handFed()
    const clock = manualClock()
    const record = openRecord('r', 'POST', '/', clock)
    feed([start])
    const reply = wholeReply(Promise.resolve(begun), clock, record)
    await new Promise((resolve) => setImmediate(resolve))
    record.end?.(cut())
    await expect(reply).rejects.toMatchObject({ kind: 'overloaded' })
    expect(state.cancelled).toBe(true)
  })
})

describe('a reply without a polite end', () => {
  test('is what a client gets that reads nothing for too long', async () => {
    const { reply: begun, feed, state } = handFed()
    const { reply, seen, clock, record } = setUp(Promise.resolve(begun), () => 'x'.repeat(32_000_000))
    feed([start])
    const received = await hangsOn(await reply)
    await until(() => received() > 0, 'the first bytes')
    clock.advance(59_999)
    expect(seen).toEqual({ aborts: 0, dones: 0, hangUps: 0 })
    clock.advance(10_000)
    expect(seen).toEqual({ aborts: 1, dones: 1, hangUps: 1 })
    expect(state.cancelled).toBe(true)
    expect(record.error?.code).toBe('client_stalled')
    expect(clock.pending()).toBe(0)
  })

  test('is not what a slow reader gets', async () => {
    const { reply: begun, feed } = handFed()
    const { reply, seen, clock } = setUp(Promise.resolve(begun))
    feed([start])
    const reader = readerOf(await reply)
    for (let at = 0; at < 10; at++) {
      await reader.read()
      feed([{ type: 'text-start', index: 0 }])
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(40_000)
    }
    expect(seen).toEqual({ aborts: 0, dones: 0, hangUps: 0 })
  })

  test('is what a broken encoder leaves, once', async () => {
    const { reply: begun, feed, state } = handFed()
    const { reply, seen, clock, record } = setUp(Promise.resolve(begun), () => {
      throw new TypeError('no words for this')
    })
    feed([start])
    const reader = readerOf(await reply)
    reader.read().catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))
    expect(seen).toEqual({ aborts: 1, dones: 1, hangUps: 1 })
    expect(state.cancelled).toBe(true)
    expect(record.error?.kind).toBe('internal')
    expect(clock.pending()).toBe(0)
  })
})

/** A client on a socket that takes what comes first and then no more. */
async function hangsOn(response: Response): Promise<() => number> {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch: () => response })
  let received = 0
  const client = await Bun.connect({
    hostname: '127.0.0.1',
    port: server.port ?? 0,
    socket: {
      data(socket, bytes) {
        received += bytes.length
        socket.pause()
      },
    },
  })
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  cleanups.push(() => {
    client.terminate()
    server.stop(true)
  })
  return () => received
}

describe('a whole reply', () => {
  test('is the stream, collected', async () => {
    const { reply: begun, feed } = handFed()
    const clock = manualClock()
    feed([start, { type: 'text-start', index: 0 }])
    feed([{ type: 'text-end', index: 0, text: 'hi' }, end])
    feed(undefined)
    const reply = await wholeReply(Promise.resolve(begun), clock, openRecord('r', 'POST', '/', clock))
    expect(reply).toEqual({ blocks: [{ type: 'text', text: 'hi' }], reason: 'stop', usage })
  })

  test('is never half a reply', async () => {
    const { reply: begun, feed } = handFed()
    const clock = manualClock()
    feed([start, { type: 'error', error: new GatewayError('upstream-truncated', 'cut') }])
    feed(undefined)
    const reply = wholeReply(Promise.resolve(begun), clock, openRecord('r', 'POST', '/', clock))
    await expect(reply).rejects.toMatchObject({ kind: 'upstream-truncated' })
  })
})
