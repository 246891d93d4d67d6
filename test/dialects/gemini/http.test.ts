import { afterAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../../src/async/system-clock.ts'
import { createCapture } from '../../../src/observe/capture.ts'
import type { RequestRecord } from '../../../src/observe/record.ts'
import { demo } from '../../../src/upstreams/demo/index.ts'
import { startGateway } from '../../support/gateway.ts'

const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const secret = 'sk-AIzaOpenSesame01'
const traced: RequestRecord[] = []
const capture = createCapture({
  clock: systemClock,
  configured: () => ({ mode: 'memory', maxBytes: 1_000_000, maxDiskBytes: 0 }),
  // The operator's secrets are found by value; here nothing is, so that only the address itself is tested.
  findSecrets: () => [],
})
const trace = (record: RequestRecord) => void traced.push(record)
const locked = startGateway([upstream], { access: { openaiKey: secret }, capture, trace })
const lenient = startGateway([upstream], { access: { openaiKey: secret, queryKeys: true }, capture, trace })
const unlocked = startGateway([upstream])
afterAll(() => Promise.all([locked.stop(), lenient.stop(), unlocked.stop()]))

const hello = { contents: [{ role: 'user', parts: [{ text: 'Hello there' }] }] }
const key = { 'x-goog-api-key': secret }

function post(path: string, body: object = hello, headers: Record<string, string> = key, gateway = locked) {
  return fetch(`${gateway.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

async function get(path: string, headers: Record<string, string> = key, gateway = locked) {
  const response = await fetch(`${gateway.url}${path}`, { headers })
  return { status: response.status, body: await response.json() }
}

interface Answer {
  candidates: { content: { parts: { text?: string }[] }; finishReason?: string }[]
}

const textOf = (answers: Answer[]) =>
  answers
    .flatMap(({ candidates }) => candidates.flatMap(({ content }) => content.parts.map(({ text }) => text)))
    .join('')

describe('replies', () => {
  test.each(['/v1beta', '/v1', '/v1beta/v1beta', ''])('are whole behind "%s"', async (basePath) => {
    const response = await post(`${basePath}/models/GLM-4.5:generateContent`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json;charset=utf-8'])
    expect(await response.json()).toMatchObject({
      candidates: [{ content: { role: 'model' }, finishReason: 'STOP', index: 0 }],
      usageMetadata: { promptTokenCount: expect.any(Number), totalTokenCount: expect.any(Number) },
      modelVersion: 'GLM-4.5',
    })
  })

  test('come as server-sent events, or else as one array, with the same members', async () => {
    const path = '/v1beta/models/GLM-4.5:streamGenerateContent'
    const [events, array] = await Promise.all([post(`${path}?alt=sse`), post(path)])
    expect(events.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(array.headers.get('content-type')).toBe('application/json; charset=utf-8')
    const lines = (await events.text()).trim().split('\n\n')
    const fromEvents: Answer[] = lines.map((line) => JSON.parse(line.replace('data: ', '')))
    const fromArray: Answer[] = JSON.parse(await array.text())
    expect(fromArray.length).toBe(fromEvents.length)
    expect(textOf(fromArray)).toBe(textOf(fromEvents))
    expect(textOf(fromArray)).toContain('Hello there')
    expect(fromArray.map(({ candidates }) => candidates[0]?.finishReason)).toEqual([
      ...fromArray.slice(1).map(() => undefined),
      'STOP',
    ])
  })

  test.each([
    ['?alt=sse', /data: \{"error":\{[^\n]*\n\n$/],
    ['', /,\n\{"error":\{[^\n]*\]$/],
  ])('that fail end in an error, and not as if they were finished: "%s"', async (query, ending) => {
    const body = { contents: [{ parts: [{ text: '[error-mid] Go on' }] }] }
    const text = await (await post(`/v1beta/models/GLM-4.5:streamGenerateContent${query}`, body)).text()
    expect(text).toMatch(ending)
    expect(text).not.toContain('finishReason')
  })

  test('know models by names with slashes', async () => {
    const response = await post('/v1beta/models/z-ai/glm-4.5:generateContent')
    expect([response.status, (await response.json()).modelVersion]).toEqual([200, 'z-ai/glm-4.5'])
  })

  test('are counted', async () => {
    const response = await post('/v1beta/models/GLM-4.5:countTokens')
    expect([response.status, await response.json()]).toEqual([200, { totalTokens: expect.any(Number) }])
  })
})

describe('models', () => {
  test('are listed in its shape for its clients, and behind its base path', async () => {
    const listed = { models: expect.arrayContaining([expect.objectContaining({ name: 'models/GLM-4.5' })]) }
    expect(await get('/v1/models?pageSize=1000')).toEqual({ status: 200, body: listed })
    expect(await get('/v1beta/models?pageSize=1000', { authorization: `Bearer ${secret}` })).toEqual({
      status: 200,
      body: listed,
    })
    expect((await get('/v1/models', { authorization: `Bearer ${secret}` })).body).toMatchObject({ object: 'list' })
  })

  test('come page by page', async () => {
    const whole: { models: { name: string }[] } = (await get('/v1beta/models?pageSize=1000')).body
    const names: string[] = []
    let page = ''
    do {
      const { body } = await get(`/v1beta/models?pageSize=20&pageToken=${page}`)
      expect(body.models.length).toBeLessThanOrEqual(20)
      for (const { name } of body.models) names.push(name)
      page = body.nextPageToken ?? ''
    } while (page !== '')
    expect(names).toEqual(whole.models.map(({ name }) => name))
    expect((await get('/v1beta/models?pageToken=nothing')).status).toBe(400)
  })

  test('are told one by one', async () => {
    expect((await get('/v1beta/models/GLM-4.5')).body).toMatchObject({
      name: 'models/GLM-4.5',
      inputTokenLimit: expect.any(Number),
      supportedGenerationMethods: ['generateContent', 'countTokens'],
      thinking: true,
    })
  })
})

describe('refusals have its shape', () => {
  const wrong = (code: number, status: string, reason: string, more: object[] = []) => ({
    error: {
      code,
      message: expect.any(String),
      status,
      details: [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'zai2api', metadata: {} },
        ...more,
        { '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId: expect.stringMatching(/^req_/) },
      ],
    },
  })
  const field = (name: string) => ({
    '@type': 'type.googleapis.com/google.rpc.BadRequest',
    fieldViolations: [{ field: name, description: expect.any(String) }],
  })
  const model = '/v1beta/models/GLM-4.5'
  const asked = (text: string) => ({ contents: [{ parts: [{ text }] }] })

  test.each<[string, string, object, object]>([
    [
      'no contents',
      `${model}:generateContent`,
      {},
      wrong(400, 'INVALID_ARGUMENT', 'INVALID_REQUEST', [field('contents')]),
    ],
    [
      'a number that is none',
      `${model}:generateContent`,
      { ...hello, generation_config: { top_p: 'much' } },
      wrong(400, 'INVALID_ARGUMENT', 'INVALID_REQUEST', [field('generation_config.top_p')]),
    ],
    [
      'a model nobody knows',
      '/v1beta/models/llama-9:generateContent',
      hello,
      wrong(404, 'NOT_FOUND', 'MODEL_NOT_FOUND', [field('model')]),
    ],
    ['a verb that it does not have', `${model}:sing`, hello, wrong(404, 'NOT_FOUND', 'UNKNOWN_URL')],
    [
      'too many requests',
      `${model}:generateContent`,
      asked('[429] Hi'),
      wrong(429, 'RESOURCE_EXHAUSTED', 'RATE_LIMITED', [
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2s' },
      ]),
    ],
  ])('%s', async (_name, path, body, expected) => {
    const response = await post(path, body)
    const said = await response.json()
    expect(said).toEqual(expected)
    expect(response.status).toBe(said.error.code)
  })
})

describe('a key in the address', () => {
  const path = `/v1beta/models/GLM-4.5:generateContent?key=${secret}`

  test.each([
    ['where a key is needed', locked],
    ['where none is', unlocked],
  ])('is refused %s, with a word on how to send it', async (_name, gateway) => {
    const response = await post(path, hello, {}, gateway)
    const { error } = await response.json()
    expect([response.status, error.status]).toEqual([401, 'UNAUTHENTICATED'])
    expect(error.message).toContain('`x-goog-api-key: <key>`')
    expect(error.message).toContain('ALLOW_QUERY_KEY=true')
    expect((await get(`/v1beta/models?key=${secret}`, {}, gateway)).status).toBe(401)
  })

  test('is taken where the operator allows it, if it is the right one', async () => {
    expect((await post(path, hello, {}, lenient)).status).toBe(200)
    expect((await get(`/v1beta/models?key=${secret}`, {}, lenient)).status).toBe(200)
    expect((await post(path.replace(secret, 'sk-wrong'), hello, {}, lenient)).status).toBe(401)
    expect((await post('/v1beta/models/GLM-4.5:generateContent?key=', hello, {}, lenient)).status).toBe(401)
  })

  test.each(['/v1/chat/completions', '/v1/messages', '/api/chat', '/v1/nothing', '/v1beta/models/GLM-4.5:sing'])(
    'stands nowhere afterwards at %s, which takes none from an address',
    async (path) => {
      traced.length = 0
      const chat = {
        model: 'GLM-4.5',
        max_tokens: 9,
        stream: false,
        messages: [{ role: 'user', content: '[fast] Hi' }],
      }
      for (const headers of [{}, { authorization: `Bearer ${secret}` }] as Record<string, string>[])
        await (await post(`${path}?key=${secret}&beta=true`, chat, headers)).text()
      const rows = await Promise.all(traced.map(async ({ id }) => JSON.stringify(await capture.read(id))))
      const records = JSON.stringify(traced, (name, value) =>
        name === 'timeline' || name === 'capture' ? undefined : value,
      )
      expect(records).toContain(path)
      for (const text of [records, ...rows, ...locked.lines]) expect(text).not.toContain('OpenSesame')
    },
  )

  test('stands nowhere afterwards', async () => {
    traced.length = 0
    for (const gateway of [locked, lenient]) {
      await (await post(path, hello, {}, gateway)).text()
      await (await post(path.replace('GLM-4.5', 'llama-9'), hello, {}, gateway)).text()
      await (await post(path.replace('generateContent', 'sing'), hello, {}, gateway)).text()
      await (
        await post(`${path.replace('generateContent', 'streamGenerateContent')}&alt=sse`, hello, {}, gateway)
      ).text()
    }
    const rows = await Promise.all(traced.map(async ({ id }) => JSON.stringify(await capture.read(id))))
    const metrics = await (await fetch(`${locked.url}/metrics`, { headers: key })).text()
    const records = JSON.stringify(traced, (name, value) =>
      name === 'timeline' || name === 'capture' ? undefined : value,
    )
    expect(records).toContain('/v1beta/models/GLM-4.5:generateContent')
    expect(rows.join()).toContain('streamGenerateContent?alt=sse')
    for (const text of [records, metrics, ...rows, ...locked.lines, ...lenient.lines])
      expect(text).not.toContain('OpenSesame')
  })
})
