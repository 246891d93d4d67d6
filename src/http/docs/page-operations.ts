import type { Dialect } from '../../core/dialect.ts'
import type { ListedModel } from '../../gateway/model-routing.ts'
import { anthropicModel } from '../anthropic-model.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { shapeOf } from './shape.ts'

const model: ListedModel = {
  id: 'GLM-4.5',
  upstreamId: 'GLM-4.5',
  displayName: 'GLM-4.5',
  createdAtSeconds: 1754006400,
  vision: false,
  reasoning: 'by-default',
  search: true,
  contextTokens: 128_000,
  maxOutputTokens: 98_304,
}
const openaiModel = {
  id: model.id,
  object: 'model',
  created: model.createdAtSeconds,
  owned_by: 'z-ai',
  context_length: model.contextTokens,
  max_output_tokens: model.maxOutputTokens,
}
const listedByAnthropic = anthropicModel(model)

const text = { type: 'string' }
const anthropicVersion = {
  name: 'anthropic-version',
  in: 'header',
  description: "With any version, 2023-06-01 for one, the answer takes Anthropic's shape.",
  schema: text,
}
const id = { name: 'id', in: 'path', required: true, schema: text, example: 'GLM-4.5' }
const paging = [
  { name: 'limit', description: '1 to 1000, 20 unless told', schema: { type: 'integer', minimum: 1, maximum: 1000 } },
  { name: 'after_id', description: 'Models behind this one', schema: text },
  { name: 'before_id', description: 'Models before this one', schema: text },
].map((parameter) => ({ ...parameter, in: 'query' }))

/** What the routes that belong to no dialect take and answer, by method and path. */
export function pageOperations(dialects: readonly Dialect[]): Record<string, object> {
  return {
    'GET /v1/models': {
      summary: 'Every name a request may ask for',
      description: "In OpenAI's shape, whole; or in Anthropic's, page by page.",
      parameters: [anthropicVersion, ...paging],
      responses: {
        200: eitherShape(
          { object: 'list', data: [openaiModel] },
          { data: [listedByAnthropic], has_more: false, first_id: model.id, last_id: model.id },
        ),
        ...errorResponses(dialects, [failures.unauthorized]),
      },
    },
    'GET /v1/models/{id}': {
      parameters: [id, anthropicVersion],
      responses: {
        200: eitherShape(openaiModel, listedByAnthropic),
        ...errorResponses(dialects, [failures.unauthorized, failures.noModel]),
      },
    },
    'GET /healthz': { security: [], responses: { 200: jsonResponse('The process lives.', { status: 'ok' }) } },
    'GET /readyz': {
      description: 'Asks the upstream without spending anything.',
      security: [],
      responses: {
        200: jsonResponse('Requests can succeed.', { status: 'ready' }),
        503: jsonResponse('Requests would fail, and why.', {
          status: 'not ready',
          code: 'upstream_unavailable',
          reason: 'Z.AI cannot be reached.',
        }),
      },
    },
  }
}

function eitherShape(openai: object, anthropic: object): object {
  return {
    description: 'OK',
    content: {
      'application/json': {
        schema: { anyOf: [shapeOf(openai), shapeOf(anthropic)] },
        examples: {
          openai: { summary: "OpenAI's shape", value: openai },
          anthropic: { summary: "Anthropic's shape", value: anthropic },
        },
      },
    },
  }
}
