import type { Batch, BatchFormat } from '../../core/batch.ts'
import type { Dialect } from '../../core/dialect.ts'
import type { BatchRoute } from '../../core/dialect-route.ts'
import { documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { failureOf } from './answer-of.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { inQuery, pathParameters } from './parameters.ts'
import { sampleId } from './sample.ts'

/** The operations on the batches of a dialect; empty if it has none. */
export function batchOperations(dialect: Dialect): Record<string, object> {
  const { batches: format } = dialect
  if (!format) return {}
  const batch = sampleBatch(format)
  const operations = dialect.routes.flatMap((route) => {
    if (route.serves !== 'batch') return []
    const { method, path, docs, body: schema } = route
    const refusals = [
      ...(schema ? [failures.invalid] : []),
      ...(path.includes(':') ? failureOf(format.notFound(batch.id)) : []),
      ...(route.does === 'results' ? failureOf(format.notEnded(batch.id, 'results')) : []),
      ...(route.does === 'delete' ? failureOf(format.notEnded(batch.id, 'deletion')) : []),
    ]
    const example = docs.example ?? {}
    const operation = {
      parameters: [...pathParameters(path, { id: batch.id }), ...inQuery(docs.parameters)],
      ...(schema ? { requestBody: { required: true, content: { 'application/json': { schema, example } } } } : {}),
      responses: {
        200: answerOf(route, batch, format),
        ...errorResponses([dialect], [failures.unauthorized, ...refusals]),
      },
    }
    return [[`${method} ${openapiPath(documentedPath(dialect, path))}`, operation] as const]
  })
  return Object.fromEntries(operations)
}

function sampleBatch({ idPrefix }: BatchFormat): Batch {
  const createdAt = Date.parse('2026-01-01T00:00:00Z')
  return {
    ...{ id: idPrefix + sampleId, createdAt, expiresAt: createdAt + 86_400_000, endedAt: createdAt + 60_000, size: 1 },
    counts: { succeeded: 1, errored: 0, canceled: 0, expired: 0 },
  }
}

function answerOf({ does, docs }: BatchRoute, batch: Batch, format: BatchFormat): object {
  const { id } = batch
  if (does === 'results') {
    const result = { n: 0, name: 'first', outcome: 'canceled' } as const
    const content = { schema: { type: 'string' }, example: `${format.resultLine(result)}\n` }
    return { description: docs.description, content: { [format.resultsContentType]: content } }
  }
  if (does === 'delete') return jsonResponse(docs.description, format.encodeDeleted(id))
  const shown = format.encode(does === 'retrieve' ? batch : { ...batch, endedAt: undefined, counts: none }, resultsUrl)
  return jsonResponse(
    docs.description,
    does === 'list' ? format.encodePage({ batches: [shown], ids: [id], hasMore: false }) : shown,
  )
}

const none = { succeeded: 0, errored: 0, canceled: 0, expired: 0 }
const resultsUrl = 'http://127.0.0.1:8080/v1/messages/batches/ID/results'
