import type { Delta } from '../core/events.ts'
import { streamNormaliser } from '../core/stream-normaliser.ts'
import type { ListedModel } from '../core/upstream.ts'
import type { GatewayCall } from './start-call.ts'

/** An empty reply under the name of a model, without a call of its upstream. */
export function emptyReply({ id, defaultTemperature }: ListedModel): GatewayCall {
  const transform = streamNormaliser({ newToolCallId: () => '', inputTokens: 0, countTokens: () => 0 })
  const first: Delta[] = [
    { type: 'usage', usage: { inputTokens: 0, outputTokens: 0 } },
    { type: 'finish', reason: 'stop' },
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
