import { afterEach, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { type ErrorKind, GatewayError } from '../../src/core/errors.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'

const running: RunningGateway[] = []
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop()
})

/** The scripted upstream with another id. */
function candidate(id: string, more: Partial<Upstream> = {}): Upstream {
  return { ...demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }), id, ...more }
}

const failing = (id: string, kind: ErrorKind) =>
  candidate(id, { open: () => Promise.reject(new GatewayError(kind, `${id} fails`)) })

function start(upstreams: Upstream[], keepAliveMs = 10_000): RunningGateway {
  const gateway = startGateway(upstreams, { keepAliveMs })
  running.push(gateway)
  return gateway
}

async function ask(gateway: RunningGateway, body: object = {}): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hello' }], ...body }),
  })
}

const kinds: [ErrorKind, boolean][] = [
  ['quota-exhausted', true],
  ['upstream-auth', true],
  ['upstream-blocked', true],
  ['upstream-unavailable', true],
  ['overloaded', true],
  ['rate-limited', true],
  ['timeout', true],
  ['invalid-request', false],
  ['context-overflow', false],
  ['content-filtered', false],
]

test.each(kinds)('after %s another upstream is tried: %p', async (kind, steps) => {
  const gateway = start([failing('first', kind), candidate('second')])
  for (const stream of [false, true]) {
    const reply = await ask(gateway, { stream })
    expect(reply.ok).toBe(steps)
    expect(reply.headers.get('x-zai2api-upstream')).toBe(steps ? 'second' : 'first')
    await reply.text()
  }
  if (steps) expect(gateway.lines.join()).toContain('going on with second')
})

test('with one upstream its error is returned', async () => {
  expect((await ask(start([failing('only', 'quota-exhausted')]))).status).toBe(402)
})

test.each<[string, ErrorKind[], number]>([
  ['the first one', ['quota-exhausted', 'upstream-blocked'], 402],
  ['the one after which it is worth trying again', ['upstream-blocked', 'rate-limited'], 429],
])('if all fail, %s is returned', async (_name, failed, status) => {
  expect((await ask(start(failed.map((kind, index) => failing(`candidate ${index}`, kind))))).status).toBe(status)
})

test('an upstream without the model is skipped', async () => {
  const other = candidate('second', { models: async () => [] })
  const reply = await ask(start([failing('first', 'quota-exhausted'), other, candidate('third')]))
  expect(reply.headers.get('x-zai2api-upstream')).toBe('third')
})

test('a model of another name is no fallback', async () => {
  const known = await candidate('any').models()
  const other = candidate('second', { models: async () => known.filter(({ id }) => id === 'GLM-4.5') })
  const first = failing('first', 'quota-exhausted')
  const [elsewhere] = known.filter(({ id }) => !id.startsWith('GLM-4.5'))
  expect((await ask(start([first, other]), { model: elsewhere?.id })).status).toBe(402)
})

test('headers that are sent before the upstream is known do not name one', async () => {
  const late = Promise.withResolvers<never>()
  const asked = Promise.withResolvers<void>()
  const first = candidate('first', {
    open() {
      asked.resolve()
      return late.promise
    },
  })
  const gateway = start([first, candidate('second')], 20)
  const reply = await ask(gateway, { stream: true })
  expect(reply.headers.get('x-zai2api-upstream')).toBeNull()
  expect(reply.headers.get('x-request-id')).toStartWith('req_')
  await asked.promise
  late.reject(new GatewayError('overloaded', 'no room'))
  expect(await reply.text()).toContain('[DONE]')
  expect(gateway.lines.at(-1)).toContain('"upstream":"second"')
})

test('no other upstream is tried after a part of the reply has been sent', async () => {
  const gateway = start([candidate('first'), candidate('second')])
  const reply = await ask(gateway, { stream: true, messages: [{ role: 'user', content: '[cut] Hello' }] })
  expect(reply.headers.get('x-zai2api-upstream')).toBe('first')
  expect(await reply.text()).toContain('error')
  expect(gateway.lines.join()).not.toContain('going on')
})

test('no other upstream is tried after the client has disconnected', async () => {
  const asked = Promise.withResolvers<void>()
  let second = 0
  const first = candidate('first', {
    open: ({ signal }) => {
      asked.resolve()
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new GatewayError('cancelled', 'left'))),
      )
    },
  })
  const gateway = start([first, candidate('second', { open: () => Promise.reject(new Error(`${second++}`)) })])
  const leaving = new AbortController()
  const reply = fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hello' }] }),
    signal: leaving.signal,
  }).catch(() => 'left')
  await asked.promise
  leaving.abort()
  await reply
  await gateway.stop(1_000)
  expect(second).toBe(0)
})

test('ignored fields are determined once for each upstream that is tried', async () => {
  const asked: string[] = []
  const telling = (id: string) => ({
    ignored: () => {
      asked.push(id)
      return [`${id} lacks it`]
    },
  })
  const first = { ...failing('first', 'overloaded'), ...telling('first') }
  const gateway = start([first, candidate('second', telling('second')), candidate('third', telling('third'))])
  expect((await ask(gateway)).headers.get('x-zai2api-ignored')).toBe('second lacks it')
  expect(asked).toEqual(['first', 'second'])
})
