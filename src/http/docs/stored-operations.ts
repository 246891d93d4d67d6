import type { Dialect } from '../../core/dialect.ts'
import { documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { answerOf, failureOf } from './answer-of.ts'
import { schemaRef } from './dialect-operation.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { inQuery, pathParameters } from './parameters.ts'
import { sampleOf, sampleReply } from './sample.ts'

/** The operations on the replies that a dialect stores; empty if it stores none. */
export function storedOperations(dialect: Dialect): Record<string, object> {
  const { options, head } = sampleOf(dialect)
  const stored = dialect.storedConversation?.save(head, sampleReply, options)
  if (!stored) return {}
  const unknownId = failureOf(dialect.storedConversation?.notFound(stored.id))
  const operations = dialect.routes.flatMap((route) => {
    if (route.serves !== 'stored') return []
    const { method, path, docs } = route
    const parameters = [...pathParameters(path, { id: stored.id }), ...inQuery(docs.parameters)]
    const answered = answerOf(() => route.answer(stored, {}))
    const refusals = [...answered.refusals, failures.unauthorized, ...unknownId]
    // The whole reply has a schema of its own.
    const schema = answered.example === stored.reply ? schemaRef(dialect, 'reply') : undefined
    const responses = {
      ...(answered.example ? { 200: jsonResponse(docs.description, answered.example, schema) } : {}),
      ...errorResponses([dialect], refusals),
    }
    return [[`${method} ${openapiPath(documentedPath(dialect, path))}`, { parameters, responses }] as const]
  })
  return Object.fromEntries(operations)
}
