import { constants, openSync, writeSync } from 'node:fs'
import type { Clock } from '../core/clock.ts'
import type { OutputStream } from './output.ts'

/** How often a terminal that takes nothing is tried again. */
const retryMs = 100

/**
 * The terminal behind a file descriptor, as a stream that never blocks; `undefined` where it cannot be opened anew, which
 * only Linux allows.
 *
 * Writes to a terminal wait in the system while its user has stopped it by Ctrl-S, or while the connection to it is stuck,
 * and the whole program with them. It is opened a second time, so that other programs at the terminal do not notice.
 */
export function terminalStream(fd: number, clock: Clock): OutputStream | undefined {
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
    const own = openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
    return patientStream((bytes) => writeSync(own, bytes), clock)
  } catch {
    return undefined
  }
}

/** `write` returns how many bytes it took, and throws `EAGAIN` if it takes none at present. */
export function patientStream(write: (bytes: Uint8Array) => number, clock: Clock): OutputStream {
  const waiting: { bytes: Uint8Array; done: (error?: Error | null) => void }[] = []
  let isStuck = false
  return {
    write(text, done) {
      waiting.push({ bytes: new TextEncoder().encode(text), done })
      if (!isStuck) writeOut()
    },
    on() {}, // errors are passed to `done` alone
  }

  function writeOut(): void {
    isStuck = false
    for (let first = waiting[0]; first !== undefined; first = waiting[0])
      try {
        first.bytes = first.bytes.subarray(write(first.bytes))
        if (first.bytes.length > 0) continue
        waiting.shift()
        first.done()
      } catch (thrown) {
        if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EAGAIN') {
          isStuck = true
          clock.after(retryMs, writeOut)
          return
        }
        waiting.shift()
        first.done(thrown instanceof Error ? thrown : new Error(String(thrown)))
      }
  }
}
