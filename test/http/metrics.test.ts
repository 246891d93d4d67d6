import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { listenForMetrics } from '../../src/server/listen.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'
import { type GatewaySettings, type RunningGateway, startGateway, until } from '../support/gateway.ts'

const running: { stop(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const thing of running.splice(0)) await thing.stop()
})

function gatewayOf(settings: GatewaySettings = {}): RunningGateway {
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const gateway = startGateway([{ ...upstream, gauges: () => ({ queued: 3 }) }], settings)
  running.push(gateway)
  return gateway
}

async function ask(gateway: RunningGateway, content: string, body: object = {}): Promise<string> {
  const init = { model: 'GLM-4.5', messages: [{ role: 'user', content }], ...body }
  const reply = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(init) })
  return reply.text()
}

/** Every sample of the page by its name and labels. */
function samplesOf(page: string): Map<string, number> {
  const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

async function scrape(gateway: RunningGateway): Promise<Map<string, number>> {
  return samplesOf(await (await fetch(`${gateway.url}/metrics`)).text())
}

test('GET /metrics tells what happened, in Prometheus’ format', async () => {
  const gateway = gatewayOf()
  await ask(gateway, 'Hi')
  await ask(gateway, 'Hi', { stream: true })
  await ask(gateway, '[429]')
  await ask(gateway, 'Hi', { model: 'a-name-of-the-client' })
  const page = await fetch(`${gateway.url}/metrics`)
  expect(page.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await page.text()
  expect(text).not.toContain('a-name-of-the-client')
  for (const line of text.split('\n').filter((line) => line !== ''))
    expect(line).toMatch(/^(?:# (?:HELP|TYPE) \w+ .+|[a-z]\w*(?:\{[^}]*\})? (?:[\d.e+-]+))$/)

  const samples = samplesOf(text)
  const label = (rest: string) => `{dialect="openai-chat",${rest}}`
  expect(samples.get(`zai2api_requests_total${label('model="GLM-4.5",upstream="demo",status="2xx"')}`)).toBe(2)
  expect(samples.get(`zai2api_requests_total${label('model="GLM-4.5",upstream="demo",status="4xx"')}`)).toBe(1)
  expect(samples.get(`zai2api_requests_total${label('model="other",upstream="none",status="4xx"')}`)).toBe(1)
  expect(samples.get('zai2api_errors_total{kind="rate-limited"}')).toBe(1)
  expect(samples.get('zai2api_errors_total{kind="not-found"}')).toBe(1)
  expect(samples.get('zai2api_tokens_total{model="GLM-4.5",type="output"}')).toBeGreaterThan(0)
  expect(samples.get('zai2api_first_token_seconds_count{upstream="demo",model="GLM-4.5"}')).toBe(2)
  expect(samples.get('zai2api_inter_event_seconds_count{upstream="demo"}')).toBeGreaterThan(0)
  expect(samples.get('zai2api_upstream{upstream="demo",measure="queued"}')).toBe(3)
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1_000_000)
  expect(samples.get('process_cpu_seconds_total')).toBeGreaterThan(0)
  for (const value of samples.values()) expect(value).not.toBeNaN()
})

test('streams under way are counted while they are', async () => {
  const gateway = gatewayOf()
  const client = new AbortController()
  const body = JSON.stringify({ model: 'GLM-4.5', stream: true, messages: [{ role: 'user', content: '[stall] Go' }] })
  const streams = [1, 2].map(() =>
    fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body, signal: client.signal }),
  )
  await Promise.all(streams)
  const during = await scrape(gateway)
  expect([during.get('zai2api_active_streams'), during.get('zai2api_active_requests')]).toEqual([2, 2])
  client.abort()
  await until(() => gateway.lines.filter((line) => line.includes('"cancelled"')).length === 2, 'both to end')
  const after = await scrape(gateway)
  expect([after.get('zai2api_active_streams'), after.get('zai2api_active_requests')]).toEqual([0, 0])
  expect(after.get('zai2api_errors_total{kind="cancelled"}')).toBe(2)
})

describe('who may see it:', () => {
  test('who has the key, where there is one', async () => {
    const gateway = gatewayOf({ access: { openaiKey: 'sk-one', anthropicKey: 'sk-one' } })
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(401)
    const keyed = await fetch(`${gateway.url}/metrics`, { headers: { authorization: 'Bearer sk-one' } })
    expect(keyed.status).toBe(200)
  })

  test('whoever is on this machine, on a port of its own', async () => {
    const metrics = createMetrics({ running: () => new Set(), gauges: () => ({}), version: 'test' })
    const listening = listenForMetrics(metrics, 0)
    running.push(listening)
    expect(await (await fetch(listening.url)).text()).toContain('zai2api_build_info{version="test"} 1')
    expect((await fetch(new URL('/v1/models', listening.url))).status).toBe(404)
    const rebound = await fetch(listening.url, { headers: { host: 'rebound.example' } })
    expect(rebound.status).toBe(403)
  })
})

describe('labels', () => {
  const clock = manualClock()
  const closed = (facts: Partial<RequestRecord>): RequestRecord => ({
    ...openRecord('req', 'POST', '/x', clock),
    dialect: 'openai-chat',
    status: 200,
    ...facts,
  })

  test('have a bounded number of values, whatever models come by', async () => {
    const metrics = createMetrics({ running: () => new Set(), gauges: () => ({}), version: 'test' })
    for (let at = 0; at < 500; at++) metrics.closed(closed({ upstream: 'demo', model: `model-${at}` }), 0)
    const page = await metrics.text()
    expect(page.match(/^zai2api_requests_total/gm)).toHaveLength(101)
    expect(page).toContain('model="other",upstream="demo",status="2xx"} 400')
  })

  test('are no names that an upstream does not know', async () => {
    const metrics = createMetrics({ running: () => new Set(), gauges: () => ({}), version: 'test' })
    metrics.closed(closed({ upstream: 'zai-api', model: 'made-up', status: 404 }), 0)
    metrics.closed(closed({ upstream: 'zai-api', model: 'new' }), 0)
    metrics.closed(closed({ upstream: 'zai-api', model: 'new', status: 404 }), 0)
    const told = [...(await metrics.text()).matchAll(/^zai2api_requests_total.*model="([^"]+)".*status="([^"]+)"/gm)]
    expect(told.map(([, model, status]) => `${model} ${status}`)).toEqual(['other 4xx', 'new 2xx', 'new 4xx'])
  })

  test('cost little: an event under 5 µs, one in a hundred of what relaying it costs', () => {
    const metrics = createMetrics({ running: () => new Set(), gauges: () => ({}), version: 'test' })
    const observeGap = metrics.gapObserverOf(closed({ upstream: 'demo' }))
    for (let at = 0; at < 10_000; at++) observeGap(at % 50)
    const startedAt = cpuTimeMs()
    for (let at = 0; at < 100_000; at++) observeGap(at % 50)
    expect((cpuTimeMs() - startedAt) / 100_000).toBeLessThan(0.005)
  })
})
