import type { Usage } from './events.ts'

/** Tokens as OpenAI counts them, and every server that speaks its language. Any field may be missing or null. */
export interface UsageCounts {
  prompt_tokens?: number | null | undefined
  completion_tokens?: number | null | undefined
  prompt_tokens_details?: { cached_tokens?: number | null | undefined } | null | undefined
  completion_tokens_details?: { reasoning_tokens?: number | null | undefined } | null | undefined
}

/** The counts as `Usage`, whose input tokens include the cached ones, too; `undefined` for a count not made yet. */
export function usageOf(counts: UsageCounts | null | undefined): Usage | undefined {
  const inputTokens = counts?.prompt_tokens ?? 0
  const outputTokens = counts?.completion_tokens ?? 0
  if (inputTokens === 0 && outputTokens === 0) return undefined
  const cachedInputTokens = counts?.prompt_tokens_details?.cached_tokens
  const reasoningTokens = counts?.completion_tokens_details?.reasoning_tokens
  return {
    inputTokens,
    outputTokens,
    ...(typeof cachedInputTokens === 'number' ? { cachedInputTokens } : {}),
    ...(typeof reasoningTokens === 'number' ? { reasoningTokens } : {}),
  }
}
