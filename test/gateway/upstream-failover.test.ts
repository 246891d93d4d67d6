import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { type ErrorKind, GatewayError } from '../../src/core/errors.ts'
import type { Upstream, UpstreamCall } from '../../src/core/upstream.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { type RunningGateway, startGateway, until } from '../support/gateway.ts'

const running: RunningGateway[] = []
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop()
})

type Behaviour = 'answers' | ErrorKind | ((call: UpstreamCall) => Promise<never>)

/** An upstream whose behaviour can be changed, with the number of its calls. */
function scripted(id: string, behaviour: Behaviour) {
  const working = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const state = { behaviour, asked: 0 }
  const upstream: Upstream = {
    ...working,
    id,
    open(call) {
      state.asked++
      if (state.behaviour === 'answers') return working.open(call)
      if (typeof state.behaviour === 'function') return state.behaviour(call)
      return Promise.reject(new GatewayError(state.behaviour, `${id} fails`))
    },
  }
  return { upstream, state }
}

function setUp(first: Behaviour, second: Behaviour = 'answers') {
  const clock = manualClock()
  const [one, two] = [scripted('first', first), scripted('second', second)]
  const gateway = startGateway([one.upstream, two.upstream], { clock })
  running.push(gateway)
  return { clock, gateway, one: one.state, two: two.state }
}

/** The id of the upstream that answers, or the status. */
async function ask(gateway: RunningGateway, init: RequestInit = {}): Promise<string> {
  const body = JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hello' }] })
  const reply = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body, ...init })
  await reply.text()
  return reply.ok ? (reply.headers.get('x-zai2api-upstream') ?? '') : String(reply.status)
}

const changes = ({ lines }: RunningGateway) => lines.flatMap((line) => /^\w+ is \w+/.exec(line)?.[0] ?? [])

/** A pending reply, settled by the test. */
function pending() {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  return { behaviour: () => promise, fail: (kind: ErrorKind) => reject(new GatewayError(kind, 'late')) }
}

describe.each<[ErrorKind]>([['timeout'], ['upstream-unavailable']])('an upstream that fails by %s', (kind) => {
  test('rests: the next requests go to the other one at once, and the log has one line', async () => {
    const { gateway, one } = setUp(kind)
    const served = [await ask(gateway), await ask(gateway), await ask(gateway)]
    expect(served).toEqual(['second', 'second', 'second'])
    expect(one.asked).toBe(1)
    expect(changes(gateway)).toEqual(['first is down'])
    expect(gateway.lines.at(-1)).toContain('first: resting; asking second')
  })

  test('is probed by one request after its rest, which the other one answers if the probe fails', async () => {
    const { clock, gateway, one } = setUp(kind)
    await ask(gateway)
    clock.advance(14_999)
    await ask(gateway)
    expect(one.asked).toBe(1)
    clock.advance(1)
    const { behaviour, fail } = pending()
    one.behaviour = behaviour
    const probe = ask(gateway)
    await until(() => one.asked === 2, 'the probe')
    expect([await ask(gateway), await ask(gateway)]).toEqual(['second', 'second'])
    expect(one.asked).toBe(2)
    fail(kind)
    expect(await probe).toBe('second')
    expect(changes(gateway)).toEqual(['first is down'])
  })

  test('rests twice as long after each probe that fails, five minutes at most', async () => {
    const { clock, gateway, one } = setUp(kind)
    await ask(gateway)
    for (const [index, seconds] of [15, 30, 60, 120, 240, 300, 300].entries()) {
      clock.advance(seconds * 1_000 - 1)
      await ask(gateway)
      expect(one.asked).toBe(index + 1)
      clock.advance(1)
      expect(await ask(gateway)).toBe('second')
      expect(one.asked).toBe(index + 2)
    }
  })

  test('is used again after its first answer, and the log has one line', async () => {
    const { clock, gateway, one } = setUp(kind)
    await ask(gateway)
    clock.advance(15_000)
    one.behaviour = 'answers'
    expect([await ask(gateway), await ask(gateway)]).toEqual(['first', 'first'])
    expect(changes(gateway)).toEqual(['first is down', 'first is up'])
    // The next outage begins with a short rest again.
    one.behaviour = kind
    await ask(gateway)
    clock.advance(15_000)
    await ask(gateway)
    expect(one.asked).toBe(5)
  })
})

test.each<[ErrorKind]>([
  ['invalid-request'],
  ['not-found'],
  ['context-overflow'],
  ['content-filtered'],
  ['rate-limited'],
  ['quota-exhausted'],
  ['upstream-auth'],
  ['overloaded'],
])('%s is neither an outage nor the end of one', async (kind) => {
  const { clock, gateway, one } = setUp(kind)
  await ask(gateway)
  await ask(gateway)
  expect(one.asked).toBe(2)
  one.behaviour = 'timeout'
  await ask(gateway)
  clock.advance(15_000)
  one.behaviour = kind
  await ask(gateway)
  expect(changes(gateway)).toEqual(['first is down'])
  // The next request probes.
  one.behaviour = 'answers'
  expect(await ask(gateway)).toBe('first')
})

test('a probe whose client disconnects has no result: the next request probes', async () => {
  const { clock, gateway, one } = setUp('timeout')
  await ask(gateway)
  clock.advance(15_000)
  one.behaviour = ({ signal }) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(new GatewayError('cancelled', 'left'))),
    )
  const leaving = new AbortController()
  const probe = ask(gateway, { signal: leaving.signal }).catch(() => 'left')
  await until(() => one.asked === 2, 'the probe')
  leaving.abort()
  expect(await probe).toBe('left')
  await until(() => gateway.pendingRequests() === 0, 'the end of the probe')
  expect(changes(gateway)).toEqual(['first is down'])
  one.behaviour = 'answers'
  expect(await ask(gateway)).toBe('first')
})

test('a probe whose body the gateway refuses has no result: the next request probes', async () => {
  const { clock, gateway, one } = setUp('timeout')
  await ask(gateway)
  clock.advance(15_000)
  const content = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,????' } }]
  const body = JSON.stringify({ model: 'GLM-4.5V', messages: [{ role: 'user', content }] })
  expect(await ask(gateway, { body })).toBe('400')
  one.behaviour = 'answers'
  expect(await ask(gateway)).toBe('first')
})

test('requests that fail together are one failure, and do not count if one was answered meanwhile', async () => {
  const { clock, gateway, one } = setUp('answers')
  const { behaviour, fail } = pending()
  one.behaviour = behaviour
  const slow = [ask(gateway), ask(gateway)]
  await until(() => one.asked === 2, 'both')
  clock.advance(1_000)
  one.behaviour = 'answers'
  expect(await ask(gateway)).toBe('first')
  fail('timeout')
  expect(await Promise.all(slow)).toEqual(['second', 'second'])
  expect(changes(gateway)).toEqual([])
  const later = pending()
  one.behaviour = later.behaviour
  clock.advance(1_000)
  const together = [ask(gateway), ask(gateway), ask(gateway)]
  await until(() => one.asked === 6, 'all three')
  later.fail('timeout')
  await Promise.all(together)
  clock.advance(15_000)
  one.behaviour = 'answers'
  expect(await ask(gateway)).toBe('first')
})

describe('no request is refused without an attempt', () => {
  test('with one upstream', async () => {
    const clock = manualClock()
    const only = scripted('only', 'timeout')
    const gateway = startGateway([only.upstream], { clock })
    running.push(gateway)
    expect([await ask(gateway), await ask(gateway)]).toEqual(['504', '504'])
    only.state.behaviour = 'answers'
    expect(await ask(gateway)).toBe('only')
    expect(only.state.asked).toBe(3)
    expect(changes(gateway)).toEqual(['only is down', 'only is up'])
  })

  test('if all upstreams rest', async () => {
    const { gateway, one, two } = setUp('timeout', 'upstream-unavailable')
    expect(await ask(gateway)).toBe('504')
    expect(await ask(gateway)).toBe('504')
    expect([one.asked, two.asked]).toEqual([2, 2])
    two.behaviour = 'answers'
    expect(await ask(gateway)).toBe('second')
  })

  test('if the only one that does not rest fails for another reason', async () => {
    const { gateway, one, two } = setUp('timeout')
    await ask(gateway)
    two.behaviour = 'quota-exhausted'
    one.behaviour = 'answers'
    expect(await ask(gateway)).toBe('first')
  })
})

test('what rests is told by /readyz and the metrics, and one that hangs holds up neither', async () => {
  const { gateway, one } = setUp('timeout')
  const page = async (path: string) => (await fetch(gateway.url + path)).text()
  expect(await page('/readyz')).toBe('{"status":"ready"}')
  expect(await page('/metrics')).toContain('zai2api_upstream{upstream="first",measure="resting"} 0')
  await ask(gateway)
  expect(await page('/readyz')).toBe('{"status":"ready","resting":["first"]}')
  const metrics = await page('/metrics')
  expect(metrics).toContain('zai2api_upstream{upstream="first",measure="resting"} 1')
  expect(metrics).toContain('zai2api_upstream{upstream="second",measure="resting"} 0')
  expect(one.asked).toBe(1)
})

test('a check that hangs does not keep the gateway from being ready', async () => {
  const hanging: Upstream = { ...scripted('first', 'answers').upstream, check: () => new Promise(() => {}) }
  const gateway = startGateway([hanging, scripted('second', 'answers').upstream])
  running.push(gateway)
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
})
