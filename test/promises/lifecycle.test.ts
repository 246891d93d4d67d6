import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { outOfDescriptors } from '../../src/async/file-descriptors.ts'
import { systemClock } from '../../src/async/system-clock.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { answer, completionRoute, eventStream } from '../support/chat-zai.ts'
import { manualClock } from '../support/clock.ts'
import { standstill } from '../support/eventually.ts'
import { type RunningGateway, startGateway, until } from '../support/gateway.ts'
import { startWebGateway, type WebGateway } from '../support/web-gateway.ts'

// What happens at the edges of a request's life, on real sockets: nothing here can be seen in-process.

const running: { stop(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const thing of running.splice(0)) await thing.stop()
})

function webGateway(settings: Parameters<typeof startWebGateway>[0] = {}): WebGateway {
  const web = startWebGateway(settings)
  running.push(web)
  return web
}

function demoGateway(idleMs = 5_000, paceMs = 0): RunningGateway {
  const gateway = startGateway([demo({ clock: systemClock, idleMs, paceMs })])
  running.push(gateway)
  return gateway
}

const frame = (text: string) =>
  `data: ${JSON.stringify({ type: 'chat:completion', data: { phase: 'answer', delta_content: text } })}\n\n`

/** An upstream body that talks until it is closed, or says its lines and falls silent. */
function talking(lines: string[], forEver: boolean) {
  const state = { closed: false, sent: 0 }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const line = lines[state.sent] ?? (forEver ? frame('and on ') : undefined)
      if (line === undefined) return new Promise<void>(() => {})
      state.sent++
      controller.enqueue(new TextEncoder().encode(line))
      await new Promise((resolve) => setImmediate(resolve))
    },
    cancel() {
      state.closed = true
    },
  })
  return { state, body }
}

function post(gateway: RunningGateway, body: object, init: RequestInit = {}): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Go' }], ...body }),
    ...init,
  })
}

describe('a client that leaves closes the upstream request', () => {
  const forms = [
    ['in the middle of a stream', true, 'talking'],
    ['of a stream, before the first byte', true, 'silent'],
    ['of a whole reply, before its first byte', false, 'silent'],
    ['of a whole reply, while it is collected', false, 'talking'],
  ] as const
  test.each(forms)('%s', async (_name, stream, manner) => {
    const { site, gateway } = webGateway({ idleMs: 60_000 })
    const { state, body } = talking([], manner === 'talking')
    site.script(completionRoute, () => eventStream(body))
    const client = new AbortController()
    const reply = post(gateway, { stream }, { signal: client.signal })
    reply.catch(() => {})
    await until(() => site.to(completionRoute).length === 1, 'the completion to be asked for')
    if (stream && manner === 'talking') await (await reply).body?.getReader().read()
    client.abort()
    // Long before the silence of the upstream would end it.
    await until(() => state.closed, 'the upstream body to be cancelled')
    await until(() => gateway.lines.some((line) => line.includes('cancelled')), 'the log line')
  })
})

describe('silence', () => {
  test('of the upstream ends the stream in an error', async () => {
    const { site, gateway } = webGateway({ idleMs: 200 })
    site.script(completionRoute, () =>
      eventStream(talking([frame('A beginning that is long enough to be shown')], false).body),
    )
    const text = await (await post(gateway, { stream: true })).text()
    expect(text).toContain('A beginning')
    expect(text).toContain('"code":"upstream_idle"')
    expect(text).not.toContain('[DONE]')
  })

  test('before the first byte ends a whole reply in 504', async () => {
    const { site, gateway } = webGateway({ idleMs: 200 })
    for (let attempt = 0; attempt < 3; attempt++)
      site.script(completionRoute, () => eventStream(talking([': here\n\n'], false).body))
    const response = await post(gateway, {})
    expect(response.status).toBe(504)
    expect(response.headers.get('x-should-retry')).toBe('true')
  })

  test('towards the client is broken by keep-alives', async () => {
    const clock = manualClock()
    const gateway = startGateway([demo({ clock, idleMs: 5_000, paceMs: 0 })], { keepAliveMs: 50 })
    running.push(gateway)
    const messages = [{ role: 'user', content: '[silence:400] Hi' }]
    const reply = await post(gateway, { stream: true, messages })
    let text = ''
    for await (const piece of reply.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += piece
      if ((text.match(/: ping\n/g) ?? []).length > 2) clock.advance(400)
    }
    expect(text.match(/: ping\n/g)?.length).toBeGreaterThan(2)
    expect(text).toEndWith('data: [DONE]\n\n')
  })
})

describe('a reader that stops reading', () => {
  test('does not make the gateway hoard the answer', async () => {
    const { site, gateway } = webGateway()
    const state = { closed: false, sent: 0 }
    const big = new TextEncoder().encode(frame('x'.repeat(60_000)))
    const flood = new ReadableStream<Uint8Array>({
      pull(controller) {
        state.sent++
        controller.enqueue(big)
      },
      cancel() {
        state.closed = true
      },
    })
    site.script(completionRoute, () => eventStream(flood))
    const socket = await rawPost(gateway, {
      model: 'GLM-4.5',
      stream: true,
      messages: [{ role: 'user', content: 'Go' }],
    })
    socket.pause()
    // The flood comes to a stand: what the sockets on the way hold is all that was pulled.
    await standstill(() => state.sent, 'the flood to stop')
    expect(state.sent * 60_000).toBeLessThan(200_000_000)
    socket.destroy()
    await until(() => state.closed, 'the upstream body to be cancelled')
  }, 90_000)
})

/** A POST on a socket the test controls, response unread. */
async function rawPost(gateway: RunningGateway, body: object): Promise<Socket> {
  const { hostname, port } = new URL(gateway.url)
  const text = JSON.stringify(body)
  const socket = connect(Number(port), hostname)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  return socket
}

describe('stopping', () => {
  test('lets a running answer finish and refuses new ones', async () => {
    const gateway = demoGateway(5_000, 5)
    const response = await post(gateway, { stream: true })
    const stopped = gateway.stop(10_000)
    await gateway.close()
    await expect(post(gateway, {})).rejects.toThrow()
    expect(await response.text()).toEndWith('data: [DONE]\n\n')
    expect(await stopped).toBe('drained')
  })

  test('answers what had connected while it was busy, until the moment it stops', async () => {
    const gateway = demoGateway()
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-busy-'))
    const sent = join(folder, 'sent')
    const { port } = new URL(gateway.url)
    const script = `exec 3<>/dev/tcp/127.0.0.1/${port}
      printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost:8080\\r\\nConnection: close\\r\\n\\r\\n' >&3
      touch ${sent}; cat <&3`
    try {
      const client = Bun.spawn(['bash', '-c', script], { stdout: 'pipe', stderr: 'ignore' })
      // The event loop stands still meanwhile.
      while (!existsSync(sent)) Bun.sleepSync(1)
      const stopped = gateway.stop(10_000)
      expect(await new Response(client.stdout).text()).toStartWith('HTTP/1.1 200 ')
      expect(await stopped).toBe('drained')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test.each([
    ['/v1/chat/completions', /\ndata: \{"error":\{[^\n]*"code":"shutting_down"\}\}\n\n$/],
    ['/v1/responses', /\nevent: response.failed\ndata: \{[^\n]*shut down before the answer was complete[^\n]*\}\n\n$/],
    [
      '/v1/messages',
      /\nevent: error\ndata: \{"type":"error",[^\n]*shut down before the answer was complete[^\n]*\}\n\n$/,
    ],
  ])('ends a stream of %s that still runs at the deadline in an error', async (path, end) => {
    const gateway = demoGateway()
    const content = '[stall] Go'
    const body = {
      model: 'GLM-4.5',
      stream: true,
      max_tokens: 100,
      messages: [{ role: 'user', content }],
      input: content,
    }
    const response = await fetch(gateway.url + path, { method: 'POST', body: JSON.stringify(body) })
    const text = response.text()
    expect(await gateway.stop(50)).toBe('cut')
    expect(await text).toMatch(end)
    await until(() => gateway.lines.some((line) => line.includes('shutting_down')), 'the log line')
  })

  test('tells a whole reply that still runs at the deadline 503 and when to come again', async () => {
    const gateway = demoGateway()
    const asking = post(gateway, { messages: [{ role: 'user', content: '[stall] Go' }] })
    await until(() => gateway.pendingRequests() === 1, 'the request')
    const stopped = gateway.stop(50)
    const response = await asking
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
    expect(await response.json()).toMatchObject({ error: { code: 'shutting_down' } })
    expect(await stopped).toBe('cut')
  })

  test('takes no request any more on a connection that is open', async () => {
    const gateway = demoGateway()
    const ask = () => post(gateway, { messages: [{ role: 'user', content: 'Hi' }] })
    expect((await ask()).status).toBe(200)
    gateway.drain()
    const refused = await ask()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
    const [ready, alive] = await Promise.all(['/readyz', '/healthz'].map((path) => fetch(gateway.url + path)))
    expect([ready?.status, alive?.status]).toEqual([503, 200])
    expect(await ready?.json()).toMatchObject({ status: 'not ready', code: 'shutting_down' })
  })

  test('waits for no connection on which no whole head of a request has come', async () => {
    const gateway = demoGateway()
    const heads = ['POST /v1/chat', 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:8080\r\nX-Half: ']
    const sockets = await Promise.all(heads.map((head) => rawText(gateway, head)))
    expect((await post(gateway, { messages: [{ role: 'user', content: 'Hi' }] })).status).toBe(200)
    const stoppedAt = performance.now()
    expect(await gateway.stop(30_000)).toBe('drained')
    expect(performance.now() - stoppedAt).toBeLessThan(15_000)
    await Promise.all(sockets.map(({ closed }) => closed))
  })

  test('sends away at once whose body has not come whole', async () => {
    const gateway = demoGateway()
    const head = (path: string, length: number) =>
      `POST ${path} HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{"model":`
    const requests = [
      head('/v1/chat/completions', 100),
      head('/v1/messages', 500_000),
      head('/v1/messages/count_tokens', 100),
    ]
    const sockets = await Promise.all(requests.map((text) => rawText(gateway, text)))
    await until(() => gateway.pendingRequests() === 3, 'the requests')
    gateway.drain()
    const stoppedAt = performance.now()
    expect(await gateway.stop(30_000)).toBe('drained')
    expect(performance.now() - stoppedAt).toBeLessThan(15_000)
    for (const { closed, said } of sockets) {
      await closed
      expect(said()).toMatch(/^HTTP\/1\.1 (?:503|529) .*\r\n/)
      expect(said()).toMatch(/\r\nretry-after: 5\r\n/i)
      expect(said()).toMatch(/\r\nconnection: close\r\n/i)
      expect(said()).toContain('This gateway is shutting down. Try again in a few seconds.')
    }
  })

  test.each([
    ['a stream', true],
    ['a whole reply', false],
  ])('aborts the call of %s that is still being started', async (_what, stream) => {
    const signals: AbortSignal[] = []
    const never = (call: { signal: AbortSignal }) => {
      signals.push(call.signal)
      return new Promise<never>(() => {})
    }
    const models = () => demo({ clock: systemClock, idleMs: 5_000 }).models()
    for (const slow of [{ open: never }, { models: () => never({ signal: new AbortController().signal }) }]) {
      signals.length = 0
      const gateway = startGateway([{ ...demo({ clock: systemClock, idleMs: 5_000 }), models, ...slow }])
      running.push(gateway)
      const asking = post(gateway, { stream })
      await until(() => signals.length === 1, 'the call')
      const stopped = gateway.stop(50)
      const response = await asking
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
      if ('open' in slow) expect(signals.map(({ aborted }) => aborted)).toEqual([true])
      expect(await stopped).toBe('cut')
    }
  })

  test('says why it is not ready without the secrets that an upstream repeats', async () => {
    const check = () => Promise.reject(new GatewayError('upstream-unavailable', 'It says: planted-secret'))
    const upstream = { ...demo({ clock: systemClock, idleMs: 5_000 }), check }
    const gateway = startGateway([upstream], { secrets: ['planted-secret'] })
    running.push(gateway)
    expect(await (await fetch(`${gateway.url}/readyz`)).json()).toMatchObject({ reason: 'It says: [redacted]' })
  })
})

/** A socket that has sent this text and no more. */
async function rawText(gateway: RunningGateway, text: string) {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  let said = ''
  socket.on('data', (piece) => {
    said += piece
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  await new Promise<void>((resolve) => socket.write(text, () => resolve()))
  return { closed, said: () => said }
}

describe('the front door', () => {
  test('refuses a body over the limit in the dialect, announced or not', async () => {
    const { url } = demoGateway()
    const big = 'x'.repeat(2_000_000)
    const announced = await fetch(`${url}/v1/messages`, { method: 'POST', body: big })
    expect(announced.status).toBe(413)
    expect(await announced.json()).toMatchObject({ type: 'error', error: { type: 'request_too_large' } })
    const pieces = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(big))
        controller.close()
      },
    })
    const chunked = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: pieces })
    expect(chunked.status).toBe(413)
    expect(await chunked.json()).toMatchObject({ error: { code: 'request_too_large' } })
  })

  test('closes the connection of a refusal for want of file descriptors, which frees one, and no other', async () => {
    const scripted = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
    const errors = [outOfDescriptors(new Error('EMFILE')), new GatewayError('overloaded', 'Full.')]
    const gateway = startGateway([{ ...scripted, open: () => Promise.reject(errors.shift()) }])
    running.push(gateway)
    const refusals = [await post(gateway, {}), await post(gateway, {})]
    expect(refusals.map(({ status, headers }) => [status, headers.get('connection')])).toEqual([
      [503, 'close'],
      [503, null],
    ])
  })

  test('names itself on every reply', async () => {
    const { url } = demoGateway()
    const replies = await Promise.all([
      fetch(`${url}/`),
      fetch(`${url}/healthz`),
      fetch(`${url}/readyz`),
      fetch(`${url}/v1/models`),
      fetch(`${url}/nowhere`),
      post({ url } as RunningGateway, {}),
      fetch(`${url}/v1/messages`, { method: 'POST', body: '{' }),
    ])
    for (const reply of replies) expect(reply.headers.get('x-request-id')).toMatch(/^req_/)
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 404, 200, 400])
  })

  test('answers the probes of Claude Code without a key', async () => {
    const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000 })], {
      access: { openaiKey: 'sk-a', anthropicKey: 'sk-b' },
    })
    running.push(gateway)
    for (const path of ['/', '/anthropic', '/api/hello'])
      expect((await fetch(gateway.url + path, { method: 'HEAD' })).status).toBe(200)
    expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(401)
  })

  test('reads no body of a caller without the key: the connection ends', async () => {
    const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000 })], { access: { openaiKey: 'sk-a' } })
    running.push(gateway)
    const { hostname, port } = new URL(gateway.url)
    const socket = connect(Number(port), hostname)
    let said = ''
    socket.on('data', (piece) => {
      said += piece
    })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 1000000\r\n\r\n{')
    await closed
    expect(said).toStartWith('HTTP/1.1 401')
  })

  test('invites only the origins it was told to', async () => {
    const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000 })], {
      access: { openaiKey: 'sk-a', corsOrigins: ['https://ui.example'] },
    })
    running.push(gateway)
    const preflight = (origin: string) =>
      fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      })
    const invited = await preflight('https://ui.example')
    expect(invited.headers.get('access-control-allow-origin')).toBe('https://ui.example')
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).not.toBe(
      'https://evil.example',
    )
  })

  test('lets a page that may call read why it was refused', async () => {
    const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000 })], {
      access: { openaiKey: 'sk-a', corsOrigins: ['https://ui.example'] },
    })
    running.push(gateway)
    const refused = await fetch(`${gateway.url}/v1/models`, { headers: { origin: 'https://ui.example' } })
    expect(refused.status).toBe(401)
    expect(refused.headers.get('access-control-allow-origin')).toBe('https://ui.example')
  })

  test('logs one line a request, with neither prompt nor key', async () => {
    const { site, gateway } = webGateway()
    site.script(completionRoute, () => answer('A reply nobody should log'))
    await (
      await post(
        gateway,
        { messages: [{ role: 'user', content: 'A prompt nobody should log' }] },
        {
          headers: { authorization: 'Bearer sk-planted-client-key' },
        },
      )
    ).text()
    await until(() => gateway.lines.some((line) => line.includes('/v1/chat/completions')), 'the log line')
    const lines = gateway.lines.filter((line) => line.includes('/v1/chat/completions'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/"dialect":"openai-chat".*"upstream":"zai-web".*"status":200/)
    const log = gateway.lines.join('\n')
    for (const secret of ['nobody should log', 'sk-planted', 'eyJ']) expect(log).not.toContain(secret)
  })
})
