import { codexInstructions } from './codex-instructions.ts'
import { type ClientTarget, indented, seesImages, type TargetModel, windowOf } from './setup.ts'

/**
 * The file of `model_catalog_json`: what Codex has to know of each model so that it treats it as one of its own. Without
 * it, Codex warns of "fallback metadata" and offers no `apply_patch`.
 *
 * Source: `codex debug models` of Codex 0.171, the fields that it refuses a file without, and what it sent on loopback.
 */
export function codexModels({ models, primary }: ClientTarget): string {
  const others = models.filter(({ id }) => id !== primary.id)
  return `${indented({ models: [primary, ...others].map(codexModel) })}\n`
}

function codexModel(model: TargetModel, index: number): object {
  const levels = reasoningLevels(model)
  return {
    slug: model.id,
    display_name: model.id,
    description: null,
    // The position in the list of models, the lowest first.
    priority: index + 1,
    visibility: 'list',
    supported_in_api: true,
    base_instructions: codexInstructions,
    default_reasoning_level: (levels.find(({ effort }) => effort === 'high') ?? levels.at(-1))?.effort ?? null,
    supported_reasoning_levels: levels,
    supports_reasoning_summary_parameter: true,
    default_reasoning_summary: 'auto',
    support_verbosity: true,
    shell_type: 'unified_exec',
    apply_patch_tool_type: 'freeform',
    web_search_tool_type: 'text',
    // Tools of MCP servers are all offered at once: the models were not trained to search for tools.
    supports_search_tool: false,
    supports_image_detail_original: false,
    experimental_supported_tools: [],
    input_modalities: seesImages(model) ? ['text', 'image'] : ['text'],
    context_window: windowOf(model),
    max_context_window: windowOf(model),
    // What Codex fills before it compacts; the rest is for the reply.
    effective_context_window_percent: 95,
    // How much of the output of a tool is sent, as for Codex's own models.
    truncation_policy: { mode: 'tokens', limit: 10_000 },
  }
}

const descriptions: Record<string, string> = {
  minimal: 'Almost no reasoning',
  low: 'Short reasoning for easy tasks',
  medium: 'Reasoning for everyday tasks',
  high: 'Longer reasoning for hard tasks',
  xhigh: 'Very long reasoning for hard tasks',
  max: 'As much reasoning as the model can do',
}

function reasoningLevels({ efforts = [] }: TargetModel) {
  return efforts.map((effort) => ({ effort, description: descriptions[effort] ?? effort }))
}
