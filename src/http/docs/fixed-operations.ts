import type { Dialect } from '../../core/dialect.ts'
import { basePathsIn, documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { answerOf } from './answer-of.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { pathParameters } from './parameters.ts'

const exampleBudget = { unit: 'usd', limit: 20, window: 'month', spent: 6.41, resets_at: 1796083200000 }

/** The operations that answer every request in the same way. */
export function fixedOperations(dialect: Dialect): Record<string, object> {
  const operations = dialect.routes.flatMap((route) => {
    if (route.serves !== 'fixed') return []
    const { method, path, access, summary, status = 200 } = route
    const { example, refusals } = answerOf(() =>
      route.answer({ base: 'http://127.0.0.1:8080', budgets: [exampleBudget] }),
    )
    const parameters = pathParameters(path, {})
    const operation = {
      ...(access === 'open' ? { security: [] } : {}),
      ...(parameters.length > 0 ? { parameters } : {}),
      responses: {
        ...(example ? { [status]: jsonResponse(`${summary}.`, example) } : {}),
        ...errorResponses([dialect], [...refusals, ...(access === 'open' ? [] : [failures.unauthorized])]),
      },
    }
    return [[`${method} ${openapiPath(documentedPath(basePathsIn(dialect, route), path))}`, operation] as const]
  })
  return Object.fromEntries(operations)
}
