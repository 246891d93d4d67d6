import type { Delta } from '../core/events.ts'
import { streamNormaliser } from '../core/stream-normaliser.ts'
import type { ListedModel } from '../core/upstream.ts'
import type { GatewayCall } from './start-call.ts'

/** The empty reply to a request that no model has to answer: see `Decoded.isEmpty`. No upstream is called. */
export function replyWithoutCall({ id, defaultTemperature }: ListedModel): GatewayCall {
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
