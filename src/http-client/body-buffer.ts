import { type ByteRange, bytesOf, rangeOf } from './byte-range.ts'
import type { ByteStream } from './send.ts'

/** Receives a body. Only the first `end` or `fail` counts. */
export interface BodySink {
  push(range: ByteRange): void
  end(): void
  fail(cause: unknown): void
}

/** Controls the sender of a body. */
export interface FlowControl {
  pause(): void
  resume(): void
  /** Stops the sender; the rest is not needed. */
  close(): void
}

/** Bytes that are held for a slow reader; beyond this the sender is paused. */
const maxBuffered = 256 * 1024

/** Keeps received bytes until they are read, even if the connection has failed since. */
export function bodyBuffer(flow: FlowControl): { stream: ByteStream; sink: BodySink } {
  let held: ByteRange[] = []
  let size = 0
  let ending: { failure?: { cause: unknown } } | undefined
  let waiting: Parameters<ByteStream['next']>[0] | undefined

  return {
    stream: {
      next(onRange) {
        waiting = onRange
        deliver()
      },
      cancel() {
        held = []
        finish({})
        flow.close()
      },
    },
    sink: { push, end: () => finish({}), fail: (cause) => finish({ failure: { cause } }) },
  }

  function push(range: ByteRange): void {
    if (ending) return
    if (waiting && held.length === 0) {
      const onRange = waiting
      waiting = undefined
      onRange(range)
      return
    }
    held.push(range)
    const before = size
    size += range.end - range.start
    if (before <= maxBuffered && size > maxBuffered) flow.pause()
    deliver()
  }

  function finish(how: { failure?: { cause: unknown } }): void {
    ending ??= how
    deliver()
  }

  function deliver(): void {
    const onRange = waiting
    const [first] = held
    if (onRange === undefined || (first === undefined && ending === undefined)) return
    waiting = undefined
    if (first === undefined) {
      onRange(undefined, ending?.failure)
      return
    }
    const all = held.length === 1 ? first : rangeOf(Buffer.concat(held.map(bytesOf)))
    held = []
    if (size > maxBuffered) flow.resume()
    size = 0
    onRange(all)
  }
}
