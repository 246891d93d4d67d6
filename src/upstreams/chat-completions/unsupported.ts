import type { ChatRequest, UserPart } from '../../core/request.ts'
import { alwaysThinks, type ChatModel } from './models.ts'
import type { RequestRules } from './profile.ts'

export interface UnsupportedOptions {
  rules: RequestRules
  /** Whether models may be offered tools at all. */
  tools: boolean
}

/** Names of what a request asks that the server or the model does not do. */
export function unsupported(request: ChatRequest, model: ChatModel, { rules, tools }: UnsupportedOptions): string[] {
  const toolsLost = !tools && request.tools.length > 0
  const { temperature = 0 } = request.sampling
  return [
    ...(toolsLost ? ['tools'] : []),
    ...(toolsLost && request.toolChoice !== 'auto' ? ['tool_choice'] : []),
    ...reasoningLost(request, model),
    // It is sent as the most that the server takes.
    ...(temperature > rules.maxTemperature ? ['temperature'] : []),
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
