import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { createTracer } from '../../src/observe/trace.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { startGateway, until } from '../support/gateway.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'

function setUp(answer: () => Promise<Response> = async () => new Response('{}')) {
  const clock = manualClock()
  const sent: { url: string; headers: Headers; spans: Record<string, unknown>[] }[] = []
  const warnings: string[] = []
  const tracer = createTracer({
    endpoint: 'http://collector.example:4318/',
    headers: ['x-key=a%20b'],
    version: '1.2.3',
    async fetch(url, { headers, body }) {
      const [{ scopeSpans }] = JSON.parse(String(body)).resourceSpans
      sent.push({ url, headers: new Headers(headers), spans: scopeSpans[0].spans })
      return answer()
    },
    clock,
    random: (bytes) => bytes.fill(7),
    warn: (message, facts) => void warnings.push(`${message} ${JSON.stringify(facts)}`),
  })
  const over = (facts: Partial<RequestRecord> = {}): RequestRecord => ({
    ...openRecord('req_1', 'POST', '/v1/messages', clock),
    dialect: 'anthropic-messages',
    status: 200,
    ...facts,
  })
  return { clock, sent, warnings, tracer, over }
}

describe('a span', () => {
  test('names the upstream, the times and the tokens', async () => {
    const { clock, sent, tracer, over } = setUp()
    const startedAt = clock.now()
    const caller = { keyId: 'k1', label: 'ann', scope: [], policy: {} }
    const facts = { caller, model: 'GLM-4.5', upstream: 'demo', stream: true, firstTokenMs: 40 }
    const record = over({ ...facts, usage: { inputTokens: 5, outputTokens: 6 } })
    clock.advance(100)
    tracer.trace(record)
    await tracer.flush()
    expect(sent[0]?.url).toBe('http://collector.example:4318/v1/traces')
    expect(sent[0]?.headers.get('x-key')).toBe('a b')
    const text = (key: string, stringValue: string) => ({ key, value: { stringValue } })
    const whole = (key: string, number: number) => ({ key, value: { intValue: String(number) } })
    expect(sent[0]?.spans).toEqual([
      {
        traceId: '07'.repeat(16),
        spanId: '07'.repeat(8),
        name: 'POST /v1/messages',
        kind: 2,
        startTimeUnixNano: `${startedAt}000000`,
        endTimeUnixNano: `${startedAt + 100}000000`,
        attributes: [
          text('http.request.method', 'POST'),
          text('url.path', '/v1/messages'),
          whole('http.response.status_code', 200),
          text('gen_ai.provider.name', 'demo'),
          text('gen_ai.request.model', 'GLM-4.5'),
          whole('gen_ai.usage.input_tokens', 5),
          whole('gen_ai.usage.output_tokens', 6),
          text('zai2api.caller', 'ann'),
          text('zai2api.dialect', 'anthropic-messages'),
          text('zai2api.request_id', 'req_1'),
          { key: 'zai2api.stream', value: { boolValue: true } },
          whole('zai2api.first_token_ms', 40),
        ],
        status: {},
      },
    ])
  })

  test('of a failure has the code of the error, and not its message', async () => {
    const { sent, tracer, over } = setUp()
    tracer.trace(over({ status: 502, error: new GatewayError('upstream-truncated', 'a private detail') }))
    await tracer.flush()
    expect(sent[0]?.spans[0]).toMatchObject({ status: { code: 2 } })
    expect(JSON.stringify(sent)).toContain('upstream_truncated')
    expect(JSON.stringify(sent)).not.toContain('a private detail')
  })

  test.each([
    ['belongs to the trace of the client', `00-${traceId}-${parentId}-01`, [[traceId, parentId]]],
    ['is left out where the client samples it away', `00-${traceId}-${parentId}-00`, []],
    ['begins a trace where the client’s is broken', `00-${traceId}-nonsense-01`, [['07'.repeat(16), undefined]]],
    [
      'begins a trace where the client’s is all zeros',
      `00-${'0'.repeat(32)}-${parentId}-01`,
      [['07'.repeat(16), undefined]],
    ],
    ['begins a trace without one', undefined, [['07'.repeat(16), undefined]]],
  ])('%s', async (_name, traceparent, expected) => {
    const { sent, tracer, over } = setUp()
    tracer.trace(over(traceparent === undefined ? {} : { traceparent }))
    await tracer.flush()
    expect(sent.flatMap(({ spans }) => spans.map((span) => [span.traceId, span.parentSpanId]))).toEqual(expected)
  })
})

describe('the buffer', () => {
  test('is sent after five seconds, or once it holds a batch', async () => {
    const { clock, sent, tracer, over } = setUp()
    tracer.trace(over())
    clock.advance(4_999)
    expect(sent).toHaveLength(0)
    clock.advance(1)
    await tracer.flush()
    expect(sent.map(({ spans }) => spans.length)).toEqual([1])
    for (let at = 0; at < 512; at++) tracer.trace(over())
    await new Promise((resolve) => setImmediate(resolve))
    expect(sent.map(({ spans }) => spans.length)).toEqual([1, 512])
  })

  test('is bounded while the collector hangs, and the log counts what was lost', async () => {
    const waiting: (() => void)[] = []
    const { sent, warnings, tracer, over } = setUp(
      () => new Promise((resolve) => waiting.push(() => resolve(new Response(null, { status: 503 })))),
    )
    for (let at = 0; at < 10_000; at++) tracer.trace(over())
    const flushed = tracer.flush()
    for (let batch = 1; batch <= 4; batch++) {
      await until(() => waiting.length === batch, 'the next batch')
      waiting[batch - 1]?.()
    }
    await flushed
    expect(sent.map(({ spans }) => spans.length)).toEqual([512, 512, 512, 512])
    expect(warnings).toEqual(['traces are lost: the collector does not take them {"reason":"HTTP 503"}'])
  })

  test.each([
    ['a name', Object.assign(new Error('no'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    ['no time left', new DOMException('The operation timed out.', 'TimeoutError'), 'no answer within 10 s'],
    ['neither', new Error('no'), 'failed'],
  ])('logs the reason of a loss if the error has %s', async (_name, error, reason) => {
    const { warnings, tracer, over } = setUp(() => Promise.reject(error))
    tracer.trace(over())
    await tracer.flush()
    expect(warnings).toEqual([`traces are lost: the collector does not take them {"reason":"${reason}"}`])
  })

  test('recovers, and logs it', async () => {
    let up = false
    const { warnings, tracer, over } = setUp(async () => {
      if (!up) throw Object.assign(new Error('no'), { code: 'ConnectionRefused' })
      return new Response('{}')
    })
    tracer.trace(over())
    await tracer.flush()
    up = true
    tracer.trace(over())
    await tracer.flush()
    expect(warnings).toEqual([
      'traces are lost: the collector does not take them {"reason":"ConnectionRefused"}',
      'traces are sent again {"lost":1}',
    ])
  })
})

test('a request through the gateway becomes one span without its content', async () => {
  const bodies: string[] = []
  const collector = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      bodies.push(await request.text())
      return Response.json({})
    },
  })
  const tracer = createTracer({
    endpoint: `http://127.0.0.1:${collector.port}`,
    headers: [],
    version: 'test',
    fetch,
    clock: systemClock,
    random: (bytes) => crypto.getRandomValues(bytes),
    warn: () => {},
  })
  const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const gateway = startGateway([upstream], { trace: tracer.trace })
  const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'planted words' }] }),
    headers: { traceparent: `00-${traceId}-${parentId}-01` },
  })
  await reply.text()
  await (await fetch(`${gateway.url}/healthz`)).text()
  await tracer.flush()
  await gateway.stop()
  await collector.stop(true)
  expect(bodies).toHaveLength(1)
  expect(bodies[0]).toContain(`"traceId":"${traceId}"`)
  expect(bodies[0]).toContain(`"parentSpanId":"${parentId}"`)
  expect(bodies[0]?.match(/"spanId"/g)).toHaveLength(1)
  expect(bodies[0]).not.toContain('planted')
})
