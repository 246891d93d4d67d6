import { afterAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import { listenForMetrics } from '../../src/server/listen.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'
import { type Asked, anthropicKey, lockedGateway, openaiKey } from '../support/locked-gateway.ts'
import { hostLine, unusableHosts, usableHosts } from '../support/request-shapes.ts'

// What the `Host` and the target of a request decide, with a key and without.

const { ask, stop } = lockedGateway()
afterAll(stop)

describe('a Host', () => {
  test.each(usableHosts)('that is usable has no say: %j', async (host) => {
    const status = async (asked: Asked) => (await ask({ ...asked, host })).status
    expect([
      await status({ method: 'GET', target: '/healthz' }),
      await status({ method: 'GET', target: '/v1/models?x=/healthz' }),
      await status({ method: 'GET', target: '/v1/models?x=/healthz', key: openaiKey }),
      await status({ method: 'POST', target: '/v1/messages?x=/', key: anthropicKey }),
      await status({ method: 'GET', target: '/nowhere', version: '1.0', key: openaiKey }),
    ]).toEqual([200, 401, 200, 200, 404])
  })

  test.each(unusableHosts)('that is not is refused, with the key and without: %j', async (host) => {
    const targets = ['/healthz', '/v1/models', '/nowhere', '/v1/messages']
    const attempts = targets.flatMap((target) => ['', openaiKey].map((key) => ({ method: 'GET', target, host, key })))
    const replies = await Promise.all(attempts.map((asked) => ask(asked)))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([400]))
  })

  test('that is missing is HTTP/1.0', async () => {
    const asked = { method: 'GET', target: '/healthz', host: '' }
    expect((await ask({ ...asked, version: '1.0' })).body).toBe('{"status":"ok"}')
    expect((await ask({ ...asked, version: '1.1' })).status).toBe(400)
  })
})

describe('a target that is no path is refused as one that leads nowhere:', () => {
  test.each([
    ['CONNECT', '127.0.0.1:443', 404],
    ['CONNECT', '[::1]:443', 404],
    ['CONNECT', 'elsewhere.example:443', 404],
    ['GET', '/v1/responses/%', 404],
    ['GET', '/v1/responses/%ff', 404],
    ['GET', '/v1/responses/resp_1%zz/input_items', 404],
    ['DELETE', '/v1/responses/%E0%A4%A', 404],
    ['POST', '/v1/responses/%/cancel', 404],
    ['GET', '/%', 404],
  ])('%s %s', async (method, target, status) => {
    const replies = await Promise.all(['', openaiKey].map((key) => ask({ method, target, key })))
    expect(replies.map((reply) => reply.status)).toEqual([401, status])
    for (const { body } of replies) expect(JSON.parse(body)).toHaveProperty('error.message')
  })
})

describe('without a key,', () => {
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const gateway = startGateway([upstream])
  const at = Number(new URL(gateway.url).port)
  afterAll(() => gateway.stop())

  test.each<[string, string, string, number]>([
    ['GET', '/healthz', hostLine('rebound.example'), 200],
    ['GET', '/healthz', hostLine(''), 200],
    ['GET', '/readyz', hostLine('abc'), 200],
    ['GET', '/v1/models', hostLine('localhost:8080'), 200],
    ['GET', '/v1/models', hostLine('[::1]:8080'), 200],
    ['GET', '/v1/models', hostLine('localhost'), 403],
    ['GET', '/metrics', hostLine('localhost'), 403],
    ['GET', '/admin/api/requests', hostLine('127.0.0.1'), 403],
    ['GET', '/v1/models?x=/healthz', hostLine('rebound.example'), 403],
    ['GET', '/healthz/../v1/models', hostLine('abc'), 403],
    ['HEAD', '/v1/models', hostLine('rebound.example'), 403],
    ['GET', '/docs', hostLine('rebound.example'), 403],
    ['GET', 'http://localhost/v1/models', hostLine('rebound.example'), 403],
    ['GET', 'http://rebound.example/v1/models', hostLine('rebound.example'), 403],
    // No page can ask so, and Bun does not tell.
    ['GET', 'http://rebound.example/v1/models', hostLine('localhost:8080'), 200],
    ['GET', '/nowhere', hostLine('rebound.example'), 403],
    ['GET', '/nowhere', hostLine('localhost:8080'), 404],
    ['POST', '/v1/messages', hostLine('localhost:8080'), 200],
    ['POST', '/v1/messages', `${hostLine('localhost')}X-Forwarded-For: 10.0.0.1\r\n`, 403],
    ['POST', '/v1/chat/completions', `${hostLine('localhost')}Forwarded: for=10.0.0.1\r\n`, 403],
    ['GET', '/metrics', `${hostLine('localhost')}Via: 1.1 proxy\r\n`, 403],
    ['GET', '/healthz', `${hostLine('localhost')}X-Real-IP: 10.0.0.1\r\n`, 403],
  ])('%s %s with %j is %i', async (method, target, host, expected) => {
    const { status, body } = await ask({ method, target, host }, at)
    expect([status, body.includes('AUTH_TOKEN')]).toEqual([expected, expected === 403 && method !== 'HEAD'])
  })
})

describe('the metrics on a port of their own', () => {
  const metrics = createMetrics({ running: () => new Set(), gauges: () => ({}), version: 'test' })
  const listening = listenForMetrics(metrics, 0)
  const metricsPort = Number(new URL(listening.url).port)
  afterAll(() => listening.stop())
  test.each<[string, string, string, number]>([
    ['/metrics', hostLine('127.0.0.1:9'), '1.1', 200],
    ['/metrics', hostLine('127.0.0.1'), '1.1', 403],
    ['/metrics?x=/', hostLine('localhost:9'), '1.1', 200],
    ['/metrics', '', '1.0', 200],
    ['//metrics', hostLine('[::1]:9'), '1.0', 200],
    ['/healthz?/metrics', '', '1.0', 404],
    ['/x#/metrics', hostLine('localhost:9'), '1.1', 404],
    ['/metrics', hostLine('rebound.example'), '1.1', 403],
    ['http://localhost/metrics', hostLine('rebound.example'), '1.1', 403],
    ['/metrics', hostLine(''), '1.1', 403],
    ['/metrics', hostLine('localhost') + hostLine('rebound.example'), '1.1', 400],
    ['/metrics', hostLine('localhost@rebound.example'), '1.1', 400],
    ['/metrics', `${hostLine('localhost')}X-Forwarded-For: 10.0.0.1\r\n`, '1.1', 403],
    ['/metrics', `${hostLine('localhost')}Origin: https://page.example\r\n`, '1.1', 403],
  ])('%s with %j over HTTP/%s: %i', async (target, host, version, expected) => {
    const { status, body } = await ask({ method: 'GET', target, host, version }, metricsPort)
    expect([status, body.includes('zai2api_build_info')]).toEqual([expected, expected === 200])
  })
})
