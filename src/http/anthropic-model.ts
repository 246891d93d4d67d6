import type { ListedModel } from '../gateway/model-routing.ts'

/** A model as Anthropic's API lists it, with every member that SDK 1.14 has; `null` is what nobody knows. */
export function anthropicModel(model: ListedModel) {
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
    // Of Claude's.
    line: null,
    allowed_fallback_models: [],
    capabilities: capabilitiesOf(model),
  }
}

const yes = { supported: true }
const no = { supported: false }

/** What a request for the model can ask, the gateway's own doing included. */
function capabilitiesOf({ vision, reasoning, search, efforts = [] }: ListedModel) {
  const thinks = support(reasoning !== 'never')
  const effort = (word: (typeof efforts)[number]) => support(efforts.includes(word))
  return {
    batch: no,
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
    // Their text is read out of them where the model takes no files.
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
