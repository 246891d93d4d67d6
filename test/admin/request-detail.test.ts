import { afterEach, describe, expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import { Capture } from '../../src/admin/schema/capture.ts'
import { CapturedBody, RequestDetail } from '../../src/admin/schema/requests.ts'
import { systemClock } from '../../src/async/system-clock.ts'
import { createSecretFinder } from '../../src/core/known-secrets.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { clientKeys } from '../../src/http/client-keys.ts'
import { createCapture } from '../../src/observe/capture.ts'
import type { CaptureMode } from '../../src/observe/capture-mode.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { secretFinder } from '../../src/observe/redaction.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway, until } from '../support/gateway.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean()
})

const secret = 'Pl4nted-Secret.0123456789abcdef'
const [admin, client] = ['sk-admin-0123456789', 'sk-client-0123456789']

function setUp(mode: CaptureMode = 'memory', maxBytes = 1_000_000) {
  const secrets = [secret, admin, client]
  const capture = createCapture({
    clock: systemClock,
    configured: () => ({ mode, maxBytes, maxDiskBytes: 1_000_000 }),
    findSecrets: secretFinder(createSecretFinder(secrets)),
  })
  let isHolding = false
  const held = new Set<AbortSignal>()
  const answering = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const script: Upstream = {
    ...answering,
    async open(call) {
      if (!isHolding) return answering.open(call)
      held.add(call.signal)
      return new Promise((_resolve, reject) => {
        call.signal.addEventListener('abort', () => {
          held.delete(call.signal)
          reject(new Error('aborted'))
        })
      })
    },
  }
  const other: Upstream = { ...script, id: 'other' }
  const records: RequestRecord[] = []
  const gateway = startGateway([script, other], {
    ...{ capture, secrets, trace: (record) => records.push(record) },
    access: { keys: clientKeys({ operatorKey: admin, openaiKey: client, policy: {} }) },
  })
  cleanups.push(() => gateway.stop())
  const call = (method: string, path: string, body?: object, key = admin) =>
    fetch(gateway.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  /** Sends a request of a client, and returns its id. */
  const ask = async (body: object, headers: Record<string, string> = {}): Promise<string> => {
    const response = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': client, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'glm-4.6', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }], ...body }),
    })
    await response.text()
    return response.headers.get('x-request-id') ?? ''
  }
  const detail = async (id: string): Promise<RequestDetail> => {
    const response = await call('GET', `/admin/api/requests/${id}`)
    const read: unknown = await response.json()
    expect([...Value.Errors(RequestDetail, read)]).toEqual([])
    return Value.Decode(RequestDetail, read)
  }
  const over = async (id: string) => {
    await until(() => records.some((record) => record.id === id), 'the end of the request')
    return detail(id)
  }
  const hold = () => {
    isHolding = true
  }
  return { ...{ gateway, capture, call, ask, detail, over, hold }, held: () => held.size }
}

async function errorOf(response: Response): Promise<unknown> {
  const body: unknown = await response.json()
  const error: unknown = Reflect.get(Object(body), 'error')
  return { status: response.status, code: Reflect.get(Object(error), 'code') }
}

describe('a request', () => {
  test('is told with its time, its attempts and its route', async () => {
    const { ask, over } = setUp()
    const id = await ask({ model: 'claude-opus-4-8', stream: true }, { 'x-claude-code-session-id': 'one' })
    expect(await over(id)).toMatchObject({
      ...{ id, session: 'one', asked: 'claude-opus-4-8', model: 'GLM-4.5', upstream: 'demo', state: 'done' },
      ...{ status: 200, stop_reason: 'stop', stream: true, route: '/v1/messages' },
      key: { label: 'AUTH_TOKEN' },
      timeline: ['read', 'count', 'headers', 'first', 'text', 'close'].map((kind) => ({ kind })),
      attempts: [{ n: 1, upstream: 'demo', status: 200 }],
      routing: [{ by: 'PRIMARY_MODEL' }, { from: 'GLM-4.5', to: 'demo', by: 'UPSTREAMS order' }],
      bodies: {
        'client-request': { truncated: false, chunks: 1 },
        'upstream-request': { chunks: 1 },
        'upstream-reply': { truncated: false },
        'client-reply': { truncated: false },
      },
    })
  })

  test('that is over took as long whenever it is asked for', async () => {
    const { ask, over } = setUp()
    const id = await ask({})
    const first = await over(id)
    const asked = performance.now()
    await until(() => performance.now() > asked + 5, 'some milliseconds')
    expect(await over(id)).toEqual(first)
    expect(first.total_ms).toBeNumber()
  })

  test('that nobody knows is not found', async () => {
    const { call } = setUp()
    expect(await errorOf(await call('GET', '/admin/api/requests/req_nothing'))).toEqual({
      ...{ status: 404, code: 'request_not_found' },
    })
  })

  test('that is not recent is told as it was stored, without secrets', async () => {
    const stored = {
      ...{ id: 'req_old', at: 1, key: { id: 'master', label: 'AUTH_TOKEN' }, route: '/v1/messages' },
      ...{ state: 'done' as const, stream: true, notes: [`about ${secret}`], ignored: [] },
      ...{
        timeline: [{ kind: 'read' as const, from_ms: 0, to_ms: 2 }],
        attempts: [],
        routing: [],
        previous: 'req_older',
      },
    }
    const gateway = startGateway([], {
      secrets: [secret],
      storedRequest: async (id) => (id === 'req_old' ? stored : undefined),
    })
    cleanups.push(() => gateway.stop())
    const told: unknown = await (await fetch(`${gateway.url}/admin/api/requests/req_old`)).json()
    expect([...Value.Errors(RequestDetail, told)]).toEqual([])
    const bodies = { not_captured: expect.stringContaining('CAPTURE is metadata') }
    expect(told).toEqual({ ...stored, notes: ['about [redacted]'], bodies })
    expect((await fetch(`${gateway.url}/admin/api/requests/req_none`)).status).toBe(404)
  })

  test('is for the operator alone', async () => {
    const { ask, call } = setUp()
    const id = await ask({})
    for (const [method, path] of [
      ['GET', `/admin/api/requests/${id}`],
      ['GET', `/admin/api/requests/${id}/bodies/client-request`],
      ['GET', `/admin/api/requests/${id}/export`],
      ['POST', `/admin/api/requests/${id}/replay`],
      ['POST', '/admin/api/capture'],
    ] as const)
      expect((await call(method, path, method === 'POST' ? { mode: 'memory' } : undefined, client)).status).toBe(401)
  })
})

describe('a captured body', () => {
  test('is what was said', async () => {
    const { ask, call } = setUp()
    const id = await ask({ messages: [{ role: 'user', content: 'Say hello' }] })
    const response = await call('GET', `/admin/api/requests/${id}/bodies/client-request`)
    const body: unknown = await response.json()
    expect([...Value.Errors(CapturedBody, body)]).toEqual([])
    expect(body).toMatchObject({ method: 'POST', chunks: [{ text: expect.stringContaining('Say hello') }] })
    const last = await call('GET', `/admin/api/requests/${id}/bodies/upstream-reply`)
    expect(await (await call('GET', `/admin/api/requests/${id}/bodies/upstream-reply?attempt=1`)).text()).toBe(
      await last.text(),
    )
  })

  test.each([
    ['of another name', '/bodies/client-thoughts', 'request_not_found'],
    ['of an attempt that was not made', '/bodies/upstream-reply?attempt=9', 'not_captured'],
  ])('%s is not found', async (_name, path, code) => {
    const { ask, call } = setUp()
    const id = await ask({})
    expect(await errorOf(await call('GET', `/admin/api/requests/${id}${path}`))).toEqual({ status: 404, code })
  })

  test('that was not kept says why', async () => {
    const { ask, call, detail } = setUp('metadata')
    const id = await ask({})
    const response = await call('GET', `/admin/api/requests/${id}/bodies/client-request`)
    expect(response.status).toBe(404)
    expect(await response.text()).toContain('CAPTURE is metadata')
    expect((await detail(id)).bodies).toEqual({ not_captured: expect.stringContaining('CAPTURE is metadata') })
  })
})

describe('a replay', () => {
  const replay = async ({ call }: ReturnType<typeof setUp>, id: string, target: object): Promise<string> => {
    const response = await call('POST', `/admin/api/requests/${id}/replay`, target)
    const body: unknown = await response.json()
    expect(response.status).toBe(200)
    return String(Reflect.get(Object(body), 'id'))
  }

  test.each<[string, object, object]>([
    ['as it was', {}, { asked: 'glm-4.6', model: 'GLM-4.6', upstream: 'demo' }],
    ['on another model', { model: 'glm-4.5-air' }, { asked: 'glm-4.5-air', model: 'GLM-4.5-Air', upstream: 'demo' }],
    ['on another upstream', { upstream: 'other' }, { model: 'GLM-4.6', upstream: 'other' }],
    ['on both', { model: 'glm-4.5', upstream: 'other' }, { model: 'GLM-4.5', upstream: 'other' }],
  ])('goes out %s, as a request of the operator', async (_name, target, expected) => {
    const gateway = setUp()
    const id = await gateway.ask({ stream: true, messages: [{ role: 'user', content: 'Again, please' }] })
    const again = await replay(gateway, id, target)
    expect(again).not.toBe(id)
    expect(await gateway.over(again)).toMatchObject({
      ...{ ...expected, status: 200, stream: true, notes: [`replay of ${id}`], key: { label: 'ADMIN_TOKEN' } },
    })
    const body = await gateway.call('GET', `/admin/api/requests/${again}/bodies/client-request`)
    expect(await body.text()).toContain('Again, please')
    const reply = await gateway.call('GET', `/admin/api/requests/${again}/bodies/client-reply`)
    expect(await reply.text()).toContain('message_stop')
  })

  test('sends what the client sent, although a captured body of it shows no secret', async () => {
    const gateway = setUp()
    const id = await gateway.ask({ messages: [{ role: 'user', content: `The key is ${secret}` }] })
    const again = await replay(gateway, id, {})
    await gateway.over(again)
    const original = await gateway.capture.original(again)
    expect(original?.body).toContain(secret)
    const body = await gateway.call('GET', `/admin/api/requests/${again}/bodies/client-request`)
    expect(await body.text()).not.toContain(secret)
  })

  test.each([true, false])('is ended by its operator before it is over, streamed: %p', async (stream) => {
    const gateway = setUp()
    const id = await gateway.ask({ stream, messages: [{ role: 'user', content: 'Hi' }] })
    gateway.hold()
    const again = await replay(gateway, id, {})
    const cancel = () => gateway.call('POST', `/admin/api/requests/${again}/cancel`)
    await until(() => gateway.held() === 1, 'the upstream to be asked')
    expect((await cancel()).status).toBe(204)
    expect(await gateway.over(again)).toMatchObject({ error: { code: 'ended_by_operator' }, state: 'done' })
    await until(() => gateway.held() === 0, 'the call of the upstream to be given up')
    expect(await errorOf(await cancel())).toEqual({ status: 404, code: 'request_not_found' })
  })

  test('fails as any request, and its row says so', async () => {
    const gateway = setUp()
    const id = await gateway.ask({})
    const again = await replay(gateway, id, { model: 'no-such-model' })
    expect(await gateway.over(again)).toMatchObject({ status: 404, error: { code: 'model_not_found' } })
  })

  test.each<[string, CaptureMode, number, string]>([
    ['was not kept', 'metadata', 1_000_000, 'CAPTURE is metadata'],
    ['was not kept whole', 'memory', 10_000, 'too long'],
  ])('of a request that %s is refused with a sentence', async (_name, mode, maxBytes, words) => {
    const { ask, call } = setUp(mode, maxBytes)
    const id = await ask({ messages: [{ role: 'user', content: 'long '.repeat(1_000) }] })
    const response = await call('POST', `/admin/api/requests/${id}/replay`, {})
    expect(response.status).toBe(409)
    const text = await response.text()
    expect(text).toContain(words)
    expect(text).toContain('not_captured')
  })
})

describe('an export', () => {
  test('is one page that runs and loads nothing, with all messages in it', async () => {
    const { ask, call } = setUp()
    const id = await ask({
      stream: true,
      messages: [{ role: 'user', content: `<script>alert(1)</script> & ${secret}` }],
    })
    const response = await call('GET', `/admin/api/requests/${id}/export`)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${id}.html"`)
    const page = await response.text()
    expect(page).toContain("default-src 'none'")
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; &amp; [redacted]')
    const elements = new Set<string>()
    const loads: string[] = []
    await new HTMLRewriter()
      .on('*', {
        element(element) {
          elements.add(element.tagName)
          for (const [name] of element.attributes) if (/^(?:src|href|on\w+|srcset)$/.test(name)) loads.push(name)
        },
      })
      .transform(new Response(page))
      .text()
    expect([...elements]).not.toContain('script')
    expect(loads).toEqual([])
    for (const title of ['Client asked', 'We sent, attempt 1', 'The upstream answered, attempt 1', 'Client got'])
      expect(page).toContain(title)
  })

  test('without messages says why there are none', async () => {
    const { ask, call } = setUp('metadata')
    const id = await ask({})
    expect(await (await call('GET', `/admin/api/requests/${id}/export`)).text()).toContain('CAPTURE is metadata')
  })
})

test('turns of a session know each other, and where the second stops to be the first', async () => {
  const { ask, over } = setUp()
  const session = { 'x-claude-code-session-id': 'one' }
  const turn = (content: string, more: object[] = [], cached = false) => ({
    messages: [
      {
        role: 'user',
        content: [{ type: 'text', text: content, ...(cached ? { cache_control: { type: 'ephemeral' } } : {}) }],
      },
      ...more,
    ],
  })
  const more = [
    { role: 'assistant', content: 'Yes.' },
    { role: 'user', content: 'And?' },
  ]
  const first = await ask(turn('Hello', [], true), session)
  await over(first)
  await over(await ask(turn('I am another agent'), { ...session, 'x-claude-code-agent-id': 'explore-1' }))
  await over(await ask(turn('I am another session'), { 'x-claude-code-session-id': 'two' }))
  const second = await ask(turn('Hello', more), session)
  await over(second)
  const third = await ask(turn('Hello!', more), session)
  await over(third)
  expect(await over(first)).toMatchObject({ next: second })
  expect(await over(second)).toMatchObject({
    ...{ previous: first, next: third, first_difference: { index: 1, of: 3, role: 'assistant' } },
  })
  expect(await over(third)).toMatchObject({ previous: second, first_difference: { index: 0, of: 3, role: 'user' } })
})

describe('what is kept', () => {
  test('changes for some minutes', async () => {
    const { call, capture } = setUp('metadata')
    const response = await call('POST', '/admin/api/capture', { mode: 'memory', minutes: 10 })
    const state: unknown = await response.json()
    expect([...Value.Errors(Capture, state)]).toEqual([])
    expect(state).toMatchObject({ mode: 'memory', configured: 'metadata' })
    expect(capture.mode()).toBe('memory')
    const now: unknown = await (await call('GET', '/admin/api/now')).json()
    expect(Reflect.get(Object(now), 'capture')).toEqual(state)
    capture.set('metadata')
  })

  test('is told to every page that is open when it changes', async () => {
    const { call } = setUp('metadata')
    const { body } = await call('GET', '/admin/api/events')
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
    let said = ''
    const readTo = async (text: string) => {
      while (!said.includes(text)) said += (await reader?.read())?.value ?? ''
    }
    await readTo('event: state')
    await call('POST', '/admin/api/capture', { mode: 'off' })
    await readTo('event: capture')
    await readTo('"mode":"off"')
    await reader?.cancel()
  })

  test.each([{ mode: 'everything' }, { mode: 'memory', minutes: 0 }, { mode: 'memory', minutes: 100_000 }, {}])(
    'refuses %p',
    async (body) => {
      const { call } = setUp('metadata')
      expect((await call('POST', '/admin/api/capture', body)).status).toBe(400)
    },
  )

  test('with CAPTURE=off a request is not remembered', async () => {
    const { ask, call } = setUp('off')
    const id = await ask({})
    expect((await call('GET', `/admin/api/requests/${id}`)).status).toBe(404)
  })
})

test('secrets in names stand in no row and in no export', async () => {
  const { ask, call, over } = setUp()
  const id = await ask(
    { stream: true, model: `glm-${secret}`, tools: [{ name: 'Say', input_schema: { type: 'object' } }] },
    { 'x-claude-code-session-id': `s-${secret}`, 'x-claude-code-agent-id': `a-${secret}`, 'user-agent': secret },
  )
  const said = JSON.stringify(await over(id)) + (await (await call('GET', `/admin/api/requests/${id}/export`)).text())
  expect(said).toContain('[redacted]')
  for (const part of [secret.slice(0, 16), secret.slice(-16)]) expect(said).not.toContain(part)
})
