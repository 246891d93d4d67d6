import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { GatewayError } from '../core/errors.ts'

/** A thread needs two or three; the others allow for files opened in the meantime. */
const neededByThread = 8

/**
 * Checks that a thread can start: Bun 1.4.5 ends the whole process if a new thread gets no file descriptor for its
 * event loop. Costs a few microseconds.
 * Errors: those of `outOfDescriptors`.
 */
export function needDescriptorsForThread(): void {
  const opened: number[] = []
  try {
    while (opened.length < neededByThread) opened.push(openSync(devNull, 'r'))
  } catch (cause) {
    throw outOfDescriptors(cause)
  } finally {
    for (const descriptor of opened) closeSync(descriptor)
  }
}

export function outOfDescriptors(cause: unknown): GatewayError {
  return new GatewayError(
    'overloaded',
    'This gateway has no file descriptor left. Raise its limit (ulimit -n; LimitNOFILE in systemd), or send fewer requests at a time.',
    { code: 'out_of_file_descriptors', retryAfterMs: 2_000, cause },
  )
}
