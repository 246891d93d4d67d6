import type { CallMeter } from './call-meter.ts'
import type { Delta } from './events.ts'
import type { OpenedReply } from './upstream.ts'

/**
 * Counts a reply by its deltas, for an upstream that does not count what it receives. Such a reply is never written
 * directly, because directly written text is not in its batches.
 */
export function meteredReply({ first, rest }: OpenedReply, meter: CallMeter): OpenedReply {
  meter.sent()
  for (const delta of first) count(delta)
  return {
    first,
    rest: {
      next: (onBatch) =>
        rest.next((batch) => {
          for (const delta of batch ?? []) count(delta)
          onBatch(batch)
        }),
      cancel: rest.cancel,
    },
  }

  function count(delta: Delta): void {
    switch (delta.type) {
      case 'text':
      case 'reasoning':
        meter.wrote(delta.text)
        break
      case 'tool-call':
        meter.wrote((delta.name ?? '') + (delta.arguments ?? ''))
        break
      case 'usage':
        meter.reported(delta.usage)
        break
      case 'finish':
        meter.finished()
        break
      case 'server-tool':
      case 'error':
        break
      default:
        delta satisfies never
    }
  }
}
