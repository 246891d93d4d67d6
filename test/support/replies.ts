import type { BatchStream } from '../../src/core/batch-stream.ts'
import type { Delta, StreamEvent } from '../../src/core/events.ts'
import { pipeline, type ReplyStream } from '../../src/core/pipeline.ts'
import type { Model, OpenedReply, Upstream } from '../../src/core/upstream.ts'

/** A model that can nothing but write. */
export const plainModel: Model = {
  id: 'GLM-4.5',
  upstreamId: 'x',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'never',
  search: false,
}

/** An upstream of `plainModel` that replies with these deltas, each in a batch of its own, whatever it is asked. */
export function replyingWith(deltas: () => readonly Delta[]): Upstream {
  return {
    id: 'scripted',
    models: async () => [plainModel],
    ignored: () => [],
    check: async () => {},
    open: async () => replyOf(deltas().map((delta) => [delta])),
  }
}

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
