import { afterAll, describe, expect, test } from 'bun:test'
import { Type } from '@sinclair/typebox'
import { systemClock } from '../../src/async/system-clock.ts'
import { defineDialect } from '../../src/core/dialect.ts'
import type { RequestContext } from '../../src/core/dialect-route.ts'
import type { FinishReason, Reply, Usage } from '../../src/core/events.ts'
import { dialects } from '../../src/dialects/index.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'

// A dialect that is nowhere in src: its model and its verb stand in the path, as Gemini's do. All the gateway knows of it
// is the value below.

const body = Type.Object(
  { turns: Type.Array(Type.Object({ who: Type.String(), says: Type.String() }), { minItems: 1 }) },
  { additionalProperties: true },
)

const verbs = { whole: '/models/:model:say', streamed: '/models/:model:streamSay', counted: '/models/:model:count' }

const endOf = {
  stop: 'DONE',
  'stop-sequence': 'DONE',
  length: 'CUT',
  'context-window': 'CUT',
  'tool-calls': 'CALL',
  'content-filter': 'REFUSED',
} satisfies Record<FinishReason, string>

const fourth = defineDialect({
  id: 'fourth',
  label: 'Fourth API',
  routes: [
    { serves: 'reply', method: 'POST', path: verbs.whole, access: 'client' },
    { serves: 'reply', method: 'POST', path: verbs.streamed, access: 'client' },
    { serves: 'count', method: 'POST', path: verbs.counted, access: 'open' },
    { serves: 'model-list', method: 'GET', path: '/catalogue', access: 'client' },
    { serves: 'model', method: 'GET', path: '/catalogue/:model', access: 'client' },
  ],
  basePaths: ['/fourth'],
  keyHeaders: ['x-fourth-key'],
  recognises: (headers) => headers.has('x-fourth-client'),
  credentials: 'openai',
  body,
  decode: ({ turns }, { params, path }: RequestContext) => ({
    request: {
      model: params.model ?? '',
      messages: turns.map(({ says }) => ({ role: 'user', parts: [{ type: 'text', text: says }] })),
      tools: [],
      toolChoice: 'auto',
      parallelToolCalls: true,
      sampling: {},
      reasoning: { mode: 'off' },
      output: { type: 'text' },
      search: false,
      ignored: [],
    },
    options: { shouts: turns.some(({ who }) => who === 'LOUD') },
    stream: path === verbs.streamed,
  }),
  encoder: (_head, { shouts }) => ({
    push(event, out) {
      if (event.type === 'text-delta') out.push(line({ said: shouts ? event.text.toUpperCase() : event.text }))
      if (event.type === 'message-end') out.push(line({ end: endOf[event.reason], cost: costOf(event.usage) }))
      if (event.type === 'error') out.push(line(failure(event.error)))
    },
    end() {},
  }),
  encodeReply: (head, { blocks, reason, usage }: Reply) => ({
    name: head.id,
    said: blocks.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    end: endOf[reason],
    cost: costOf(usage),
  }),
  encodeError: (error, requestId) => ({ status: error.status, body: { ...failure(error), request: requestId } }),
  stream: { contentType: 'application/x-ndjson', keepAlive: '\n' },
  ids: { reply: 'fourth_', toolCall: 'call_' },
  conversationFields: ['turns'],
  example: ({ model, text }) => ({ params: { model }, body: { turns: [{ who: 'me', says: text }] } }),
  models: {
    vendor: 'Fourth',
    list: (models) => ({ all: models.map(({ id }) => id) }),
    one: ({ id, contextTokens }) => ({ called: id, reads: contextTokens }),
    docs: { manner: 'by name' },
  },
  count: { encode: (inputTokens) => ({ tokens: inputTokens }) },
})

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function failure({ kind, message }: { kind: string; message: string }) {
  return { wrong: { kind, message } }
}

function costOf({ inputTokens, outputTokens }: Usage): number {
  return inputTokens + outputTokens
}

const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const gateway = startGateway([upstream], {
  dialects: [...dialects, fourth],
  access: { openaiKey: 'sk-open', anthropicKey: 'sk-anth' },
  limits: { maxMessages: 3 },
})
const single = startGateway([upstream], { dialects: [fourth] })
// As an API whose clients know one address: Cohere's is `/v2/chat`.
const fixed = startGateway([upstream], { dialects: [...dialects, { ...fourth, ownBasePaths: ['/v5'] }] })
afterAll(() => Promise.all([gateway.stop(), single.stop(), fixed.stop()]))

const key = { 'x-fourth-key': 'sk-open' }
const hello = { turns: [{ who: 'me', says: 'Hello there' }] }

function post(path: string, content: object = hello, headers: Record<string, string> = key): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { method: 'POST', headers, body: JSON.stringify(content) })
}

async function get(path: string, headers: Record<string, string> = key) {
  const response = await fetch(`${gateway.url}${path}`, { headers })
  return { status: response.status, body: await response.json() }
}

describe('a dialect that is one value', () => {
  test.each(['', '/v1', '/fourth'])('answers whole behind "%s"', async (basePath) => {
    const response = await post(`${basePath}/models/GLM-4.5:say`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json;charset=utf-8'])
    expect(await response.json()).toEqual({
      name: expect.stringMatching(/^fourth_/),
      said: expect.stringContaining('Hello there'),
      end: 'DONE',
      cost: expect.any(Number),
    })
  })

  test('streams in its own content type when the verb asks for it', async () => {
    const response = await post('/models/GLM-4.5:streamSay', { turns: [{ who: 'LOUD', says: 'Hello there' }] })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
    const lines = (await response.text()).trim().split('\n')
    const events: { said?: string; end?: string; cost?: number }[] = lines.map((text) => JSON.parse(text))
    expect(events.map(({ said = '' }) => said).join('')).toContain('HELLO THERE')
    expect(events.at(-1)).toEqual({ end: 'DONE', cost: expect.any(Number) })
  })

  test('ends a broken stream in its own words', async () => {
    const response = await post('/models/GLM-4.5:streamSay', { turns: [{ who: 'me', says: '[error-mid] Go on' }] })
    expect(JSON.parse((await response.text()).trim().split('\n').at(-1) ?? '')).toEqual({
      wrong: { kind: expect.any(String), message: expect.any(String) },
    })
  })

  test('counts on a route that anybody may use', async () => {
    const response = await post('/models/GLM-4.5:count', hello, {})
    expect([response.status, await response.json()]).toEqual([200, { tokens: expect.any(Number) }])
  })

  test('lists models in its own format', async () => {
    expect(await get('/fourth/catalogue')).toEqual({ status: 200, body: { all: expect.arrayContaining(['GLM-4.5']) } })
    expect(await get('/fourth/catalogue/GLM-4.5')).toEqual({
      status: 200,
      body: { called: 'GLM-4.5', reads: expect.any(Number) },
    })
    // The others keep theirs.
    expect((await get('/v1/models')).body).toMatchObject({ object: 'list' })
  })
})

describe('its refusals have its own shape', () => {
  const wrong = (kind: string, message: unknown = expect.any(String)) => ({
    wrong: { kind, message },
    request: expect.stringMatching(/^req_/),
  })

  test.each<[string, string, object, Record<string, string>, number, object]>([
    [
      'no key',
      '/models/GLM-4.5:say',
      hello,
      {},
      401,
      wrong('unauthorized', expect.stringContaining('`Authorization: Bearer <key>` or `x-fourth-key: <key>`.')),
    ],
    ['a wrong key', '/models/GLM-4.5:say', hello, { 'x-fourth-key': 'sk-no' }, 401, wrong('unauthorized')],
    ['a key of another API', '/models/GLM-4.5:say', hello, { 'x-fourth-key': 'sk-anth' }, 401, wrong('unauthorized')],
    ['a wrong body', '/models/GLM-4.5:say', { turns: 1 }, key, 400, wrong('invalid-request')],
    ['a model nobody knows', '/models/other-1:say', hello, key, 404, wrong('not-found')],
    ['a path below one of its own', '/models/GLM-4.5:say/twice', hello, key, 404, wrong('not-found')],
    ['a path below its base path', '/fourth/nowhere', hello, key, 404, wrong('not-found')],
    ['another path', '/nowhere', hello, { ...key, 'x-fourth-client': '1' }, 404, wrong('not-found')],
    [
      'too many entries',
      '/models/GLM-4.5:say',
      { turns: Array.from({ length: 4 }, () => ({ who: 'me', says: 'Hi' })) },
      key,
      400,
      wrong('invalid-request', expect.stringContaining('turns: expected at most 3 entries, got 4.')),
    ],
  ])('%s', async (_name, path, content, headers, status, expected) => {
    const response = await post(path, content, headers)
    expect({ status: response.status, body: await response.json() }).toEqual({ status, body: expected })
  })

  test.each(['/v5/nowhere', '/proxied/v5'])('at %s, if its base path is the only one', async (path) => {
    const response = await fetch(fixed.url + path)
    expect([response.status, await response.json()]).toEqual([404, wrong('not-found')])
  })

  test('a verb that it does not have is an unknown path', async () => {
    const response = await post('/fourth/models/GLM-4.5:sing')
    expect([response.status, await response.json()]).toEqual([404, wrong('not-found')])
  })
})

describe('it is named wherever dialects are', () => {
  test('in the hint of an unknown path', async () => {
    expect((await get('/nowhere')).body.error.message).toContain('POST /v1/models/:model:say')
  })

  test('on the first page', async () => {
    expect(await (await fetch(gateway.url)).text()).toContain('Fourth API at /v1/models/:model:say')
  })

  test('in metrics', async () => {
    await (await post('/models/GLM-4.5:say')).text()
    const metrics = await fetch(`${gateway.url}/metrics`, { headers: key })
    expect(await metrics.text()).toContain('dialect="fourth"')
  })

  test('in the document', async () => {
    const { body: document } = await get('/openapi.json')
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/models/{model}:say', '/v1/models/{model}:streamSay', '/v1/catalogue/{model}']),
    )
    expect(document.paths['/v1/models/{model}:say'].post).toMatchObject({
      tags: ['fourth'],
      summary: 'Fourth API',
      parameters: expect.arrayContaining([
        { name: 'model', in: 'path', required: true, schema: { type: 'string' }, example: 'GLM-4.5' },
      ]),
    })
    const typesOf = (path: string) => Object.keys(document.paths[path].post.responses[200].content)
    expect(typesOf('/v1/models/{model}:say')).toEqual(['application/json'])
    expect(typesOf('/v1/models/{model}:streamSay')).toEqual(['application/x-ndjson'])
  })
})

test('alone, it speaks for the gateway', async () => {
  const response = await fetch(`${single.url}/nowhere`)
  expect([response.status, await response.json()]).toEqual([
    404,
    { wrong: { kind: 'not-found', message: expect.any(String) }, request: expect.any(String) },
  ])
  expect(await (await fetch(`${single.url}/catalogue`)).json()).toEqual({ all: expect.arrayContaining(['GLM-4.5']) })
})
