import type { ChatRequest, UserPart } from '../../core/request.ts'
import { sentSampling } from './encode.ts'
import { alwaysThinks, type ChatModel } from './models.ts'
import type { RequestRules } from './profile.ts'

export interface IgnoredFieldsOptions {
  rules: RequestRules
  /** Whether models may be offered tools at all. */
  tools: boolean
}

/** Names of what a request asks that the server or the model does not do. */
export function ignoredFields(
  request: ChatRequest,
  model: ChatModel,
  { rules, tools }: IgnoredFieldsOptions,
): string[] {
  const toolsLost = !tools && request.tools.length > 0
  return [
    ...(toolsLost ? ['tools'] : []),
    ...(toolsLost && request.toolChoice !== 'auto' ? ['tool_choice'] : []),
    ...reasoningLost(request, model),
    ...budgetLost(request, model, rules),
    ...changedSampling(request, model, rules),
    ...(request.messages.some((message) => hasPart(message, 'document')) && !model.files ? ['documents'] : []),
    ...(request.messages.some((message) => hasPart(message, 'video')) && !model.video ? ['videos'] : []),
    ...searchLimits(request, rules),
  ]
}

function reasoningLost({ reasoning: { mode, effort } }: ChatRequest, model: ChatModel): string[] {
  if (mode === 'off') return alwaysThinks(model) ? ['thinking'] : []
  if (model.reasoning === 'never') return mode === 'on' ? ['thinking'] : []
  return effort !== undefined && model.efforts.length === 0 ? ['reasoning_effort'] : []
}

/** A budget may become an effort; of the others nothing is left. */
function budgetLost({ reasoning }: ChatRequest, model: ChatModel, rules: RequestRules): string[] {
  const { budgetTokens, ...others } = reasoning
  if (budgetTokens === undefined || reasoning.mode === 'off' || model.reasoning === 'never') return []
  const isTold = JSON.stringify(rules.reasoning(reasoning, model)) !== JSON.stringify(rules.reasoning(others, model))
  return isTold ? [] : ['thinking.budget_tokens']
}

/** What is sent as another value than the one that was asked for. */
function changedSampling(request: ChatRequest, model: ChatModel, rules: RequestRules): string[] {
  const { temperature, topP, maxTokens } = request.sampling
  const sent = sentSampling(request, { model, rules })
  return [
    ...(sent.temperature === temperature ? [] : ['temperature']),
    ...(sent.top_p === topP ? [] : ['top_p']),
    ...(sent.max_tokens === maxTokens ? [] : ['max_tokens']),
  ]
}

function searchLimits({ search, searchRules }: ChatRequest, rules: RequestRules): string[] {
  if (!search) return []
  if (rules.webSearch === undefined) return ['web_search']
  return [
    ...((searchRules?.allowedDomains?.length ?? 0) > 1 ? ['web_search.allowed_domains'] : []),
    ...(searchRules?.blockedDomains?.length ? ['web_search.blocked_domains'] : []),
  ]
}

function hasPart(message: ChatRequest['messages'][number], type: UserPart['type']): boolean {
  return (message.role === 'user' || message.role === 'tool') && message.parts.some((part) => part.type === type)
}
