import { invalidField } from '../core/errors.ts'
import type { Gateway } from '../gateway/index.ts'
import type { ListedModel } from '../gateway/model-routing.ts'
import { anthropicModel } from './anthropic-model.ts'
import { basePaths, documented } from './base-paths.ts'
import type { Route, RouteContext } from './route.ts'

/** `GET /v1/models` and `GET /v1/models/:id`, in Anthropic's shape for whoever names a version of it. */
export function modelRoutes(gateway: Gateway): Route[] {
  const list = async ({ request, query }: RouteContext) => {
    const models = await gateway.models()
    if (isDiscovery(request.headers)) return anthropicPage(models.map(asClaudeModel), query)
    return speaksAnthropic(request.headers) ? anthropicPage(models, query) : openaiList(models)
  }
  const one = async ({ request, params }: RouteContext) => {
    const model = await gateway.model(unescaped(params['*'] ?? ''))
    return speaksAnthropic(request.headers) ? anthropicModel(model) : openaiModel(model)
  }
  return basePaths.flatMap((basePath): Route[] => [
    {
      method: 'GET',
      path: `${basePath}/models`,
      access: 'client',
      docs: documented(basePath, 'models', 'Models, in the shape of OpenAI or, with `anthropic-version`, of Anthropic'),
      handle: list,
    },
    {
      method: 'GET',
      path: `${basePath}/models/*`,
      access: 'client',
      docs: documented(basePath, 'models', 'One model, by any name a request may ask for'),
      handle: one,
    },
  ])
}

export function speaksAnthropic(headers: Headers): boolean {
  return headers.has('anthropic-version')
}

/**
 * Claude Code's search for models behind a gateway, and it takes only ids that begin like its own.
 * Source: code.claude.com/docs/en/llm-gateway-protocol.
 */
function isDiscovery(headers: Headers): boolean {
  return speaksAnthropic(headers) && /^claude-code\//i.test(headers.get('user-agent') ?? '')
}

/** The same model under such an id; the route takes neither the vendor nor the mark of a long window for a name. */
function asClaudeModel(model: ListedModel): ListedModel {
  return { ...model, id: `anthropic/${model.id}${(model.contextTokens ?? 0) >= 1_000_000 ? '[1m]' : ''}` }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function openaiList(models: ListedModel[]) {
  return { object: 'list', data: models.map(openaiModel) }
}

function openaiModel(model: ListedModel) {
  return {
    id: model.id,
    object: 'model',
    created: model.createdAtSeconds,
    owned_by: 'z-ai',
    ...(model.contextTokens === undefined ? {} : { context_length: model.contextTokens }),
    ...(model.maxOutputTokens === undefined ? {} : { max_output_tokens: model.maxOutputTokens }),
    ...(inputOf(model).length > 1
      ? { architecture: { input_modalities: inputOf(model), output_modalities: ['text'] } }
      : {}),
    ...(model.price === undefined ? {} : { pricing: pricingOf(model.price) }),
  }
}

/** Told of models that take more than text. */
function inputOf({ vision, video = false, files = false }: ListedModel): string[] {
  return ['text', ...(vision ? ['image'] : []), ...(video ? ['video'] : []), ...(files ? ['file'] : [])]
}

/** As OpenRouter lists it: dollars for one token, as text. */
function pricingOf({ input, cached, output }: NonNullable<ListedModel['price']>): object {
  const each = (perMillion: number | undefined) =>
    perMillion === undefined ? undefined : (perMillion / 1e6).toFixed(12).replace(/\.?0+$/, '')
  return { prompt: each(input), completion: each(output), input_cache_read: each(cached) }
}

/** Anthropic pages by id: `after_id`, `before_id`, and `limit` of 1 to 1000, 20 unless told. */
function anthropicPage(models: ListedModel[], query: Record<string, string | undefined>) {
  const limit = Number(query.limit ?? 20)
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw invalidField('limit', 'expected a whole number from 1 to 1000')
  const after = models.findIndex(({ id }) => id === query.after_id) + 1
  const before = models.findIndex(({ id }) => id === query.before_id)
  const end = before < 0 ? models.length : before
  const page = before < 0 ? models.slice(after, after + limit) : models.slice(Math.max(after, end - limit), end)
  return {
    data: page.map(anthropicModel),
    has_more: before < 0 ? after + limit < models.length : end - limit > after,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  }
}
