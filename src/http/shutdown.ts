import { GatewayError } from '../core/errors.ts'
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
