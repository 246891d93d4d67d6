import type { Dialect } from '../../core/dialect.ts'
import { asGatewayError, type GatewayError } from '../../core/errors.ts'
import { documentedBasePath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { schemaRef } from './dialect-operation.ts'
import { type ExampleFailure, errorResponses, failures } from './error-responses.ts'
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
    return [[`${method} ${openapiPath(documentedBasePath + path)}`, { parameters, responses }] as const]
  })
  return Object.fromEntries(operations)
}

function answerOf(answer: () => object): { example?: object; refusals: ExampleFailure[] } {
  try {
    return { example: answer(), refusals: [] }
  } catch (thrown) {
    return { refusals: failureOf(asGatewayError(thrown)) }
  }
}

function failureOf(error: GatewayError | undefined): ExampleFailure[] {
  return error ? [[error.kind, error.message, { code: error.code, param: error.param }]] : []
}
