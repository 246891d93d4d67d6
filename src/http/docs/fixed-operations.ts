import type { Dialect } from '../../core/dialect.ts'
import { documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { answerOf } from './answer-of.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { pathParameters } from './parameters.ts'

/** The operations that answer every request in the same way. */
export function fixedOperations(dialect: Dialect): Record<string, object> {
  const operations = dialect.routes.flatMap((route) => {
    if (route.serves !== 'fixed') return []
    const { method, path, summary } = route
    const { example, refusals } = answerOf(() => route.answer())
    const parameters = pathParameters(path, {})
    const operation = {
      ...(parameters.length > 0 ? { parameters } : {}),
      responses: {
        ...(example ? { 200: jsonResponse(`${summary}.`, example) } : {}),
        ...errorResponses([dialect], [...refusals, failures.unauthorized]),
      },
    }
    return [[`${method} ${openapiPath(documentedPath(dialect, path))}`, operation] as const]
  })
  return Object.fromEntries(operations)
}
