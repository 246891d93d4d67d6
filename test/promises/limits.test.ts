import { afterEach, describe, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Caller } from '../../src/core/caller.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { readJson } from '../../src/http/body.ts'
import { localCaller, policyOf } from '../../src/http/client-keys.ts'
import { createLimits } from '../../src/http/limits.ts'
import { openRecord } from '../../src/observe/record.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { type GatewaySettings, type RunningGateway, startGateway, until } from '../support/gateway.ts'
import { misbehaving } from '../support/misbehaving.ts'

// What the gateway refuses, and what it survives, on real sockets.

const running: RunningGateway[] = []
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop()
})

function gatewayOf(settings: GatewaySettings = {}, upstream: Upstream = quickDemo()): RunningGateway {
  const gateway = startGateway([upstream], settings)
  running.push(gateway)
  return gateway
}

function quickDemo(): Upstream {
  return demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })
}

const says = (content: string) => ({ model: 'GLM-4.5', max_tokens: 100, messages: [{ role: 'user', content }] })

/** Without a limit of its own. */
const endless = { model: 'GLM-4.5', messages: [{ role: 'user', content: 'Go' }] }

function post(gateway: RunningGateway, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(gateway.url + path, { method: 'POST', body: JSON.stringify(body), ...init })
}

const chat = '/v1/chat/completions'
const forms: [path: string, body: object][] = [
  [chat, says('Hi')],
  ['/v1/messages', says('Hi')],
  ['/v1/responses', { model: 'GLM-4.5', input: 'Hi' }],
  ['/v1/completions', { model: 'GLM-4.5', prompt: 'Hi' }],
]

async function measured(gateway: RunningGateway, metric: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  return Number(new RegExp(`^${metric} (.*)$`, 'm').exec(text)?.[1])
}

async function untilIdle(gateway: RunningGateway): Promise<void> {
  for (let tries = 0; (await measured(gateway, 'zai2api_active_requests')) > 0; tries++)
    if (tries > 2_000) throw new Error('a request kept its place')
}

describe('a gateway that is full', () => {
  test('refuses in the words of the dialect, until a place is free again', async () => {
    const gateway = gatewayOf({ limits: { maxConcurrent: 1 } })
    const client = new AbortController()
    const first = await post(gateway, chat, { ...says('[stall] Go'), stream: true }, { signal: client.signal })
    expect(first.status).toBe(200)
    for (const [path, body] of forms) {
      const refused = await post(gateway, path, body)
      expect(refused.status).toBe(path === '/v1/messages' ? 529 : 503)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
      expect(refused.headers.get('x-should-retry')).toBe('true')
      expect(JSON.stringify(await refused.json())).toContain('MAX_CONCURRENT')
    }
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    client.abort()
    // A reply that nobody holds is collected, and its place is free.
    await expect(first.text()).rejects.toThrow('aborted')
    await untilIdle(gateway)
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
  })

  const ends: [string, (gateway: RunningGateway) => Promise<unknown>][] = [
    ['a whole reply', async (gateway) => (await post(gateway, chat, says('Hi'))).text()],
    ['a stream', async (gateway) => (await post(gateway, chat, { ...says('Hi'), stream: true })).text()],
    ['a failure', (gateway) => post(gateway, chat, says('[500]'))],
    [
      'a failure in the stream',
      async (gateway) => (await post(gateway, chat, { ...says('[cut]'), stream: true })).text(),
    ],
    ['a token count', (gateway) => post(gateway, '/v1/messages/count_tokens', says('Hi'))],
    ['a model nobody has', (gateway) => post(gateway, chat, { ...says('Hi'), model: 'nobody' })],
    ['a body of another shape', (gateway) => post(gateway, chat, { model: 1 })],
    ['a body that is not JSON', (gateway) => post(gateway, chat, 0, { body: '{' })],
    ['a body that is too large', (gateway) => post(gateway, chat, 'x'.repeat(2_000_000))],
    ['a body of unknown packing', (gateway) => post(gateway, chat, {}, { headers: { 'content-encoding': 'x' } })],
    ['a body that never comes', async (gateway) => (await rawPost(gateway, 'Content-Length: 100', '{')).closed],
    [
      'a client that leaves while it sends',
      async (gateway) => {
        const { socket } = await rawPost(gateway, 'Content-Length: 100', '{')
        while ((await measured(gateway, 'zai2api_active_requests')) === 0);
        socket.destroy()
      },
    ],
    [
      'a client that leaves while it waits',
      async (gateway) => {
        const client = new AbortController()
        const waiting = post(gateway, chat, says('[silence] Hi'), { signal: client.signal })
        waiting.catch(() => {})
        while ((await measured(gateway, 'zai2api_active_requests')) === 0);
        client.abort()
      },
    ],
  ]
  test.each(ends)('gets its place back after %s', async (_name, end) => {
    const gateway = gatewayOf({ bodyTimeoutMs: 300 })
    await end(gateway)
    await untilIdle(gateway)
    await until(() => gateway.lines.some((line) => line.startsWith('POST ')), 'the log line')
    expect(gateway.lines.filter((line) => line.startsWith('POST '))).toHaveLength(1)
    expect(gateway.lines.join()).not.toContain('"error":"internal"')
  })
})

describe('a request with too many messages', () => {
  const message = { role: 'user', content: 'Hi' }
  test.each([
    [chat, { model: 'GLM-4.5', messages: [message, message, message] }, 'messages'],
    ['/v1/messages', { model: 'GLM-4.5', max_tokens: 9, messages: [message, message, message] }, 'messages'],
    ['/v1/responses', { model: 'GLM-4.5', input: [message, message, message] }, 'input'],
  ])('is refused: POST %s', async (path, body, field) => {
    const refused = await post(gatewayOf({ limits: { maxMessages: 2 } }), path, body)
    expect(refused.status).toBe(400)
    expect(JSON.stringify(await refused.json())).toContain(`${field}: expected at most 2 entries, got 3`)
  })
})

describe('a body that goes deeper than anybody means', () => {
  const nested = (levels: number) => JSON.parse(`${'{"items":'.repeat(levels)}{}${'}'.repeat(levels)}`)
  const hi = [{ role: 'user', content: 'Hi' }]
  const places: [path: string, body: (schema: object) => object, field: string][] = [
    [
      chat,
      (parameters) => ({ messages: hi, tools: [{ type: 'function', function: { name: 'f', parameters } }] }),
      'tools.0.function',
    ],
    [
      '/v1/messages',
      (input_schema) => ({ max_tokens: 9, messages: hi, tools: [{ name: 'f', input_schema }] }),
      'tools.0.input_schema',
    ],
    [
      '/v1/messages/count_tokens',
      (input_schema) => ({ messages: hi, tools: [{ name: 'f', input_schema }] }),
      'tools.0.input_schema',
    ],
    [
      '/v1/responses',
      (parameters) => ({ input: 'Hi', tools: [{ type: 'function', name: 'f', parameters }] }),
      'tools.0.parameters',
    ],
    ['/v1/completions', (metadata) => ({ prompt: 'Hi', metadata }), 'metadata.items.items'],
  ]

  test.each(places)('is refused: POST %s', async (path, body, field) => {
    const refused = await post(gatewayOf(), path, { model: 'GLM-4.5', ...body(nested(20_000)) })
    expect(refused.status).toBe(400)
    expect(JSON.stringify(await refused.json())).toContain(`${field}: nested deeper than 256 levels`)
    const taken = await post(gatewayOf(), path, { model: 'GLM-4.5', ...body(nested(200)) })
    expect(taken.status).toBe(200)
    await taken.text()
  })
})

describe('a body of more values than anybody means', () => {
  const hi = [{ role: 'user', content: 'Hi' }]
  const lists: [string, unknown][] = [
    ['numbers', Array(300_000).fill(0)],
    ['small lists', Array(130_000).fill([0])],
    ['objects behind quotes in quotes', [...Array(10).fill('\\"[,{'), ...Array(100_000).fill({ a: '"', b: '\\' })]],
  ]
  test.each(lists)('is refused before it is read: %s', async (_name, extra) => {
    const gateway = gatewayOf({ maxBodyBytes: 10_000_000 })
    const refused = await post(gateway, chat, { ...says('Hi'), messages: hi, extra })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { message: 'The request body holds more than 250000 JSON values.', code: 'too_many_values' },
    })
  })

  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key${at}`, at]))
  test.each<[string, object]>([
    ['beside the others', keys(20_001)],
    ['inside a message', { messages: [{ ...hi[0], ...keys(20_001) }] }],
    ['inside a schema', { tools: [{ type: 'function', function: { name: 'f', parameters: keys(20_001) } }] }],
  ])('and so is one of more members in an object: %s', async (_name, fields) => {
    const refused = await post(gatewayOf(), chat, { ...says('Hi'), ...fields })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { message: 'The request body holds an object of more than 20000 members.', code: 'too_many_members' },
    })
  })

  test.each([
    ['spaces', ' '.repeat(1_600_000)],
    ['digits', `${'1'.repeat(1_600_000)},`],
  ])('and so is one of more %s in a row than anybody means', async (_name, many) => {
    const beginning = JSON.stringify({ ...says('Hi'), messages: hi }).slice(0, -1)
    const refused = await fetch(`${gatewayOf({ maxBodyBytes: 10_000_000 }).url}${chat}`, {
      method: 'POST',
      body: `${beginning},"extra":[${many}1]}`,
    })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { message: 'The request body holds a megabyte of white space or of one number.', code: 'too_many_blanks' },
    })
  })

  test('and one of more tools', async () => {
    const tools = Array(2_049).fill({ type: 'function', function: { name: 'f', parameters: {} } })
    const refused = await post(gatewayOf(), chat, { ...says('Hi'), tools })
    expect(await refused.json()).toMatchObject({
      error: { message: 'tools: expected at most 2048 entries, got 2049.', param: 'tools', code: 'too_many_tools' },
    })
  })

  test('and one that is nested too deep, however long, is told where', async () => {
    const nested = `${'['.repeat(300)}${']'.repeat(300)}`
    const body = `{"messages":[],"extra":{"long":"${'a'.repeat(200_000)}","deep":${nested}}}`
    const refused = await post(gatewayOf(), chat, {}, { body })
    expect(await refused.json()).toMatchObject({ error: { param: 'extra.deep.0', code: 'too_deep' } })
  })

  test.each<[string, unknown]>([
    ['text that holds as many brackets', `"[{\\,\n${'[{,"\\'.repeat(300_000)}`],
    ['as many numbers as is allowed', Array(240_000).fill(0)],
    ['as many members as are allowed', keys(19_990)],
    ['as many members in two objects', [keys(15_000), keys(15_000)]],
  ])('is not: %s', async (_name, extra) => {
    const taken = await post(gatewayOf({ maxBodyBytes: 10_000_000 }), chat, { ...says('Hi'), messages: hi, extra })
    expect(taken.status).toBe(200)
    await taken.text()
  })

  test('and one that is no JSON is told as such', async () => {
    const body = `{"a":"${','.repeat(600_000)}`
    const refused = await post(gatewayOf(), chat, {}, { body })
    expect(await refused.json()).toMatchObject({ error: { code: 'invalid_json' } })
  })
})

test.each([
  ['many', Array.from({ length: 1_000 }, (_, index) => `stop ${index}`)],
  ['long', ['a'.repeat(5_000)]],
])(
  'stop sequences that are too %s are refused, for every piece of the answer is searched for them',
  async (_name, stop) => {
    const gateway = gatewayOf()
    for (const [path, field] of [
      [chat, 'stop'],
      ['/v1/messages', 'stop_sequences'],
    ] as const) {
      const refused = await post(gateway, path, { ...says('Hi'), max_tokens: 9, [field]: stop })
      expect(refused.status).toBe(400)
      expect(JSON.stringify(await refused.json())).toContain('at most 4000 are looked for')
    }
    const taken = await post(gateway, chat, { ...says('Hi'), stop: stop.slice(0, 50).map((one) => one.slice(0, 50)) })
    expect(taken.status).toBe(200)
    await taken.text()
  },
)

describe('the allowance of a key', () => {
  test('of requests is one for all dialects, and 429 says when there is more', async () => {
    const gateway = gatewayOf({ rates: { rateLimitRpm: 1 } })
    expect((await post(gateway, '/v1/messages/count_tokens', says('Hi'))).status).toBe(200)
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
    for (const [path, body] of forms) {
      const refused = await post(gateway, path, body)
      expect(refused.status).toBe(429)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
      expect(JSON.stringify(await refused.json())).toContain('RATE_LIMIT_RPM')
    }
  })

  test('of tokens is spent by the reply', async () => {
    const gateway = gatewayOf({ rates: { rateLimitTpm: 10 } })
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
    const refused = await post(gateway, chat, says('Hi'))
    expect(refused.status).toBe(429)
    expect(JSON.stringify(await refused.json())).toContain('RATE_LIMIT_TPM')
  })

  test('of one key is not that of the other', async () => {
    const access = { openaiKey: 'sk-one', anthropicKey: 'sk-two' }
    const gateway = gatewayOf({ access, rates: { rateLimitRpm: 1 } })
    const asked = async (path: string, key: string) =>
      (await post(gateway, path, says('Hi'), { headers: { authorization: `Bearer ${key}` } })).status
    expect(await asked(chat, 'sk-one')).toBe(200)
    expect(await asked(chat, 'sk-one')).toBe(429)
    expect(await asked('/v1/messages', 'sk-two')).toBe(200)
    expect(await asked('/v1/messages', 'sk-wrong')).toBe(401)
  })

  test('is the key’s own, with the name of what sets it, and changes with its policy', () => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, clock)
    const callOf = (keyId: string, perMinute?: number) => () => {
      const requests = perMinute === undefined ? undefined : { perMinute, setting: `the limit of ${keyId}` }
      const caller: Caller = { keyId, label: keyId, scope: ['openai'], policy: { requests } }
      limits.charge({ ...openRecord('req', 'POST', chat, clock), caller })
    }
    callOf('ann', 1)()
    expect(callOf('ann', 1)).toThrow(
      'This key has used up its requests (the limit of ann is 1) of this minute. There are more in 60 s.',
    )
    for (const call of [callOf('bob', 2), callOf('bob', 2), callOf('eve'), callOf('eve'), callOf('ann')]) call()
    expect(callOf('bob', 2)).toThrow('(the limit of bob is 2)')
  })

  test('fills up evenly, and never beyond a minute’s worth', () => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, clock)
    const caller = localCaller(policyOf({ rateLimitRpm: 2, rateLimitTpm: 0 }))
    const spent = () => {
      try {
        limits.charge({ ...openRecord('req', 'POST', chat, clock), caller })
        return 'in'
      } catch (thrown) {
        return thrown instanceof Error && 'retryAfterMs' in thrown ? thrown.retryAfterMs : thrown
      }
    }
    expect([spent(), spent(), spent()]).toEqual(['in', 'in', 30_000])
    clock.advance(30_000)
    expect([spent(), spent()]).toEqual(['in', 30_000])
    clock.advance(3_600_000)
    expect([spent(), spent(), spent()]).toEqual(['in', 'in', 30_000])
  })

  test.each([
    [{ requests: { perMinute: 10, setting: 'rpm' } }, 5, 10],
    [{ requests: { perMinute: 1, setting: 'rpm' } }, 1, 1],
    [{ parallel: 6 }, 3, 6],
    [{ parallel: 1 }, 1, 1],
  ])('of %j leaves half to requests that somebody waits for', (policy, ofBackground, all) => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 100, maxMessages: 10 }, clock)
    const caller: Caller = { keyId: 'ann', label: 'ann', scope: ['anthropic'], policy }
    const granted = (isBackground?: true) => {
      for (let count = 0; ; count++)
        try {
          limits.charge({ ...openRecord('req', 'POST', chat, clock), caller, isBackground })
        } catch {
          return count
        }
    }
    expect([granted(true), granted(), granted(true)]).toEqual([ofBackground, all - ofBackground, 0])
  })

  test('can be overdrawn by a long reply', () => {
    const clock = manualClock()
    const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, clock)
    const caller = localCaller(policyOf({ rateLimitRpm: 0, rateLimitTpm: 600 }))
    const record = { ...openRecord('req', 'POST', chat, clock), caller }
    limits.acquire(record)
    limits.charge(record)
    record.usage = { inputTokens: 1_000, outputTokens: 199 }
    limits.release(record)
    const refused = { kind: 'rate-limited', retryAfterMs: 60_000 }
    const next = { ...openRecord('req', 'POST', chat, clock), caller }
    expect(() => limits.charge(next)).toThrow(expect.objectContaining(refused))
  })
})

describe('a packed body', () => {
  const zeros = new Uint8Array(128_000_000)
  const brotli = (data: string | Uint8Array) =>
    brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
  const packings = [
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotli],
    ['zstd', zstdCompressSync],
    ['GZIP', gzipSync],
  ] as const
  const packed = (gateway: RunningGateway, encoding: string, body: Uint8Array<ArrayBuffer>) =>
    fetch(gateway.url + chat, { method: 'POST', body, headers: { 'content-encoding': encoding } })

  test.each(packings)('is unpacked: %s', async (encoding, pack) => {
    const reply = await packed(gatewayOf(), encoding, new Uint8Array(pack(JSON.stringify(says('Hi')))))
    expect(await reply.json()).toMatchObject({ object: 'chat.completion' })
  })

  test.each(packings)('that is a bomb is refused before it is large: %s', async (encoding, pack) => {
    const bomb = new Uint8Array(pack(zeros))
    Bun.gc(true)
    const gateway = gatewayOf({ maxBodyBytes: 4_000_000 })
    expect(bomb.length).toBeLessThan(4_000_000)
    const before = process.memoryUsage.rss()
    const reply = await packed(gateway, encoding, bomb)
    expect(reply.status).toBe(413)
    expect(await reply.json()).toMatchObject({ error: { code: 'request_too_large' } })
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000)
  })

  test.each([
    ['something else is 400', 'gzip', 400, 'invalid_encoding'],
    ['a packing nobody knows is 415', 'compress', 415, 'unsupported_encoding'],
    ['two packings are 415', 'gzip, br', 415, 'unsupported_encoding'],
  ])('%s', async (_name, encoding, status, code) => {
    const reply = await packed(gatewayOf(), encoding, new TextEncoder().encode('{"not":"packed"}'))
    expect(reply.status).toBe(status)
    expect(await reply.json()).toMatchObject({ error: { code } })
  })
})

describe('a client that dawdles', () => {
  test('with its body is told so, and its connection ends', async () => {
    const gateway = gatewayOf({ bodyTimeoutMs: 100 })
    for (const header of ['Content-Length: 100', 'Content-Length: 900000', 'Transfer-Encoding: chunked']) {
      const { said, closed } = await rawPost(gateway, header, header.startsWith('T') ? '1\r\n{\r\n' : '{')
      await closed
      expect(said()).toStartWith('HTTP/1.1 408 ')
      expect(said()).toContain('request_body_timeout')
    }
  })

  test('piece by piece has no longer than its bytes are worth', async () => {
    const clock = manualClock()
    const pieces = new TransformStream<Uint8Array, Uint8Array>()
    const writer = pieces.writable.getWriter()
    const request = new Request('http://localhost/', { method: 'POST', body: pieces.readable })
    const reading = readJson(request, { maxBytes: 1_000, timeoutMs: 1_000, clock })
    reading.catch(() => {})
    let outcome = 'waiting'
    reading.then(
      () => (outcome = 'read'),
      (error) => (outcome = error.code),
    )
    for (let at = 0; at < 3; at++) {
      await writer.write(new TextEncoder().encode('[')).catch(() => {})
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(400)
    }
    await new Promise((resolve) => setImmediate(resolve))
    expect(outcome).toBe('request_body_timeout')
    expect(clock.pending()).toBe(0)
  })

  test('with headers beyond 16 KiB gets 431', async () => {
    const { socket, said, closed } = await dial(gatewayOf())
    socket.write(`GET / HTTP/1.1\r\nHost: localhost:8080\r\nX-Long: ${'a'.repeat(17_000)}\r\n\r\n`)
    await closed
    expect(said()).toStartWith('HTTP/1.1 431 ')
  })

  test('with reading costs a bounded amount of memory, then its connection and the upstream', async () => {
    const flood = misbehaving('flood')
    const gateway = gatewayOf({ stallMs: 500, keepAliveMs: 50, loopLimit: 0 }, flood.upstream)
    // What the first request of a process loads is not what is measured.
    await (await post(gatewayOf(), chat, says('Hi'))).text()
    const before = process.memoryUsage.rss()
    const { socket, closed } = await rawPost(gateway, '', JSON.stringify({ ...endless, stream: true }))
    socket.pause()
    await until(() => flood.state.cancelled, 'the upstream to be released', 10_000)
    expect(flood.state.sentBytes).toBeLessThan(30_000_000)
    expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000)
    expect(gateway.lines.join('\n')).toContain('"error":"client_stalled"')
    // What the kernel holds can still be read; then comes the end, and no polite one.
    socket.resume()
    await closed
    expect((await post(gateway, chat, says('Hi'), { method: 'GET', body: null })).status).toBe(404)
  }, 30_000)

  test.each<[string, object, string]>([
    ['a stream', { ...says('Hi'), stream: true }, chat],
    ['a whole reply', says('Hi'), chat],
    ['a refusal', { model: 1 }, chat],
    ['a failure', says('[500]'), chat],
    ['a count', says('Hi'), '/v1/messages/count_tokens'],
  ])(
    'with its next request does not keep its connection for ever: after %s',
    async (_name, body, path) => {
      const { closed, said } = await rawPost(gatewayOf({ stallMs: 1_000 }), '', JSON.stringify(body), path)
      await closed
      expect(said()).toStartWith('HTTP/1.1 ')
    },
    20_000,
  )

  test.each([
    ['its first head', ''],
    ['its next head', JSON.stringify(says('Hi'))],
  ])(
    'with %s, byte by byte, loses its connection',
    async (_name, body) => {
      const gateway = gatewayOf({ stallMs: 1_000 })
      const { socket, closed } = body === '' ? await dial(gateway) : await rawPost(gateway, '', body)
      if (body !== '') await new Promise((resolve) => socket.once('data', resolve))
      socket.write('GET / HTTP/1.1\r\nHost: localhost:8080\r\nX-Long: ')
      const dribble = setInterval(() => socket.write('a'), 100)
      await closed
      clearInterval(dribble)
    },
    20_000,
  )

  test('with reading a whole reply costs its connection', async () => {
    const { upstream } = misbehaving('huge')
    const gateway = gatewayOf({ stallMs: 1_000, loopLimit: 0 }, upstream)
    const { socket, said, closed } = await rawPost(gateway, '', JSON.stringify(endless))
    socket.pause()
    await until(() => gateway.lines.some((line) => line.startsWith('POST ')), 'the reply', 10_000)
    // Bun's clock has steps of four seconds.
    await until(() => gateway.pendingRequests() === 0, 'Bun to give up', 20_000)
    socket.resume()
    await closed
    expect(said().length).toBeLessThan(60_000_000)
  }, 30_000)
})

// Bun closes such connections itself. docs/deployment.md says so; should it answer them one day, that changes.
describe('a client that does not wait for its reply', () => {
  const request = (content: string) => {
    const body = JSON.stringify(says(content))
    return `POST ${chat} HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  }

  test.each<[string, (socket: Socket) => void]>([
    ['but sends the next request', (socket) => socket.write(request('[silence] Hi') + request('Hi'))],
    ['but sends the next request while it is silent', (socket) => socket.write(request('Hi'))],
    ['but closes its half of the connection', (socket) => socket.end()],
  ])('%s, loses its connection, and its request ends', async (name, act) => {
    const gateway = gatewayOf()
    const { socket, said, closed } = await dial(gateway)
    if (name.endsWith('request')) act(socket)
    else {
      socket.write(request('[silence] Hi'))
      while ((await measured(gateway, 'zai2api_active_requests')) === 0);
      act(socket)
    }
    await closed
    expect(said()).toBe('')
    await untilIdle(gateway)
    expect(gateway.lines.filter((line) => line.startsWith('POST ')).join('\n')).toContain('"error":"cancelled"')
  })
})

describe('what fails inside', () => {
  test.each(['throws', 'rejects', 'breaks its word'] as const)(
    'an upstream that %s',
    async (manner) => {
      const { upstream } = misbehaving(manner)
      const gateway = gatewayOf({}, upstream)
      for (const stream of [false, true]) {
        const reply = await post(gateway, chat, { ...says('Go'), stream })
        const text = await reply.text().catch(() => '')
        expect(text).not.toContain('[DONE]')
        expect(text).not.toContain('a private detail')
      }
      await untilIdle(gateway)
      expect(gateway.lines.filter((line) => line.includes('"error":"internal"'))).toHaveLength(2)
      expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    },
    20_000,
  )

  /** Starts a server that leaves something behind with each call, and gathers what it says. */
  async function stray(what: 'rejection' | 'throw') {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, '../support', 'stray.ts'), what], {
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const reader = child.stdout.getReader()
    const url = new TextDecoder().decode((await reader.read()).value).trim()
    const ask = () => fetch(url + chat, { method: 'POST', body: JSON.stringify({ ...says('Hi'), stream: true }) })
    return { child, ask, log: new Response(child.stderr).text() }
  }

  test('a rejected promise that nobody listens to is told, and the server goes on', async () => {
    const { child, ask, log } = await stray('rejection')
    for (let attempt = 0; attempt < 3; attempt++) expect(await (await ask()).text()).toEndWith('data: [DONE]\n\n')
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    expect((await log).split('a promise was rejected and nobody listened')).toHaveLength(4)
  }, 20_000)

  test('a thrown error that nobody catches ends the server, once the answers under way are out', async () => {
    const { child, ask, log } = await stray('throw')
    const answers = await Promise.all([ask(), ask()])
    for (const answer of answers) expect(await answer.text()).toEndWith('data: [DONE]\n\n')
    expect(await child.exited).toBe(1)
    expect((await log).split('an error was thrown and nobody caught it')).toHaveLength(2)
  }, 20_000)

  test('a gauge that throws spoils one page', async () => {
    const gauges = () => {
      throw new Error('a private detail')
    }
    const gateway = gatewayOf({}, { ...quickDemo(), gauges })
    const page = await fetch(`${gateway.url}/metrics`)
    expect(page.status).toBe(500)
    expect(await page.text()).not.toContain('a private detail')
    expect((await post(gateway, chat, says('Hi'))).status).toBe(200)
  })
})

interface Dialled {
  socket: Socket
  said: () => string
  closed: Promise<void>
}

async function dial(gateway: RunningGateway): Promise<Dialled> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  let said = ''
  socket.on('data', (piece) => {
    said += piece.toString('latin1')
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return { socket, said: () => said, closed }
}

/** A POST on a socket the test controls; without a framing header the body is whole. */
async function rawPost(gateway: RunningGateway, framing: string, body: string, path = chat): Promise<Dialled> {
  const dialled = await dial(gateway)
  const length = framing || `Content-Length: ${Buffer.byteLength(body)}`
  dialled.socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost:8080\r\n${length}\r\n\r\n${body}`)
  return dialled
}
