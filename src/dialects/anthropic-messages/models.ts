import type { ModelFormat } from '../../core/dialect.ts'
import type { Query } from '../../core/dialect-route.ts'
import type { ListedModel } from '../../core/upstream.ts'
import { apiVersion, versionHeader } from './headers.ts'
import { pageOf, pageParameters } from './page.ts'

/** `GET /v1/models` and `GET /v1/models/:id` of Anthropic's API. */
export const models: ModelFormat = {
  vendor: 'Anthropic',
  list: (models, { headers, query }) => modelPage(isDiscovery(headers) ? models.map(asClaudeModel) : models, query),
  one: encodeModel,
  docs: {
    manner: 'page by page',
    header: {
      name: versionHeader,
      description: `With any version, ${apiVersion} for one, the answer takes Anthropic's shape.`,
    },
    query: pageParameters('Models'),
  },
}

/**
 * Whether the request is Claude Code's discovery of models, which accepts only ids that begin like Anthropic's.
 * Source: code.claude.com/docs/en/llm-gateway-protocol.
 */
function isDiscovery(headers: Headers): boolean {
  return /^claude-code\//i.test(headers.get('user-agent') ?? '')
}

/**
 * The model with an id that Claude Code accepts. When a client sends the id back, its prefix and its marker for a long
 * context are ignored.
 */
function asClaudeModel(model: ListedModel): ListedModel {
  return { ...model, id: `anthropic/${model.id}${(model.contextTokens ?? 0) >= 1_000_000 ? '[1m]' : ''}` }
}

function modelPage(models: readonly ListedModel[], query: Query) {
  const wanted = pageOf(query)
  const { limit } = wanted
  const after = models.findIndex(({ id }) => id === wanted.after) + 1
  const before = models.findIndex(({ id }) => id === wanted.before)
  const end = before < 0 ? models.length : before
  const page = before < 0 ? models.slice(after, after + limit) : models.slice(Math.max(after, end - limit), end)
  return {
    data: page.map(encodeModel),
    has_more: before < 0 ? after + limit < models.length : end - limit > after,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  }
}

/** A model as Anthropic's API lists it, with every member of SDK 1.14; unknown values are `null`. */
function encodeModel(model: ListedModel) {
  return {
    type: 'model',
    id: model.id,
    display_name: model.displayName,
    created_at: new Date(model.createdAtSeconds * 1000).toISOString(),
    max_input_tokens: model.contextTokens ?? null,
    max_tokens: model.maxOutputTokens ?? null,
    lifecycle: 'active',
    deprecated_at: null,
    retires_at: null,
    // Features of Claude models only.
    line: null,
    allowed_fallback_models: [],
    capabilities: capabilitiesOf(model),
  }
}

const yes = { supported: true }
const no = { supported: false }

/** What a request for the model may contain, including what the gateway itself does. */
function capabilitiesOf({ vision, reasoning, search, efforts = [] }: ListedModel) {
  const thinks = support(reasoning !== 'never')
  const effort = (word: (typeof efforts)[number]) => support(efforts.includes(word))
  return {
    batch: yes,
    citations: no,
    code_execution: no,
    compaction: { supported: false, summarize: no },
    context_management: {
      supported: true,
      clear_thinking_20251015: yes,
      clear_tool_uses_20250919: yes,
      compact_20260112: no,
    },
    effort: {
      supported: efforts.length > 0,
      low: effort('low'),
      medium: effort('medium'),
      high: effort('high'),
      xhigh: effort('xhigh'),
      max: effort('max'),
    },
    image_input: support(vision),
    // For a model that takes no files, the gateway extracts their text.
    pdf_input: yes,
    server_tools: { supported: search, web_search: support(search), code_execution: no },
    structured_outputs: yes,
    thinking: {
      supported: thinks.supported,
      types: { adaptive: thinks, between_tools: thinks, enabled: thinks, disabled: yes },
    },
  }
}

function support(supported: boolean): { supported: boolean } {
  return supported ? yes : no
}
