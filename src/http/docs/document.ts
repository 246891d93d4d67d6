import type { Dialect } from '../../core/dialect.ts'
import { productSummary } from '../../core/product-summary.ts'
import { openapiPath } from '../path-pattern.ts'
import type { Route } from '../route.ts'
import { batchOperations } from './batch-operations.ts'
import { conversationOperations } from './conversation-operations.ts'
import { countOperation } from './count-operation.ts'
import { dialectOperation, schemasOf } from './dialect-operation.ts'
import { embeddingOperations } from './embedding-operations.ts'
import { fixedOperations } from './fixed-operations.ts'
import { pageOperations } from './page-operations.ts'
import { storedOperations } from './stored-operations.ts'

export interface DocumentOptions {
  version: string
  dialects: readonly Dialect[]
  routes: readonly Route[]
}

const description = `The ${productSummary}.

| Client | Base URL | Key |
| --- | --- | --- |
| OpenAI SDK | this server's address and \`/v1\` | \`AUTH_TOKEN\` |
| Anthropic SDK, Claude Code | this server's address | \`ANTHROPIC_API_KEY\`, or else \`AUTH_TOKEN\` |
| Google Gen AI SDK, Gemini CLI | this server's address | \`AUTH_TOKEN\` |
| Ollama clients | this server's address | \`AUTH_TOKEN\` |

A gateway that was given no key takes any. **Authorize** holds yours until the page is closed.`

/**
 * The API as an OpenAPI 3.1 document: every documented route of the app, with examples made by the dialects' own
 * encoders.
 */
export function openapiDocument({ version, dialects, routes }: DocumentOptions): object {
  return {
    openapi: '3.1.0',
    info: { title: 'zai2api', version, description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, ...keyHeaders(dialects).map(([name]) => ({ [name]: [] }))],
    tags: [
      ...dialects.map(({ id }) => ({ name: id })),
      { name: 'models', description: 'What can be asked' },
      { name: 'key', description: 'What your key may do' },
      { name: 'health', description: 'For monitors; needs no key' },
      { name: 'admin', description: 'For the operator and the page; needs `ADMIN_TOKEN`, or else `AUTH_TOKEN`' },
    ],
    paths: paths(dialects, routes),
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'As OpenAI clients send it.' },
        ...Object.fromEntries(keyHeaders(dialects)),
      },
      schemas: Object.assign({}, ...dialects.map(schemasOf), ...routes.map(({ docs }) => docs?.schemas)),
    },
  }
}

/** The headers in which clients of each dialect send a key, as security schemes. */
function keyHeaders(dialects: readonly Dialect[]): [name: string, scheme: object][] {
  return dialects.flatMap(({ label, keyHeaders = [] }) =>
    keyHeaders.map((name): [string, object] => [
      name,
      { type: 'apiKey', in: 'header', name, description: `As clients of ${label} send it.` },
    ]),
  )
}

function paths(dialects: readonly Dialect[], routes: readonly Route[]): object {
  const operations: Record<string, object> = Object.assign(
    pageOperations(dialects),
    ...dialects.map(dialectOperation),
    ...dialects.map(countOperation),
    ...dialects.map(storedOperations),
    ...dialects.map(embeddingOperations),
    ...dialects.map(conversationOperations),
    ...dialects.map(batchOperations),
    ...dialects.map(fixedOperations),
  )
  const listed: Record<string, Record<string, object>> = {}
  for (const { method, path, docs } of documented(routes)) {
    const { schemas: _schemas, ...operation } = docs
    listed[path] = { ...listed[path], [method.toLowerCase()]: { ...operation, ...operations[`${method} ${path}`] } }
  }
  return listed
}

/** The operations by path, in the form of OpenAPI and sorted by path. */
function documented(routes: readonly Route[]) {
  const found = routes.flatMap(({ method, path, docs }) => {
    if (!docs) return []
    return [{ method, path: openapiPath(path), docs }]
  })
  return found.sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)))
}
