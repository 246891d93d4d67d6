import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import type { Upstream } from '../../src/core/upstream.ts'
import { systemLookup } from '../../src/http-client/dns.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import { chatZai, completionRoute } from '../support/chat-zai.ts'
import { dialectViewNames, dialectViews } from '../support/client-view.ts'
import { type RunningGateway, startGateway, until } from '../support/gateway.ts'
import { chunk, lastChunk, type Play, type RawUpstream, startRawUpstream, streamHead } from '../support/raw-upstream.ts'
import { webUpstream } from '../support/web-gateway.ts'
import { chatRoute, scriptedApi } from '../support/zai-api.ts'
import {
  answerOf,
  api,
  ask,
  begun,
  plantedKey,
  running,
  stopAll,
  type WireFormat,
  whole,
  wireFormats,
} from './upstream-faults.ts'

// Everything an upstream and the net before it can do to an answer, on real sockets of loopback. Whatever it is: the
// client hears exactly one ending, all the text that came before it, and the gateway serves the next request.

/** So short only where silence is the fault. */
const shortIdleMs = 150

const half = (format: WireFormat) => format.say(' And on.').slice(0, 30)
// Not the same letter over and over, which the gateway would stop.
const tenMillion = Array.from({ length: 1_250_000 }, (_, index) => String(10_000_000 + index)).join('')

interface Fault {
  name: string
  play: (format: WireFormat) => Play
  /** All the text that came; `Hello there.` unless told. */
  text?: string
}

/** Nothing is wrong with the answer: the client gets it. */
const harmless: Fault[] = [
  { name: 'gzip', play: (format) => whole(gzipSync(answerOf(format)), 'content-encoding: gzip') },
  {
    name: 'invalid UTF-8',
    play: (format) => {
      const [before = '', after = ''] = answerOf(format).split(' there')
      return whole(Buffer.concat([Buffer.from(before), Buffer.of(0xff, 0xfe), Buffer.from(after)]))
    },
    text: 'Hello\uFFFD\uFFFD.',
  },
  {
    name: 'a frame of ten million letters',
    play: (format) => whole(format.say(tenMillion) + format.end),
    text: tenMillion,
  },
  {
    name: 'a drip of single bytes',
    play: (format) => async (line) => {
      await line.write(streamHead())
      for (const byte of Buffer.from(answerOf(format))) {
        await line.write(Uint8Array.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
      line.close()
    },
  },
  { name: 'the end said three times', play: (format) => whole(answerOf(format) + format.end + format.end) },
  { name: 'text behind the end', play: (format) => whole(answerOf(format) + begun(format)) },
  { name: 'silence behind the end', play: (format) => forSilence(answerOf(format)) },
  { name: 'a reset behind the end', play: (format) => forReset(answerOf(format)) },
  {
    name: 'frames that say nothing among the others',
    play: (format) =>
      whole(`data: ping\n\n${format.say('Hello')}data: null\n\ndata: [7]\n\n${format.say(' there.')}${format.end}`),
  },
]

interface Failure extends Fault {
  /** In these words the client hears of it. */
  error: RegExp
  /** Where nothing was sent before. */
  status: number
  idleMs?: number
}

const cut = { error: /broke before the answer was complete|closed the stream before the answer/, status: 502 }
const fellSilent = { idleMs: shortIdleMs, error: /sent nothing for 0\.15 s/, status: 504 }

/** Text was under way: it arrives, and the error behind it. */
const midway: Failure[] = [
  { ...cut, name: 'a reset inside a frame', play: (format) => forReset(begun(format) + half(format)) },
  {
    ...{ name: 'a close inside a frame', play: (format) => whole(begun(format) + half(format)), status: 502 },
    error: /broke before the answer was complete|closed the stream before the answer|cannot be read/,
  },
  {
    ...{ name: 'half a frame among the others', status: 502, error: /cannot be read/ },
    play: (format) => whole(`${begun(format)}data: {"half\n\n${format.say(' there.')}${format.end}`),
  },
  { ...cut, name: 'a close behind a frame', play: (format) => whole(begun(format)) },
  {
    ...cut,
    name: 'a close before the announced length',
    play: (format) => whole(begun(format), 'content-length: 100000'),
  },
  {
    ...cut,
    name: 'a close before the last chunk',
    play: (format) => whole(chunk(begun(format)), 'transfer-encoding: chunked'),
  },
  {
    ...cut,
    name: 'chunks that are broken',
    play: (format) => whole(`${chunk(begun(format))}zz\r\nnot hexadecimal`, 'transfer-encoding: chunked'),
  },
  {
    ...cut,
    name: 'gzip cut short',
    play: (format) => {
      const packed = gzipSync(begun(format))
      return whole(packed.subarray(0, -4), 'content-encoding: gzip', `content-length: ${packed.length}`)
    },
  },
  { ...fellSilent, name: 'silence', play: (format) => forSilence(begun(format)) },
]

const unreachable = { error: /could not be reached/, status: 502 }
const notHttp = { error: /something that is not HTTP/, status: 502 }
const nothing = { error: /closed the stream without an answer/, status: 502 }

/** Nothing came that could be shown: the status tells. */
const beforehand: Failure[] = [
  { ...unreachable, name: 'a reset before the head', play: () => (line) => line.reset() },
  { ...unreachable, name: 'a close before the head', play: () => (line) => line.close() },
  { ...unreachable, name: 'half a head', play: () => raw('HTTP/1.1 200 OK\r\ncontent-ty') },
  { ...notHttp, name: 'something that is not HTTP', play: () => raw('SSH-2.0-OpenSSH_9.2\r\n\r\n') },
  {
    ...notHttp,
    name: 'a status that does not exist',
    play: () => raw('HTTP/1.1 999 Eh\r\ncontent-length: 0\r\n\r\n'),
  },
  { ...cut, name: 'a reset behind the head', play: () => forReset('') },
  { ...cut, name: 'bytes that are not the gzip they say', play: () => whole('not gzip', 'content-encoding: gzip') },
  { ...nothing, name: 'an empty stream', play: () => whole('') },
  { ...nothing, name: 'nothing but pings', play: () => whole(': ping\n\n'.repeat(10)) },
  {
    ...nothing,
    name: 'a page that says it is a stream',
    play: () => whole('<!doctype html>\n<title>Hello</title>\n\n'),
  },
  { ...fellSilent, name: 'silence behind the head', play: () => forSilence('') },
]

/** What these say of it is the upstream's own, and tested there; here it is some error of the client's dialect. */
const refusals: Fault[] = [
  { name: 'a page in place of the stream', play: () => typed('text/html', '<!doctype html><title>Hello</title>') },
  { name: 'a stream that says it is JSON', play: (format) => typed('application/json', answerOf(format)) },
  {
    name: 'an error as JSON with status 200',
    play: (format) => typed('application/json', JSON.stringify(format.refusal)),
  },
  { name: 'nothing, with status 204', play: () => raw('HTTP/1.1 204 No Content\r\n\r\n') },
  {
    name: 'a redirect to nowhere',
    play: () => raw('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'),
  },
]

function raw(bytes: string): Play {
  return async (line) => {
    await line.write(bytes)
    line.close()
  }
}

function typed(type: string, body: string): Play {
  return raw(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

function forSilence(begin: string): Play {
  return async (line) => {
    await line.write(streamHead() + begin)
    await line.gone
  }
}

function forReset(begin: string): Play {
  return async (line) => {
    await line.write(streamHead() + begin)
    // A reset takes back what the kernel has not sent yet.
    await new Promise((resolve) => setTimeout(resolve, 10))
    line.reset()
  }
}

// Each plays its fault in every dialect, which takes seconds on a busy machine.
setDefaultTimeout(60_000)

afterEach(stopAll)

interface Stage {
  upstream: RawUpstream
  gateway: RunningGateway
}

type UpstreamName = keyof typeof wireFormats

const upstreams: Record<UpstreamName, (idleMs: number) => Promise<{ upstream: RawUpstream; behind: Upstream }>> = {
  'zai-api': async (idleMs) => {
    const upstream = await startRawUpstream({ route: chatRoute, others: scriptedApi([plantedKey]).fetch })
    return { upstream, behind: api(upstream.origin, idleMs) }
  },
  'zai-web': async (idleMs) => {
    const upstream = await startRawUpstream({ route: completionRoute, others: chatZai().fetch })
    return {
      upstream,
      behind: webUpstream({ url: upstream.origin, fetch: losslessFetch(fetch, systemLookup), tokens: [], idleMs }),
    }
  },
}

async function setUp(name: UpstreamName, play: Play, idleMs = 5_000): Promise<Stage> {
  const { upstream, behind } = await upstreams[name](idleMs)
  upstream.play(play)
  const gateway = startGateway([behind])
  running.push(gateway, upstream)
  return { upstream, gateway }
}

/** The gateway lives, has let go of everything, and has told nobody its key. */
async function unharmed(
  { upstream, gateway }: Stage,
  name: UpstreamName,
  errors: (string | undefined)[],
): Promise<void> {
  await until(() => upstream.open() === 0, 'the connections to the upstream to be closed')
  upstream.play(whole(chunk(answerOf(wireFormats[name])) + lastChunk, 'transfer-encoding: chunked'))
  expect(await ask(gateway, 'chat', true)).toMatchObject({ status: 200, text: 'Hello there.', error: undefined })
  for (const said of [...errors, ...gateway.lines]) expect(said ?? '').not.toContain(plantedKey)
  for (const error of errors) expect(error ?? '').not.toMatch(/127\.0\.0\.1:\d+\/|\n|at .*\.ts/)
}

for (const [name, dialects] of [
  ['zai-api', dialectViewNames],
  ['zai-web', ['chat']],
] as const) {
  const format = wireFormats[name]

  describe(`${name}: the client gets the answer in spite of`, () => {
    test.each(harmless)('$name', async ({ play, text = 'Hello there.' }) => {
      const stage = await setUp(name, play(format))
      for (const dialect of dialects)
        for (const stream of [true, false]) {
          const view = await ask(stage.gateway, dialect, stream)
          expect([view.status, view.error]).toEqual([200, undefined])
          expect(view.text === text).toBe(true)
        }
      await unharmed(stage, name, [])
    })
  })

  describe(`${name}: the client gets the text so far and an error for`, () => {
    test.each(midway)('$name', async ({ play, status, error, idleMs, text = 'Hello there.' }) => {
      const stage = await setUp(name, play(format), idleMs)
      const errors: (string | undefined)[] = []
      for (const dialect of dialects) {
        const streamed = await ask(stage.gateway, dialect, true)
        expect(streamed).toMatchObject({ status: 200, text })
        expect(streamed.error).toMatch(error)
        const collected = await ask(stage.gateway, dialect, false)
        expect(collected).toMatchObject({ status, text: '' })
        expect(collected.error).toMatch(error)
        errors.push(streamed.error, collected.error)
      }
      await unharmed(stage, name, errors)
    })
  })

  describe(`${name}: the client gets a status and an error for`, () => {
    test.each(beforehand)('$name', async ({ play, status, error, idleMs }) => {
      const stage = await setUp(name, play(format), idleMs)
      const errors: (string | undefined)[] = []
      for (const dialect of dialects)
        for (const stream of [true, false]) {
          const view = await ask(stage.gateway, dialect, stream)
          expect(view).toMatchObject({ status, text: '' })
          expect(view.error).toMatch(error)
          errors.push(view.error)
        }
      await unharmed(stage, name, errors)
    })

    test.each(refusals)('$name', async ({ play }) => {
      const stage = await setUp(name, play(format))
      const errors: (string | undefined)[] = []
      for (const dialect of dialects)
        for (const stream of [true, false]) {
          const view = await ask(stage.gateway, dialect, stream)
          expect(view).toMatchObject({ text: '' })
          expect(view.error).toMatch(/./)
          expect([400, 403, 404, 502]).toContain(view.status)
          errors.push(view.error)
        }
      await unharmed(stage, name, errors)
    })
  })

  test(`${name}: a client that leaves an endless stream closes it`, async () => {
    const stage = await setUp(name, async (line) => {
      await line.write(streamHead() + begun(format))
      let here = true
      void line.gone.then(() => {
        here = false
      })
      while (here) {
        await line.write(format.say(' And on.'))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    for (const dialect of dialects) {
      const { path, body } = dialectViews[dialect]
      const client = new AbortController()
      const response = await fetch(stage.gateway.url + path, {
        method: 'POST',
        body: JSON.stringify({ model: 'glm-4.7', ...body, stream: true }),
        signal: client.signal,
      })
      await response.body?.getReader().read()
      expect(stage.upstream.open()).toBe(1)
      client.abort()
      await until(() => stage.upstream.open() === 0, 'the upstream to be left')
    }
    await unharmed(stage, name, [])
  })

  test(`${name}: a burst of 500 frames and a cut: all of them are delivered`, async () => {
    const words = Array.from({ length: 500 }, (_, index) => `${index} `)
    const burst = chunk(words.map(format.say).join(''))
    for (const end of ['close', 'reset'] as const) {
      const stage = await setUp(name, async (line) => {
        await line.write(streamHead('transfer-encoding: chunked') + burst)
        line[end]()
      })
      for (const dialect of dialects) {
        const view = await ask(stage.gateway, dialect, true)
        expect(view).toMatchObject({ status: 200, text: words.join('') })
        expect(view.error).toMatch(cut.error)
      }
    }
  })
}
