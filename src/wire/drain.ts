import type { Clock } from '../core/clock.ts'
import type { ByteRange } from '../http-client/byte-range.ts'
import type { ByteStream } from '../http-client/send.ts'

/** The longest wait for the end of a body. */
const maxDrainMs = 1_000

/** Reads and drops the rest of a body after its last delta, so that its connection can serve the next call. */
export function drain(stream: ByteStream, clock: Clock): void {
  const stop = clock.after(maxDrainMs, stream.cancel)
  // The reply is complete, so it does not matter how the body ends.
  const drop = (range: ByteRange | undefined) => {
    if (range) stream.next(drop)
    else stop()
  }
  stream.next(drop)
}
