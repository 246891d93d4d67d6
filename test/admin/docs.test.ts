import { afterAll, expect, test } from 'bun:test'
import { openapiPath } from '../../src/http/path-pattern.ts'
import { operatedGateway } from '../support/operated-gateway.ts'

interface Operation {
  tags: string[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, { content?: Record<string, { schema: object }> }>
}

const { app, close } = await operatedGateway({ UPSTREAMS: 'demo' })
afterAll(close)
const document: {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
} = await (
  await app.handle(new Request('http://localhost/openapi.json', { headers: { host: 'localhost:8080' } }))
).json()

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) =>
    path.startsWith('/admin/') ? [{ name: `${method.toUpperCase()} ${path}`, operation }] : [],
  ),
)

test('every route of the operator is in the document, and nothing else', () => {
  const routes = app.routes.flatMap(({ method, path }) =>
    path.startsWith('/admin/') && method !== 'ALL' ? [`${method} ${openapiPath(path)}`] : [],
  )
  expect(operations.map(({ name }) => name).toSorted()).toEqual(routes.toSorted())
})

test.each(operations)('$name says what it takes and answers', ({ operation: { tags, responses, requestBody } }) => {
  expect(tags).toEqual(['admin'])
  // A page or a table is text.
  const { 'text/html': _page, ...content } = responses[200]?.content ?? {}
  const answers = Object.values(content)
  expect(responses[204] !== undefined || Object.keys(responses[200]?.content ?? {}).length > 0).toBe(true)
  for (const { schema } of [...answers, ...Object.values(requestBody?.content ?? {})])
    expect(Object.keys(schema).some((member) => ['properties', '$ref', 'anyOf'].includes(member))).toBe(true)
  expect(responses['4XX']).toBeDefined()
})

test('a shape that is used in many places is written once', () => {
  expect(Object.keys(document.components.schemas)).toContain('admin.RequestRow')
  expect(JSON.stringify(document)).not.toContain('"$id"')
})
