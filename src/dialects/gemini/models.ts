import type { ModelFormat } from '../../core/dialect.ts'
import type { Query } from '../../core/dialect-route.ts'
import { invalidField } from '../../core/errors.ts'
import type { ListedModel } from '../../core/upstream.ts'
import { keyHeader } from './headers.ts'

const usualPage = 50
const longestPage = 1000

/** `GET /v1beta/models` and `GET /v1beta/models/:id` of Google's API. */
export const models: ModelFormat = {
  vendor: 'Google',
  list: (models, { query }) => modelPage(models, query),
  one: encodeModel,
  docs: {
    manner: 'page by page',
    header: { name: keyHeader, description: "With a key in this header, the answer takes Google's shape." },
    query: [
      {
        name: 'pageSize',
        description: `1 to ${longestPage}, ${usualPage} unless told`,
        schema: { type: 'integer', minimum: 1, maximum: longestPage },
      },
      { name: 'pageToken', description: 'The `nextPageToken` of the page before', schema: { type: 'string' } },
    ],
  },
}

/** The token of a page is the name of its first model. */
function modelPage(models: readonly ListedModel[], { pageSize, page_size, pageToken, page_token }: Query) {
  // 0 is the usual size, as in all of Google's APIs.
  const size = Number(pageSize ?? page_size ?? 0) || usualPage
  if (!Number.isInteger(size) || size < 1)
    throw invalidField('pageSize', `expected a whole number from 1 to ${longestPage}`)
  const token = pageToken ?? page_token ?? ''
  const start = token === '' ? 0 : models.findIndex(({ id }) => id === token)
  if (start < 0) throw invalidField('pageToken', 'expected the nextPageToken of the page before')
  const end = start + Math.min(size, longestPage)
  const next = models[end]
  return {
    models: models.slice(start, end).map(encodeModel),
    ...(next === undefined ? {} : { nextPageToken: next.id }),
  }
}

function encodeModel(model: ListedModel) {
  return {
    name: `models/${model.id}`,
    version: model.id,
    displayName: model.displayName,
    ...(model.contextTokens === undefined ? {} : { inputTokenLimit: model.contextTokens }),
    ...(model.maxOutputTokens === undefined ? {} : { outputTokenLimit: model.maxOutputTokens }),
    supportedGenerationMethods: model.embeds ? ['embedContent'] : ['generateContent', 'countTokens'],
    ...(model.defaultTemperature === undefined ? {} : { temperature: model.defaultTemperature }),
    thinking: model.reasoning !== 'never',
  }
}
