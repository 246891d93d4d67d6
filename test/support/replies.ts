import type { BatchStream } from '../../src/core/batch-stream.ts'
import type { Delta, StreamEvent } from '../../src/core/events.ts'
import { pipeline, type ReplyStream } from '../../src/core/pipeline.ts'
import type { OpenedReply } from '../../src/core/upstream.ts'

/** An opened reply of these batches. */
export function replyOf(batches: readonly (readonly Delta[])[]): OpenedReply {
  const left = batches.map((batch) => [...batch])
  return { first: [], rest: { next: (onBatch) => onBatch(left.shift()), cancel() {} } }
}

/** An opened reply as one stream, from its first delta on. */
export function fromTheStart({ first, rest }: OpenedReply): BatchStream<Delta[]> {
  let held: Delta[] | undefined = first
  return {
    next(onBatch, direct) {
      const batch = held
      held = undefined
      if (batch === undefined) rest.next(onBatch, direct)
      else onBatch(batch)
    },
    cancel() {
      held = undefined
      rest.cancel()
    },
  }
}

/** All deltas of a reply. */
export function eventsIn(reply: ReplyStream): Promise<StreamEvent[]> {
  const events: StreamEvent[] = []
  return new Promise((resolve, reject) => {
    const pipe = pipeline({
      encoder: { push: (event) => void events.push(event), end() {} },
      onEvent: (event) => event,
      writeDirectly: () => 'catch up',
      onBroken: reject,
    })
    pipe.begin(reply)
    pipe.next(() => resolve(events))
  })
}
