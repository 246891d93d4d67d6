import type { FinishReason } from '../core/events.ts'
import { streamNormaliser } from '../core/stream-normaliser.ts'
import type { ListedModel } from '../core/upstream.ts'
import type { GatewayCall } from './index.ts'

const reason: FinishReason = 'stop'

/** An empty reply in the name of a model, which is not asked. */
export function emptyCall({ id, defaultTemperature }: ListedModel): GatewayCall {
  const transform = streamNormaliser({ newToolCallId: () => '', inputTokens: 0, countTokens: () => 0 })
  const first = [
    { type: 'usage' as const, usage: { inputTokens: 0, outputTokens: 0 } },
    { type: 'finish' as const, reason },
  ]
  return {
    upstream: undefined,
    model: id,
    defaultTemperature,
    ignored: [],
    isFinal: true,
    reasoningByName: false,
    reply: Promise.resolve({ first, rest: { next: (onBatch) => onBatch(undefined), cancel() {} }, transform }),
  }
}
