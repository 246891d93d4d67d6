import { expect, test } from 'bun:test'
import { usageOf } from '../../src/core/usage-counts.ts'

test('cached tokens are a part of the prompt, whatever a server tells', () => {
  const told = (cached_tokens: number) =>
    usageOf({ prompt_tokens: 10, completion_tokens: 3, prompt_tokens_details: { cached_tokens } })
  expect(told(4)).toEqual({ inputTokens: 10, outputTokens: 3, cachedInputTokens: 4 })
  // Anthropic's clients would be told of a prompt of fewer than no tokens.
  expect(told(100_000)).toEqual({ inputTokens: 10, outputTokens: 3, cachedInputTokens: 10 })
})
