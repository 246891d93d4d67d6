import { defaultModel } from '../../core/default-models.ts'
import type { Dialect } from '../../core/dialect.ts'
import type { ListedModel } from '../../core/upstream.ts'
import { vendor } from '../../core/vendor.ts'
import { documentedPath } from '../base-paths.ts'
import { type SharedModelRoute, sharedModelRoutes } from '../models.ts'
import { openapiPath } from '../path-pattern.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { inQuery, pathParameters } from './parameters.ts'
import { shapeOf } from './shape.ts'

const model: ListedModel = {
  id: defaultModel,
  upstreamId: defaultModel,
  displayName: defaultModel,
  ownedBy: vendor,
  createdAtSeconds: 1754006400,
  vision: false,
  reasoning: 'by-default',
  search: true,
  contextTokens: 128_000,
  maxOutputTokens: 98_304,
  price: { input: 0.6, cached: 0.11, output: 2.2 },
}

const key = {
  ...{ id: 'key_019a6f3c8f2b5e1d0c9a7b42', name: 'ci', prefix: 'z2a_0fWn8c', created_at: 1796040000000 },
  ...{ disabled: false, models: ['glm-5.3-flash'], rpm: 60 },
  budgets: [
    {
      ...{ unit: 'usd', limit: 20, window: 'month', spent: 6.41, reserved: 0.02, left: 13.57 },
      resets_at: 1796083200000,
    },
  ],
  ...{ last_used_at: 1796043600000, state: 'active' },
}

/** The operations of routes that belong to no dialect, by method and path. */
export function pageOperations(dialects: readonly Dialect[]): Record<string, object> {
  return {
    ...Object.fromEntries(sharedModelRoutes(dialects).map((shared) => modelOperation(shared, dialects))),
    'GET /v1/key': {
      description:
        'Amounts are in US dollars, tokens or credits; instants are milliseconds since 1970. What has no limit is absent, as is `resets_at` of a budget that does not reset, or whose hours have not begun. A key of the configuration has no budgets.',
      responses: { 200: jsonResponse('OK', key), ...errorResponses(dialects, [failures.unauthorized]) },
    },
    'GET /healthz': { security: [], responses: { 200: jsonResponse('The process lives.', { status: 'ok' }) } },
    'GET /readyz': {
      description: 'Asks the upstream without spending anything.',
      security: [],
      responses: {
        200: jsonResponse('Requests can succeed. `degraded` if the database cannot be reached, or cannot be written.', {
          status: 'ready',
        }),
        503: jsonResponse('Requests would fail, and why.', {
          status: 'not ready',
          code: 'upstream_unavailable',
          reason: 'Z.AI cannot be reached.',
        }),
      },
    },
  }
}

/** The response has the format of the dialect that the request is recognised as. */
function modelOperation({ route, speakers }: SharedModelRoute, all: readonly Dialect[]) {
  const { serves, method, path } = route
  const isList = serves === 'model-list'
  const formats = speakers.map(({ format }) => format)
  const headers = formats.flatMap(({ docs }) => (docs.header ? [{ ...docs.header, in: 'header', schema: text }] : []))
  const ids = path.includes('*') ? [modelId] : pathParameters(path, { model: model.id })
  const answer = ({ list, one }: (typeof formats)[number]) =>
    isList ? list([model], { headers: new Headers(), query: {} }) : one(model)
  // A path below a dialect's own base path answers errors in the shape of that dialect, any other path in all shapes.
  const dialects = speakers[0].dialect.ownBasePaths ? speakers.map(({ dialect }) => dialect) : all
  const answers = formats.map((format) => ({ vendor: format.vendor, value: answer(format) }))
  const operation = {
    ...(isList ? { summary: 'Every name a request may ask for', description: mannersOf(formats) } : {}),
    parameters: [...ids, ...headers, ...(isList ? inQuery(formats.flatMap(({ docs }) => docs.query ?? [])) : [])],
    ...(route.method === 'POST' ? { requestBody: jsonBody(route.body, route.example) } : {}),
    responses: {
      200: anyShape(answers),
      ...errorResponses(dialects, [failures.unauthorized, ...(isList ? [] : [failures.noModel])]),
    },
  }
  return [`${method} ${openapiPath(documentedPath(speakers[0].dialect, path))}`, operation] as const
}

function jsonBody(schema: object, example: object): object {
  return { required: true, content: { 'application/json': { schema, example } } }
}

const text = { type: 'string' }
const modelId = { name: 'id', in: 'path', required: true, schema: text, example: model.id }

/** `In OpenAI's shape, whole; or in Anthropic's, page by page.` */
function mannersOf(formats: SharedModelRoute['speakers'][number]['format'][]): string {
  const [first, ...others] = formats.map(({ vendor, docs }) => ({ vendor, manner: docs.manner }))
  const alternatives = others.map(({ vendor, manner }) => `; or in ${vendor}'s, ${manner}`)
  return `In ${first?.vendor}'s shape, ${first?.manner}${alternatives.join('')}.`
}

function anyShape(answers: { vendor: string; value: object }[]): object {
  const [only, ...others] = answers
  if (only && others.length === 0) return jsonResponse('OK', only.value)
  const examples = answers.map(({ vendor, value }) => [vendor.toLowerCase(), { summary: `${vendor}'s shape`, value }])
  return {
    description: 'OK',
    content: {
      'application/json': {
        schema: { anyOf: answers.map(({ value }) => shapeOf(value)) },
        examples: Object.fromEntries(examples),
      },
    },
  }
}
