import type { ModelFormat } from '../../core/dialect.ts'
import type { ListedModel } from '../../core/upstream.ts'

/** `GET /v1/models` and `GET /v1/models/:id` of OpenAI's API, with what OpenRouter adds to it. */
export const models: ModelFormat = {
  vendor: 'OpenAI',
  list: (models) => ({ object: 'list', data: models.map(encodeModel) }),
  one: encodeModel,
  docs: { manner: 'whole' },
}

function encodeModel(model: ListedModel) {
  return {
    id: model.id,
    object: 'model',
    created: model.createdAtSeconds,
    owned_by: model.ownedBy,
    ...(model.contextTokens === undefined ? {} : { context_length: model.contextTokens }),
    ...(model.maxOutputTokens === undefined ? {} : { max_output_tokens: model.maxOutputTokens }),
    ...(inputOf(model).length > 1 || model.embeds
      ? {
          architecture: { input_modalities: inputOf(model), output_modalities: [model.embeds ? 'embeddings' : 'text'] },
        }
      : {}),
    ...(model.price === undefined ? {} : { pricing: pricingOf(model.price) }),
  }
}

/** Said only of models that take more than text, or make vectors. */
function inputOf({ vision, video = false, files = false }: ListedModel): string[] {
  return ['text', ...(vision ? ['image'] : []), ...(video ? ['video'] : []), ...(files ? ['file'] : [])]
}

/** The form of OpenRouter: dollars for one token, as text. */
function pricingOf({ input, cached, output }: NonNullable<ListedModel['price']>): object {
  const each = (perMillion: number | undefined) =>
    perMillion === undefined ? undefined : (perMillion / 1e6).toFixed(12).replace(/\.?0+$/, '')
  return { prompt: each(input), completion: each(output), input_cache_read: each(cached) }
}
