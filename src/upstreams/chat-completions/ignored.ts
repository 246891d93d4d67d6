import type { ChatRequest, UserPart } from '../../core/request.ts'
import { sentSampling } from './encode.ts'
import { alwaysReasons, type ChatModel } from './models.ts'
import type { RequestRules } from './profile.ts'

export interface IgnoredFieldsOptions {
  rules: RequestRules
  /** Whether tools can be used with this server at all. */
  tools: boolean
}

/** Names of requested things that the server or the model does not do. */
export function ignoredFields(
  request: ChatRequest,
  model: ChatModel,
  { rules, tools }: IgnoredFieldsOptions,
): string[] {
  const ignoresTools = !tools && request.tools.length > 0
  return [
    ...(ignoresTools ? ['tools'] : []),
    ...(ignoresTools && request.toolChoice !== 'auto' ? ['tool_choice'] : []),
    ...ignoredReasoning(request, model),
    ...ignoredBudget(request, model, rules),
    ...changedSampling(request, model, rules),
    ...(!model.files && request.messages.some((message) => hasPart(message, 'document')) ? ['documents'] : []),
    ...(!model.video && request.messages.some((message) => hasPart(message, 'video')) ? ['videos'] : []),
    ...ignoredSearch(request, rules),
  ]
}

function ignoredReasoning({ reasoning: { mode, effort } }: ChatRequest, model: ChatModel): string[] {
  if (mode === 'off') return alwaysReasons(model) ? ['thinking'] : []
  if (model.reasoning === 'never') return mode === 'on' ? ['thinking'] : []
  return effort !== undefined && model.efforts.length === 0 ? ['reasoning_effort'] : []
}

/** A reasoning budget may be sent as an effort; otherwise it is lost. */
function ignoredBudget({ reasoning }: ChatRequest, model: ChatModel, rules: RequestRules): string[] {
  if (reasoning.budgetTokens === undefined || reasoning.mode === 'off' || model.reasoning === 'never') return []
  const { budgetTokens: _, ...others } = reasoning
  const changesRequest =
    JSON.stringify(rules.reasoning(reasoning, model)) !== JSON.stringify(rules.reasoning(others, model))
  return changesRequest ? [] : ['thinking.budget_tokens']
}

/** Fields that are sent with another value than the requested one. */
function changedSampling(request: ChatRequest, model: ChatModel, rules: RequestRules): string[] {
  const { temperature, topP, maxTokens } = request.sampling
  const sent = sentSampling(request, { model, rules })
  return [
    ...(sent.temperature === temperature ? [] : ['temperature']),
    ...(sent.top_p === topP ? [] : ['top_p']),
    ...(sent.max_tokens === maxTokens ? [] : ['max_tokens']),
  ]
}

function ignoredSearch({ search, searchRules }: ChatRequest, rules: RequestRules): string[] {
  if (!search) return []
  if (rules.webSearch === undefined) return ['web_search']
  const count = searchRules?.options?.count
  return [
    ...((searchRules?.allowedDomains?.length ?? 0) > 1 ? ['web_search.allowed_domains'] : []),
    ...(searchRules?.blockedDomains?.length ? ['web_search.blocked_domains'] : []),
    ...(count !== undefined && (rules.searchResultCount?.(count) ?? count) !== count ? ['web_search.count'] : []),
  ]
}

function hasPart(message: ChatRequest['messages'][number], type: UserPart['type']): boolean {
  return (message.role === 'user' || message.role === 'tool') && message.parts.some((part) => part.type === type)
}
