import { GatewayError } from '../core/errors.ts'
import type { RequestRecord } from '../observe/record.ts'

/**
 * The error for requests that arrive during the shutdown or still wait for an upstream. Another gateway, or this one
 * after its restart, may serve them.
 */
export function shuttingDown(): GatewayError {
  return new GatewayError('overloaded', 'This gateway is shutting down. Try again in a few seconds.', {
    code: 'shutting_down',
    retryAfterMs: 5_000,
  })
}

/** The error for replies that are incomplete when the time is over. */
export function cutShort(): GatewayError {
  return new GatewayError('overloaded', 'This gateway was shut down before the answer was complete. Ask again.', {
    code: 'shutting_down',
    retryAfterMs: 5_000,
  })
}

/**
 * Settles like `waiting`, or rejects as soon as the reply of `record` has to end, and then calls `abort` to stop the
 * work.
 */
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
