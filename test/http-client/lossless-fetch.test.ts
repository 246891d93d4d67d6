import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { systemClock } from '../../src/async/system-clock.ts'
import { createConnections } from '../../src/http-client/connections.ts'
import { systemLookup } from '../../src/http-client/dns.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import {
  byteStreamOf,
  type Fetch,
  type HttpResponse,
  type OutgoingRequest,
  readBytes,
} from '../../src/http-client/send.ts'
import { standstill } from '../support/eventually.ts'
import { until } from '../support/gateway.ts'
import { chunk, lastChunk, type Play, type RawUpstream, startRawUpstream, streamHead } from '../support/raw-upstream.ts'

const running: { stop(): unknown }[] = []
afterEach(() => {
  for (const thing of running.splice(0)) thing.stop()
})

const seen: { url: string; method: string | undefined }[] = []
const others: Fetch = async (url, { method }) => {
  seen.push({ url, method })
  return new Response('by fetch')
}

async function playing(play: Play): Promise<RawUpstream> {
  const upstream = await startRawUpstream({ route: 'POST /', others })
  upstream.play(play)
  running.push(upstream)
  return upstream
}

const ask = (upstream: RawUpstream, init: OutgoingRequest = {}) =>
  losslessFetch(others, systemLookup)(`${upstream.origin}/`, { method: 'POST', body: '{"grüß":"dich"}', ...init })

/** A connection becomes idle one turn of the event loop after the end of a response. */
const nextTurn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

/** The received part of a body, and how it ends. */
async function read({ body }: HttpResponse): Promise<{ text: string; code: unknown }> {
  const pieces = body ? byteStreamOf(body) : undefined
  const decoder = new TextDecoder()
  let text = ''
  try {
    for (let piece = pieces && (await readBytes(pieces)); piece; piece = pieces && (await readBytes(pieces)))
      text += decoder.decode(piece, { stream: true })
    return { text, code: undefined }
  } catch (thrown) {
    return { text, code: thrown instanceof Error && 'code' in thrown ? thrown.code : thrown }
  }
}

describe('any request but a POST of text uses fetch:', () => {
  test.each<[string, OutgoingRequest]>([
    ['a GET', {}],
    ['a form', { method: 'POST', body: new FormData() }],
    ['a DELETE', { method: 'DELETE' }],
  ])('%s', async (_name, init) => {
    seen.length = 0
    expect(await (await losslessFetch(others, systemLookup)('http://127.0.0.1:1/x', init)).text()).toBe('by fetch')
    expect(seen).toEqual([{ url: 'http://127.0.0.1:1/x', method: init.method }])
  })
})

test('request and response are exact on the wire', async () => {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) =>
      Response.json(
        { headers: [...request.headers], body: await request.text() },
        { status: 418, headers: { 'x-a': 'b' } },
      ),
  })
  running.push({ stop: () => server.stop(true) })
  const answer = await losslessFetch(others, systemLookup)(`${server.url}`, {
    method: 'POST',
    body: 'grüß dich',
    headers: { 'X-Given': '1', Host: 'elsewhere', 'Content-Length': '1', 'accept-encoding': 'other' },
  })
  expect([answer.status, answer.ok, answer.headers.get('x-a')]).toEqual([418, false, 'b'])
  const { headers, body } = JSON.parse(await answer.text())
  expect(body).toBe('grüß dich')
  expect(Object.fromEntries(headers)).toMatchObject({
    'x-given': '1',
    'content-length': '11',
    'accept-encoding': 'gzip, deflate, br',
    host: server.url.host,
  })
})

test('bytes go as they are, with their length, also beyond what a socket takes at once', async () => {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => Response.json([request.headers.get('content-length'), await request.text()]),
  })
  running.push({ stop: () => server.stop(true) })
  const text = 'grüß dich '.repeat(100_000)
  const body = new TextEncoder().encode(text)
  const answer = await losslessFetch(others, systemLookup)(`${server.url}`, { method: 'POST', body })
  expect(JSON.parse(await answer.text())).toEqual([String(body.length), text])
})

test('pieces go as one body, with the length of all', async () => {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => Response.json([request.headers.get('content-length'), await request.text()]),
  })
  running.push({ stop: () => server.stop(true) })
  const texts = ['[', 'ü'.repeat(3_000_000), '', ',', '🙂'.repeat(500_000), ']']
  const pieces = texts.map((text) => Buffer.from(text))
  const answer = await losslessFetch(others, systemLookup)(`${server.url}`, { method: 'POST', pieces })
  const text = texts.join('')
  expect(JSON.parse(await answer.text())).toEqual([String(Buffer.byteLength(text)), text])
})

test('the same headers go with several requests to several addresses, each with its own host and length', async () => {
  const servers = [1, 2].map(() =>
    Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: async (request) => Response.json([request.url, request.headers.get('x-given'), await request.text()]),
    }),
  )
  for (const server of servers) running.push({ stop: () => server.stop(true) })
  const urls = servers.flatMap(({ url }) => [`${url}a`, `${url}a`, `${url}b`])
  const headers = { 'x-given': '1' }
  const fetch = losslessFetch(others, systemLookup)
  const received: unknown[] = []
  for (const [index, url] of [...urls, ...urls].entries())
    received.push(JSON.parse(await (await fetch(url, { method: 'POST', headers, body: 'x'.repeat(index) })).text()))
  expect(received).toEqual([...urls, ...urls].map((url, index) => [url, '1', 'x'.repeat(index)]))
})

test.each(['a\r\nx-other: b', 'a\n', 'a\0', 'ключ'])(
  'a value that no header can have is not sent: %j',
  async (value) => {
    const upstream = await playing(() => {
      throw new Error('something was sent')
    })
    expect(() => ask(upstream, { headers: { authorization: value } })).toThrow(
      new TypeError('The header authorization has a value that no header can have.'),
    )
  },
)

test.each(['a b', 'a\r\nb', 'a:', ''])('nor is a header with an illegal name: %j', async (name) => {
  const upstream = await playing(() => {
    throw new Error('something was sent')
  })
  expect(() => ask(upstream, { headers: { [name]: 'b' } })).toThrow(/cannot be the name of a header/)
})

describe('a compressed body is decompressed:', () => {
  const text = 'data: grüß dich\n\n'.repeat(1000)
  test.each([
    ['gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
  ])('%s', async (encoding, packed) => {
    const upstream = await playing(async (line) => {
      await line.write(streamHead(`content-encoding: ${encoding}`, `content-length: ${packed.length}`))
      for (const half of [packed.subarray(0, packed.length / 2), packed.subarray(packed.length / 2)])
        await line.write(half)
    })
    const answer = await ask(upstream)
    expect(await read(answer)).toEqual({ text, code: undefined })
  })
})

describe('all received bytes are delivered before', () => {
  const events = Array.from({ length: 2_000 }, (_, index) => `data: ${index}\n\n`).join('')
  const head = streamHead('transfer-encoding: chunked')
  const burst =
    (ending: 'close' | 'reset', tail = ''): Play =>
    async (line) => {
      await line.write(head + chunk(events) + tail)
      line[ending]()
    }

  test.each<[string, Play, string]>([
    ['a close', burst('close'), 'ECONNRESET'],
    ['a reset', burst('reset'), 'ECONNRESET'],
    ['a chunk without a size', burst('close', 'zz\r\n'), 'HPE_INVALID_CHUNK'],
    ['a chunk without a size that looks like the last', burst('close', 'zz\r\n\r\n'), 'HPE_INVALID_CHUNK'],
  ])('%s', async (_name, play, code) => {
    const upstream = await playing(play)
    for (let round = 0; round < 10; round++) expect(await read(await ask(upstream))).toEqual({ text: events, code })
  })

  test('a close, also to a slow reader', async () => {
    const upstream = await playing(burst('close'))
    const answer = await ask(upstream)
    await until(() => upstream.open() === 0, 'the upstream to be gone')
    expect(await read(answer)).toEqual({ text: events, code: 'ECONNRESET' })
  })
})

describe('an abort', () => {
  const silent: Play = (line) => line.gone

  test('before the request sends nothing', async () => {
    const upstream = await playing(silent)
    await expect(ask(upstream, { signal: AbortSignal.abort() })).rejects.toThrow()
    expect(upstream.asked()).toBe(0)
  })

  test('before the headers closes the connection', async () => {
    const upstream = await playing(silent)
    const client = new AbortController()
    const asking = ask(upstream, { signal: client.signal })
    asking.catch(() => {})
    await until(() => upstream.asked() === 1, 'the request')
    client.abort()
    await expect(asking).rejects.toThrow('aborted')
    await until(() => upstream.open() === 0, 'the connection to be closed')
  })

  test.each(['abort', 'cancel'] as const)('%s inside the body closes the connection', async (how) => {
    const upstream = await playing(async (line) => {
      await line.write(`${streamHead()}data: 1\n\n`)
      await line.gone
    })
    const client = new AbortController()
    const { body } = await ask(upstream, { signal: client.signal })
    const pieces = body && byteStreamOf(body)
    expect(pieces && (await readBytes(pieces))).toHaveLength(9)
    if (how === 'abort') client.abort()
    else pieces?.cancel()
    await until(() => upstream.open() === 0, 'the connection to be closed')
  })
})

test('a body that is not read is not fetched', async () => {
  let sent = 0
  let left = false
  const upstream = await playing(async (line) => {
    void line.gone.then(() => {
      left = true
    })
    await line.write(streamHead())
    while (!left) {
      await line.write('x'.repeat(60_000))
      sent += 60_000
    }
  })
  const answer = await ask(upstream)
  // The sender stops once all socket buffers are full.
  await standstill(() => sent, 'the flood to stop')
  expect(sent).toBeLessThan(32_000_000)
  if (answer.body) byteStreamOf(answer.body).cancel()
  await until(() => left, 'the upstream to be left')
})

test('300 requests run at a time', async () => {
  const lines: Parameters<Play>[0][] = []
  const upstream = await playing((line) => void lines.push(line))
  const asking = Array.from({ length: 300 }, () => ask(upstream))
  await until(() => upstream.asked() === 300, '300 requests')
  for (const line of lines) void line.write(streamHead('transfer-encoding: chunked') + chunk('data: 1\n\n') + lastChunk)
  for (const answer of await Promise.all(asking)) expect(await answer.text()).toBe('data: 1\n\n')
})

test('a connection is reused', async () => {
  const upstream = await playing(async (line) => {
    await line.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  })
  const fetch = losslessFetch(others, systemLookup)
  for (let round = 0; round < 5; round++) {
    expect(await (await fetch(`${upstream.origin}/`, { method: 'POST', body: '{}' })).text()).toBe('ok')
    expect(upstream.open()).toBe(1)
    await nextTurn()
  }
})

describe('a kept connection that has died', () => {
  const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
  const ways: [string, Play][] = [
    ['is reset', (line) => line.reset()],
    ['is closed', (line) => line.close()],
  ]

  /** Opens connections that die at their next request. */
  async function dying(count: number, die: Play) {
    const answered = new Map<Parameters<Play>[0]['gone'], number>()
    const upstream = await playing(async (line) => {
      const before = answered.get(line.gone) ?? 0
      answered.set(line.gone, before + 1)
      if (asked++ < count) await line.write(ok)
      else if (asked <= 2 * count) await die(line)
      else await line.write(ok)
    })
    let asked = 0
    const post = losslessFetch(others, systemLookup)
    const all = () =>
      Promise.all(
        Array.from({ length: count }, async () =>
          (await post(`${upstream.origin}/`, { method: 'POST', body: '{}' })).text(),
        ),
      )
    expect(await all()).toEqual(Array.from({ length: count }, () => 'ok'))
    await nextTurn()
    return { upstream, all }
  }

  test.each(ways)('and %s is replaced by a new one', async (_how, die) => {
    const { upstream, all } = await dying(6, die)
    expect(await all()).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok'])
    expect(upstream.asked()).toBe(18)
  })

  test('is not replaced once a byte of the response has arrived', async () => {
    const { upstream, all } = await dying(1, async (line) => {
      await line.write('HTTP/1.1 2')
      line.reset()
    })
    await expect(all()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(upstream.asked()).toBe(2)
  })

  test('is not replaced for an aborted request', async () => {
    const leaving = new AbortController()
    const upstream = await playing((line) => (upstream.asked() === 1 ? line.write(ok) : leaving.abort()))
    const post = losslessFetch(others, systemLookup)
    const init = { method: 'POST', body: '{}' }
    await (await post(`${upstream.origin}/`, init)).text()
    await nextTurn()
    await expect(post(`${upstream.origin}/`, { ...init, signal: leaving.signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
    await until(() => upstream.open() === 0, 'the connection to be closed')
    expect(upstream.asked()).toBe(2)
  })
})

describe('bytes after a response belong to no request', () => {
  const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
  const chunked = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk('ok')}${lastChunk}`
  test.each([
    ['half a second answer', ok, 'HTTP/1.1 500 Wrong\r\ncontent-le'],
    ['half a second answer, behind chunks', chunked, 'HTTP/1.1 500 Wrong\r\ncontent-le'],
    ['a whole second answer', ok, 'HTTP/1.1 500 Wrong\r\ncontent-length: 5\r\n\r\nwrong'],
    ['half of one behind an answer without a body', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 'HTTP/1.1 5'],
    ['a byte', ok, '\n'],
  ])('%s', async (_what, answer, surplus) => {
    for (const apart of [false, true]) {
      const { promise: idle, resolve: isIdle } = Promise.withResolvers<void>()
      const upstream = await playing(async (line) => {
        if (upstream.asked() > 1) return line.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext')
        await line.write(apart ? answer : answer + surplus)
        if (!apart) return
        await idle
        await line.write(surplus)
      })
      const post = losslessFetch(others, systemLookup)
      const call = async () => (await post(`${upstream.origin}/`, { method: 'POST', body: '{}' })).text()
      await call()
      await nextTurn()
      isIdle()
      await until(() => upstream.open() === 0, 'the connection to be closed')
      expect(await call()).toBe('next')
    }
  })
})

test.each([
  ['101', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n', 'HPE_UPGRADE'],
  [
    'packed and then chunked',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n',
    'HPE_INVALID_TRANSFER_ENCODING',
  ],
  ['packed as a whole', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n', 'HPE_INVALID_TRANSFER_ENCODING'],
  [
    'chunked in two ways',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n',
    'HPE_INVALID_TRANSFER_ENCODING',
  ],
  [
    'of two lengths',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok',
    undefined, // the parser's own refusal
  ],
  ['of no length', 'HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nok', 'HPE_INVALID_CONTENT_LENGTH'],
])('a response that is %s is an error at once', async (_what, said, code) => {
  const upstream = await playing((line) => line.write(said))
  await expect(ask(upstream)).rejects.toMatchObject(code === undefined ? { message: 'Parse Error' } : { code })
  await until(() => upstream.open() === 0, 'the connection to be closed')
})

test('without a file descriptor the error says so, not "refused"', async () => {
  const upstream = await playing((line) => line.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
  const script = join(import.meta.dir, '../support/posting-without-descriptors.ts')
  const child = Bun.spawn(['sh', '-c', `ulimit -n 100; exec "$0" "$@"`, process.execPath, script, upstream.origin], {
    stderr: 'inherit',
  })
  expect((await new Response(child.stdout).text()).trim()).toMatch(/^503 out_of_file_descriptors .*LimitNOFILE/)
}, 20_000)

describe('a reused connection is not affected by the earlier request:', () => {
  /** The first response is complete at once, the second one waits for the test. */
  async function twoAnswers(body: string) {
    const lines: Parameters<Play>[0][] = []
    const upstream = await playing(async (line) => {
      lines.push(line)
      if (lines.length === 1) await line.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      else await line.write(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n`)
    })
    const post = losslessFetch(others, systemLookup)
    const next = () => post(`${upstream.origin}/`, { method: 'POST', body: '{}' })
    const first = await next()
    // Nothing tells that the end of an unread body has come. It was sent together with its head.
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    const second = await next()
    expect(upstream.open()).toBe(1)
    return { first, second, finish: () => lines[1]?.write('done') }
  }

  test('its body cancelled after its end', async () => {
    const { first, second, finish } = await twoAnswers('ok')
    if (first.body) byteStreamOf(first.body).cancel()
    await finish()
    expect(await read(second)).toEqual({ text: 'done', code: undefined })
  })

  test('its body paused at its end', async () => {
    const upstream = await playing((line) => line.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
    const connections = createConnections(systemLookup, systemClock)
    const request = Buffer.from('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
    const ask = () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const flow = connections.request(new URL(upstream.origin), [request], {
        head: () => ({ push: () => flow.pause(), end: resolve, fail: reject }),
        fail: reject,
      })
      return promise
    }
    await ask()
    await nextTurn()
    await ask()
    expect(upstream.open()).toBe(1)
  })
})

describe('an invalid response fails at once and closes the connection:', () => {
  const noHttp = 'HPE_INVALID_CONSTANT'
  test.each<[string, string[], string]>([
    ['a head without end', [`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(100_000)}`], 'HPE_HEADER_OVERFLOW'],
    ['status 000', ['HTTP/1.1 000 Nothing\r\n\r\n'], 'HPE_INVALID_STATUS'],
    ['status 099', ['HTTP/1.1 099 Nothing\r\ncontent-length: 0\r\n\r\n'], 'HPE_INVALID_STATUS'],
    ['status 600', ['HTTP/1.1 600 Much\r\ncontent-length: 0\r\n\r\n'], 'HPE_INVALID_STATUS'],
    ['HTTP/2.0', ['HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok'], noHttp],
    ['HTTP/0.9', ['HTTP/0.9 200 OK\r\ncontent-length: 2\r\n\r\nok'], noHttp],
    ['another protocol without a line break', ['\x00\x00\x12\x04\x00\x00\x00\x00\x00'], noHttp],
    ['TLS where none is expected', ['\x15\x03\x01\x00\x02\x02\x46'], noHttp],
    ['a body without a head', ['data: {}'], noHttp],
    ['something else after an interim answer', ['HTTP/1.1 103 Early Hints\r\n\r\n', '\x00\x00'], noHttp],
    ['something else behind a piece of a version', ['HTT', 'Q'], noHttp],
    ['interim answers without end, at once', ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000)], 'HPE_INTERIM_ANSWERS'],
    [
      'interim answers without end, one by one',
      Array.from({ length: 100 }, () => 'HTTP/1.1 102 Processing\r\n\r\n'),
      'HPE_INTERIM_ANSWERS',
    ],
  ])('%s', async (_what, pieces, code) => {
    const upstream = await playing(async (line) => {
      for (const piece of pieces) await line.write(Buffer.from(piece, 'latin1'))
      await line.gone
    })
    await expect(ask(upstream)).rejects.toMatchObject({ code })
    await until(() => upstream.open() === 0, 'the connection to be closed')
  })
})

test.each([
  ['', ''],
  ['with the head of a body that it cannot have', 'content-length: 5\r\n'],
  ['with the head of chunks that it cannot have', 'transfer-encoding: chunked\r\n'],
])('an interim response %s is skipped, however it is split', async (_how, header) => {
  const interim = `HTTP/1.1 103 Early Hints\r\n${header}\r\n`
  const whole = `${interim}\r\n${interim}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok`
  for (const size of [1, 7, whole.length]) {
    const upstream = await playing(async (line) => {
      for (let at = 0; at < whole.length; at += size) await line.write(whole.slice(at, at + size))
    })
    expect(await read(await ask(upstream))).toEqual({ text: 'ok', code: undefined })
  }
})

test.each([204, 304])('status %d has no body', async (status) => {
  const upstream = await playing((line) => line.write(`HTTP/1.1 ${status} Nothing\r\n\r\n`))
  const answer = await ask(upstream)
  expect([answer.status, answer.body]).toEqual([status, null])
})

describe.skipIf(Bun.which('openssl') === null)('over TLS', () => {
  test.each([
    ['a server whose certificate is good is heard', true, ['good.test', 'good.test'], ['ok', 'ok'], 1],
    [
      'one that shows the certificate of another name hears nothing',
      true,
      ['bad.test'],
      ['ERR_TLS_CERT_ALTNAME_INVALID'],
      0,
    ],
    ['one that nobody vouches for hears nothing', false, ['good.test'], ['UNABLE_TO_VERIFY_LEAF_SIGNATURE'], 0],
  ])('%s', async (_name, vouched, names, said, received) => {
    const { ca, ...tls } = await certified('good.test')
    const upstream = await startRawUpstream({ route: 'POST /', others, tls })
    running.push(upstream)
    upstream.play((line) => line.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
    const script = join(import.meta.dir, '../support/posting.ts')
    const child = Bun.spawn([process.execPath, script, new URL(upstream.origin).port, ...names], {
      env: vouched ? { NODE_EXTRA_CA_CERTS: ca } : {},
      stderr: 'inherit',
    })
    expect((await new Response(child.stdout).text()).trim().split('\n')).toEqual(said)
    expect(upstream.asked()).toBe(received * names.length)
  })
})

/** A certificate for `name`, and the file of the authority that signed it. */
async function certified(name: string): Promise<{ key: string; cert: string; ca: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-tls-'))
  running.push({ stop: () => rmSync(folder, { recursive: true }) })
  const at = (file: string) => join(folder, file)
  const newKey = 'req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  await Bun.write(at('names'), `subjectAltName=DNS:${name}`)
  for (const command of [
    `${newKey} -x509 -days 1 -subj /CN=authority -keyout ${at('ca.key')} -out ${at('ca.pem')}`,
    `${newKey} -subj /CN=${name} -keyout ${at('key.pem')} -out ${at('request.pem')}`,
    `x509 -req -days 1 -in ${at('request.pem')} -CA ${at('ca.pem')} -CAkey ${at('ca.key')} -CAcreateserial -extfile ${at('names')} -out ${at('cert.pem')}`,
  ])
    Bun.spawnSync(['openssl', ...command.split(' ')])
  return { key: await Bun.file(at('key.pem')).text(), cert: await Bun.file(at('cert.pem')).text(), ca: at('ca.pem') }
}
