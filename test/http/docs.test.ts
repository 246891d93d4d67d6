import { describe, expect, test } from 'bun:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { systemClock } from '../../src/async/system-clock.ts'
import { shapeOf } from '../../src/http/docs/shape.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from '../support/gateway.ts'

const app = gatewayApp([demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })], {
  access: { openaiKey: 'sk-gateway' },
})

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return app.handle(new Request(`http://localhost${path}`, { headers }))
}

const key = { authorization: 'Bearer sk-gateway', 'x-api-key': 'sk-gateway' }

function post(path: string, body: unknown): Promise<Response> {
  const headers = { ...key, 'content-type': 'application/json' }
  return app.handle(new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) }))
}

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

describe('the page', () => {
  test('needs no key, and asks nobody but its own server', async () => {
    const response = await get('/docs')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-security-policy')).toBe(policy)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')

    const html = await response.text()
    const addresses = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, address = '']) => address)
    expect(addresses.map((address) => address.replace(/\?v=.*|,.*/, ''))).toEqual([
      'data:image/svg+xml',
      'docs/ui.css',
      'docs/page.css',
      'docs/ui.license.txt',
      'openapi.json',
      'docs/ui.js',
      'docs/start.js',
    ])
    for (const address of addresses.filter((address) => !address.startsWith('data:')))
      expect({ address, status: (await get(`/${address}`)).status }).toEqual({ address, status: 200 })
  })

  test('sends a reader with a slash too many back, below any prefix', async () => {
    const response = await get('/docs/')
    expect(response.status).toBe(308)
    expect(response.headers.get('location')).toBe('../docs')
  })

  const versioned = 'public, max-age=31536000, immutable'
  test.each([
    ['/docs/ui.js', 'text/javascript; charset=utf-8', versioned, 'SwaggerUIBundle'],
    ['/docs/ui.css', 'text/css; charset=utf-8', versioned, '.swagger-ui'],
    ['/docs/start.js', 'text/javascript; charset=utf-8', 'no-cache', 'SwaggerUIBundle('],
    ['/docs/page.css', 'text/css; charset=utf-8', 'no-cache', '.swagger-ui'],
    ['/docs/ui.license.txt', 'text/plain; charset=utf-8', 'no-cache', 'Apache License'],
  ])('is made of %s', async (path, type, cache, text) => {
    const response = await get(path)
    expect(response.headers.get('content-type')).toBe(type)
    expect(response.headers.get('cache-control')).toBe(cache)
    expect(await response.text()).toContain(text)
  })
})

interface Content {
  example?: unknown
  examples?: Record<string, { value: unknown }>
}
interface Operation {
  tags: string[]
  summary: string
  parameters?: { name: string; in: string; example?: string }[]
  responses: Record<string, { content: Record<string, Content> }>
  requestBody?: { content: Record<string, Content> }
}
interface OpenApi extends Record<string, unknown> {
  paths: Record<string, Record<string, Operation>>
  tags: { name: string }[]
}

/** One that is there, in place of the one of the examples. */
const { id: conversationId } = await (await post('/v1/conversations', {})).json()
const openApi: OpenApi = await (await get('/openapi.json')).json()
const everyOperation = Object.entries(openApi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
)
// Those of the operator's page have tests of their own.
const operations = everyOperation.filter(({ path }) => !path.startsWith('/admin/'))

describe('the document', () => {
  test('is valid OpenAPI, and its references lead somewhere', async () => {
    const validator = new Validator()
    expect(await validator.validate(openApi)).toEqual({ valid: true })
    expect(JSON.stringify(validator.resolveRefs())).not.toContain('"$ref"')
  })

  test('says what it is, where, and who may in', () => {
    expect(openApi).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'zai2api', version: 'test', description: expect.stringContaining('AUTH_TOKEN') },
      servers: [{ url: '/' }],
      security: [{ bearer: [] }, { 'api-key': [] }, { 'x-api-key': [] }, { 'x-goog-api-key': [] }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          'x-api-key': { type: 'apiKey', in: 'header', name: 'x-api-key' },
          'x-goog-api-key': { type: 'apiKey', in: 'header', name: 'x-goog-api-key' },
        },
      },
    })
  })

  test('lists the documented spelling of every route, and nothing else', () => {
    expect(operations.map(({ name }) => name)).toEqual([
      'GET /.well-known/oauth-authorization-server',
      'POST /api/blobs/{digest}',
      'POST /api/chat',
      'POST /api/copy',
      'POST /api/create',
      'DELETE /api/delete',
      'POST /api/embed',
      'POST /api/embeddings',
      'POST /api/generate',
      'GET /api/oauth/usage',
      'GET /api/ps',
      'POST /api/pull',
      'POST /api/push',
      'POST /api/show',
      'GET /api/tags',
      'GET /api/version',
      'GET /healthz',
      'GET /managed/settings',
      'POST /oauth/device_authorization',
      'POST /oauth/token',
      'GET /readyz',
      'POST /v1/chat/completions',
      'POST /v1/completions',
      'POST /v1/conversations',
      'GET /v1/conversations/{id}',
      'POST /v1/conversations/{id}',
      'DELETE /v1/conversations/{id}',
      'GET /v1/conversations/{id}/items',
      'POST /v1/conversations/{id}/items',
      'GET /v1/conversations/{id}/items/{item}',
      'DELETE /v1/conversations/{id}/items/{item}',
      'POST /v1/embeddings',
      'GET /v1/key',
      'POST /v1/logs',
      'POST /v1/messages',
      'POST /v1/messages/batches',
      'GET /v1/messages/batches',
      'GET /v1/messages/batches/{id}',
      'DELETE /v1/messages/batches/{id}',
      'POST /v1/messages/batches/{id}/cancel',
      'GET /v1/messages/batches/{id}/results',
      'POST /v1/messages/count_tokens',
      'POST /v1/metrics',
      'GET /v1/models',
      'GET /v1/models/{id}',
      'POST /v1/responses',
      'GET /v1/responses',
      'POST /v1/responses/compact',
      'POST /v1/responses/input_tokens',
      'GET /v1/responses/{id}',
      'DELETE /v1/responses/{id}',
      'POST /v1/responses/{id}/cancel',
      'GET /v1/responses/{id}/input_items',
      'POST /v1/traces',
      'POST /v1beta/models/{model}:batchEmbedContents',
      'POST /v1beta/models/{model}:countTokens',
      'POST /v1beta/models/{model}:embedContent',
      'POST /v1beta/models/{model}:generateContent',
      'POST /v1beta/models/{model}:streamGenerateContent',
    ])
  })

  test.each(everyOperation)('$name has a summary, a tag of the page and answers', ({ path, operation }) => {
    expect(operation.summary).toMatch(/\w/)
    expect(openApi.tags.map(({ name }) => name)).toEqual(expect.arrayContaining(operation.tags))
    expect(Object.keys(operation.responses)).not.toEqual([])
    for (const parameter of path.match(/(?<={)\w+/g) ?? [])
      expect(operation.parameters).toContainEqual(expect.objectContaining({ name: parameter, in: 'path' }))
  })

  const requests = operations.flatMap(({ path, operation }) => {
    const { example, examples = { only: { value: example } } } =
      operation.requestBody?.content['application/json'] ?? {}
    const answers = operation.responses[200]?.content ?? {}
    return operation.requestBody
      ? Object.entries(examples).map(([kind, { value }]) => ({
          kind,
          path: exampleOf(path, operation),
          value,
          answers,
        }))
      : []
  })
  test('has examples', () => expect(requests).toHaveLength(28))

  test.each(requests)('its $kind example of $path gets the kind of answer it promises', async (request) => {
    const response = await post(request.path.replace(/conv_\w+/, conversationId), request.value)
    const type = response.headers.get('content-type')?.replace(/;.*/, '') ?? ''
    expect(response.status).toBe(200)
    const streamType = Object.keys(request.answers).find((each) => each !== 'application/json') ?? 'none'
    expect(type).toBe(request.kind === 'streamed' ? streamType : 'application/json')

    const promised = request.answers[type]?.example
    const text = await response.text()
    if (type === 'application/json') expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(promised ?? {}))
    else if (type === 'text/event-stream') expect(endOf(text)).toBe(endOf(String(promised)))
    else expect(lastLineOf(text)).toEqual(lastLineOf(String(promised)))
  })

  test.each([
    ['openai', {}],
    ['anthropic', { 'anthropic-version': '2023-06-01' }],
  ])('shows the %s shape of a model as it is', async (shape, headers: Record<string, string>) => {
    const response = await get('/v1/models/GLM-4.5', { ...headers, ...key })
    const documented = openApi.paths['/v1/models/{id}']?.get?.responses[200]?.content['application/json']?.examples
    expect(await response.json()).toEqual(documented?.[shape]?.value)
  })

  test('shows what is told of a batch', async () => {
    const ask = async (method: string, part: string) =>
      await app.handle(new Request(`http://localhost/v1/messages/batches${part}`, { method, headers: key }))
    const operationOf = (method: string, path: string) =>
      openApi.paths[`/v1/messages/batches${path}`]?.[method]?.responses[200]?.content ?? {}
    const shown = (method: string, path: string) => operationOf(method, path)['application/json']?.example
    const keys = (value: unknown) => Object.keys(value ?? {})
    const entry = { custom_id: 'first', params: { model: 'GLM-4.5', max_tokens: 9, messages: [] } }
    const { id } = await (await post('/v1/messages/batches', { requests: [entry] })).json()
    for (let last = { processing_status: '' }; last.processing_status !== 'ended'; ) {
      // Answers without a connection take no turn of the event loop, which the batch may wait for.
      await new Promise((resolve) => setImmediate(resolve))
      last = await (await ask('GET', `/${id}`)).json()
      expect(keys(last)).toEqual(keys(shown('get', '/{id}')))
    }
    expect(keys(await (await ask('GET', '')).json())).toEqual(keys(shown('get', '')))
    const results = await ask('GET', `/${id}/results`)
    const [[type, content]] = Object.entries(operationOf('get', '/{id}/results')) as [[string, Content]]
    expect(results.headers.get('content-type')).toBe(type)
    expect(lastLineOf(await results.text())).toEqual(lastLineOf(String(content.example)))
    expect(keys(await (await ask('POST', `/${id}/cancel`)).json())).toEqual(keys(shown('post', '/{id}/cancel')))
    expect(keys(await (await ask('DELETE', `/${id}`)).json())).toEqual(keys(shown('delete', '/{id}')))
  })

  test.each([
    ['GET', '', '/v1/responses/{id}'],
    ['GET', '/input_items', '/v1/responses/{id}/input_items'],
    ['DELETE', '', '/v1/responses/{id}'],
  ])('shows what %s of a stored response%s answers', async (method, part, path) => {
    const { id } = await (await post('/v1/responses', { model: 'GLM-4.5', input: 'Hello!' })).json()
    const response = await app.handle(
      new Request(`http://localhost/v1/responses/${id}${part}`, { method, headers: key }),
    )
    const documented = openApi.paths[path]?.[method.toLowerCase()]?.responses[200]?.content['application/json']?.example
    expect(Object.keys(await response.json()).sort()).toEqual(Object.keys(documented ?? {}).sort())
  })
})

/** The path with the examples of its parameters. */
function exampleOf(path: string, { parameters = [] }: Operation): string {
  const shown = parameters.filter(({ example }) => example !== undefined)
  const query = shown.flatMap(({ name, in: place, example }) => (place === 'query' ? [`${name}=${example}`] : []))
  const filled = shown.reduce((filling, { name, example = '' }) => filling.replace(`{${name}}`, example), path)
  return [filled, ...query].join('?')
}

/** How the last event begins: its name, its mark, or the names of its members. */
function endOf(stream: string): string | undefined {
  const first = stream.trimEnd().split('\n\n').at(-1)?.split('\n')[0]
  return first?.startsWith('data: {') ? Object.keys(JSON.parse(first.slice('data: '.length))).join() : first
}

/** The members of the last line. */
function lastLineOf(stream: string): string[] {
  return Object.keys(JSON.parse(stream.trimEnd().split('\n').at(-1) ?? ''))
}

describe('the shape of', () => {
  test.each<[string, unknown[], object]>([
    ['a value is its type', [1, 2], { type: 'integer' }],
    ['a field that may be null has two', [null, 'a'], { type: ['null', 'string'] }],
    ['a field that is always null could be anything', [null], {}],
    [
      'objects is every field that any of them has',
      [{ a: 'x' }, { a: 1.5, b: true }],
      { type: 'object', properties: { a: { type: ['string', 'number'] }, b: { type: 'boolean' } } },
    ],
    ['an array is that of its items', [['a'], []], { type: 'array', items: { type: 'string' } }],
    ['an empty array is open', [[]], { type: 'array', items: {} }],
  ])('%s', (_name, examples, shape) => {
    expect(shapeOf(...examples)).toEqual(shape)
  })
})
