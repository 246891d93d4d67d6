import type { Dialect } from '../../core/dialect.ts'
import { documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { schemaRef } from './dialect-operation.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { pathParameters } from './parameters.ts'
import { sampleOf } from './sample.ts'

/** The operation that counts the tokens of a request; empty if the dialect has none. */
export function countOperation(dialect: Dialect): Record<string, object> {
  const { count } = dialect
  if (!count) return {}
  const { question, params, options } = sampleOf(dialect)
  const operations = dialect.routes.flatMap(({ serves, method, path }) => {
    if (serves !== 'count') return []
    const parameters = pathParameters(path, params)
    const operation = {
      description: 'Counted by the gateway, which learns from what the upstream says of earlier requests.',
      ...(parameters.length > 0 ? { parameters } : {}),
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schemaRef(dialect, 'request'), example: question } },
      },
      responses: {
        200: jsonResponse('Tokens.', count.encode(12, options)),
        ...errorResponses([dialect], [failures.invalid, failures.unauthorized, failures.noModel]),
      },
    }
    return [[`${method} ${openapiPath(documentedPath(dialect, path))}`, operation] as const]
  })
  return Object.fromEntries(operations)
}
