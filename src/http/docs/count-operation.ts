import type { Dialect } from '../../core/dialect.ts'
import { schemaRef } from './dialect-operation.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { sampleOf } from './sample.ts'

/** How the cost of a request is asked for; nothing where the dialect has no words for it. */
export function countOperation(dialect: Dialect): Record<string, object> {
  const { count } = dialect
  if (!count) return {}
  const { question, options } = sampleOf(dialect)
  return {
    [`POST /v1${dialect.path}${count.path}`]: {
      description: 'Counted by the gateway, which learns from what the upstream says of earlier requests.',
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schemaRef(dialect, 'request'), example: question } },
      },
      responses: {
        200: jsonResponse('Tokens.', count.encode(12, options)),
        ...errorResponses([dialect], [failures.invalid, failures.unauthorized, failures.noModel]),
      },
    },
  }
}
