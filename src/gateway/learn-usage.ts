import type { Delta, StreamEvent, Usage } from '../core/events.ts'
import type { Machine } from '../core/machine.ts'

/** Hands on the upstream's own usage, once the reply is whole: that of `message-end` may be our estimate. */
export function learnUsage(
  machine: Machine<Delta, StreamEvent>,
  learn: (usage: Usage) => void,
): Machine<Delta, StreamEvent> {
  let usage: Usage | undefined
  return {
    push(delta, out) {
      if (delta.type === 'usage') usage = delta.usage
      machine.push(delta, out)
      if (delta.type === 'finish' && usage && out.at(-1)?.type === 'message-end') learn(usage)
    },
    end: machine.end,
    passes: (kind) => machine.passes?.(kind) ?? false,
  }
}
