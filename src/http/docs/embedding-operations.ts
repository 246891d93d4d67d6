import type { Dialect } from '../../core/dialect.ts'
import { documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { pathParameters } from './parameters.ts'

const model = 'embedding-3'
const reply = { vectors: [[0.6, 0, -0.8]], inputTokens: 4 }

/** The operations that serve embeddings. */
export function embeddingOperations(dialect: Dialect): Record<string, object> {
  const operations = dialect.routes.flatMap((route) => {
    if (route.serves !== 'embeddings') return []
    const { method, path, body, decode } = route
    const example = route.example(model)
    const { encode } = decode(example, { headers: new Headers(), params: { model }, query: {}, path })
    const parameters = pathParameters(path, { model })
    const operation = {
      ...(parameters.length > 0 ? { parameters } : {}),
      requestBody: { required: true, content: { 'application/json': { schema: body, example } } },
      responses: {
        200: jsonResponse('The vectors, in the order of the texts.', encode(reply, { model, totalMs: 12 })),
        ...errorResponses([dialect], [failures.unauthorized, failures.noModel, failures.unavailable]),
      },
    }
    return [[`${method} ${openapiPath(documentedPath(dialect, path))}`, operation] as const]
  })
  return Object.fromEntries(operations)
}
