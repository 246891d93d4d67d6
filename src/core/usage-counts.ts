import type { Usage } from './events.ts'

/** Token counts as OpenAI and compatible servers send them. Any field may be missing or null. */
export interface UsageCounts {
  prompt_tokens?: number | null | undefined
  completion_tokens?: number | null | undefined
  prompt_tokens_details?: { cached_tokens?: number | null | undefined } | null | undefined
  completion_tokens_details?: { reasoning_tokens?: number | null | undefined } | null | undefined
}

/**
 * The counts as `Usage`; in both, input tokens include cached ones, so a server that tells more of those is not believed.
 * Zeros mean that the server has not counted yet: `undefined`.
 */
export function usageOf(counts: UsageCounts | null | undefined): Usage | undefined {
  const inputTokens = counts?.prompt_tokens ?? 0
  const outputTokens = counts?.completion_tokens ?? 0
  if (inputTokens === 0 && outputTokens === 0) return undefined
  const cachedInputTokens = counts?.prompt_tokens_details?.cached_tokens
  const reasoningTokens = counts?.completion_tokens_details?.reasoning_tokens
  const usage: Usage = { inputTokens, outputTokens }
  if (typeof cachedInputTokens === 'number') usage.cachedInputTokens = Math.min(cachedInputTokens, inputTokens)
  if (typeof reasoningTokens === 'number') usage.reasoningTokens = reasoningTokens
  return usage
}

export function usageSum(one: Usage, other: Usage): Usage {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cachedInputTokens: (one.cachedInputTokens ?? 0) + (other.cachedInputTokens ?? 0),
    reasoningTokens: (one.reasoningTokens ?? 0) + (other.reasoningTokens ?? 0),
  }
}
