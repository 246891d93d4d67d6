import type { ChatRequest } from '../../src/core/request.ts'

/** A request that asks for nothing in particular, but for what `more` says. */
export function plainRequest(more: Partial<ChatRequest> = {}): ChatRequest {
  return {
    model: 'GLM-4.7',
    messages: [],
    tools: [],
    toolChoice: 'auto',
    parallelToolCalls: true,
    sampling: {},
    reasoning: { mode: 'default' },
    output: { type: 'text' },
    search: false,
    ignored: [],
    ...more,
  }
}
