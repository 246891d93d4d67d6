import { GatewayError } from '../core/errors.ts'
import type { StreamEvent } from '../core/events.ts'
import type { Source } from '../core/source.ts'
import type { RequestRecord } from '../observe/record.ts'

/** For whoever comes too late or still waits for an upstream: another gateway, or this one started anew, may serve it. */
export function shuttingDown(): GatewayError {
  return new GatewayError('overloaded', 'This gateway is shutting down. Try again in a few seconds.', {
    code: 'shutting_down',
    retryAfterMs: 5_000,
  })
}

/** For replies that are not complete when there is no more time. */
export function cutShort(): GatewayError {
  return new GatewayError('overloaded', 'This gateway was shut down before the answer was complete. Ask again.', {
    code: 'shutting_down',
    retryAfterMs: 5_000,
  })
}

/** Settles as `waiting` does, or rejects as soon as the reply of `record` has to end: then `abort` stops the work. */
export function unlessEnded<Value>(
  record: RequestRecord,
  waiting: Promise<Value>,
  abort: () => void = () => {},
): Promise<Value> {
  return new Promise((resolve, reject) => {
    record.end = (error) => {
      reject(error)
      abort()
    }
    waiting.then(resolve, reject)
  })
}

/** The same events until the reply of `record` has to end: the error is then the last of them. */
export function endable(record: RequestRecord, source: Source<StreamEvent[]>): Source<StreamEvent[]> {
  let waiting: ((batch: StreamEvent[] | undefined) => void) | undefined
  let lastBatch: StreamEvent[] | undefined
  let isOver = false
  record.end = (error) => {
    lastBatch = [{ type: 'error', error }]
    isOver = true
    source.cancel()
    if (waiting !== undefined) deliver(takeLast())
  }
  return {
    next(listener, fast) {
      waiting = listener
      if (isOver) deliver(takeLast())
      else source.next(deliver, fast)
    },
    cancel: () => source.cancel(),
  }

  function takeLast(): StreamEvent[] | undefined {
    const batch = lastBatch
    lastBatch = undefined
    return batch
  }

  /** Called once for each question: with the next batch or with the end, whichever is first. */
  function deliver(batch: StreamEvent[] | undefined): void {
    const listener = waiting
    waiting = undefined
    listener?.(batch)
  }
}
