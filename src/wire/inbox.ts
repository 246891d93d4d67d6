import type { Pieces } from './http.ts'
import { type ByteRange, bytesOf, rangeOf } from './piece.ts'

/** What becomes of a body. Only the first ending counts. */
export interface Sink {
  push(piece: ByteRange): void
  end(): void
  fail(cause: unknown): void
}

/** Where the pieces come from. */
export interface Flow {
  pause(): void
  resume(): void
  /** Nobody wants the rest. */
  close(): void
}

/** Held for a reader who is late; beyond it the sender has to wait. */
const most = 256 * 1024

/** Keeps what has come until it is asked for, also when the connection has failed since. */
export function inbox(flow: Flow): { pieces: Pieces; sink: Sink } {
  let held: ByteRange[] = []
  let size = 0
  let ending: { failure?: { cause: unknown } } | undefined
  let asked: Parameters<Pieces['next']>[0] | undefined

  return {
    pieces: {
      next(hear) {
        asked = hear
        tell()
      },
      cancel() {
        held = []
        settle({})
        flow.close()
      },
    },
    sink: { push, end: () => settle({}), fail: (cause) => settle({ failure: { cause } }) },
  }

  function push(piece: ByteRange): void {
    if (ending) return
    if (asked && held.length === 0) {
      const hear = asked
      asked = undefined
      hear(piece)
      return
    }
    held.push(piece)
    const before = size
    size += piece.end - piece.start
    if (before <= most && size > most) flow.pause()
    tell()
  }

  function settle(how: { failure?: { cause: unknown } }): void {
    ending ??= how
    tell()
  }

  function tell(): void {
    const hear = asked
    const [first] = held
    if (hear === undefined || (first === undefined && ending === undefined)) return
    asked = undefined
    if (first === undefined) {
      hear(undefined, ending?.failure)
      return
    }
    const all = held.length === 1 ? first : rangeOf(Buffer.concat(held.map(bytesOf)))
    held = []
    if (size > most) flow.resume()
    size = 0
    hear(all)
  }
}
