import type { TextKind, Usage } from './events.ts'

/** An estimate of the usage, for upstreams that never send it. */
export interface UsageEstimate {
  addText(kind: TextKind, text: string): void
  addCall(name: string, args: string): void
  usage(): Usage
}

export function usageEstimate(inputTokens: number, countTokens: (text: string) => number): UsageEstimate {
  let outputTokens = 0
  let reasoningTokens = 0

  return {
    addText(kind, text) {
      const tokens = countTokens(text)
      outputTokens += tokens
      if (kind === 'reasoning') reasoningTokens += tokens
    },
    addCall(name, args) {
      outputTokens += countTokens(name) + countTokens(args)
    },
    usage: () => ({ inputTokens, outputTokens, ...(reasoningTokens > 0 ? { reasoningTokens } : {}) }),
  }
}
