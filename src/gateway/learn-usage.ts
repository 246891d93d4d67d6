import type { Delta, StreamEvent, Usage } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'

/**
 * Passes the upstream's own usage to `learn`, the token meter, once a reply is complete. The usage in `message-end` is
 * no substitute, because it may be the gateway's estimate.
 */
export function learnUsage(
  transform: Transform<Delta, StreamEvent>,
  learn: (usage: Usage) => void,
): Transform<Delta, StreamEvent> {
  let usage: Usage | undefined
  return {
    push(delta, out) {
      if (delta.type === 'usage') usage = delta.usage
      transform.push(delta, out)
      if (delta.type === 'finish' && usage && out.at(-1)?.type === 'message-end') learn(usage)
    },
    end: transform.end,
    passthrough: (kind) => transform.passthrough?.(kind) ?? false,
  }
}
