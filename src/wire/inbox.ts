import type { Body } from './http.ts'

/** What becomes of a body. Only the first ending counts. */
export interface Sink {
  push(piece: Uint8Array): void
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

/** Keeps what has come until it is read, also when the connection has failed since. */
export function inbox(flow: Flow): { body: Body; sink: Sink } {
  let pieces: Uint8Array[] = []
  let size = 0
  let ending: { cause?: unknown } | undefined
  let wake = () => {}

  return {
    body: { getReader: () => ({ read, cancel }) },
    sink: { push, end: () => settle({}), fail: (cause) => settle({ cause }) },
  }

  async function read(): Promise<{ done: boolean; value?: Uint8Array }> {
    // All that one network read brings is here before the promise of its first piece is heard.
    if (pieces.length === 0 && ending === undefined)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    const [first] = pieces
    if (first === undefined) {
      if (ending !== undefined && 'cause' in ending) throw ending.cause
      return { done: true }
    }
    const value = pieces.length === 1 ? first : Buffer.concat(pieces)
    pieces = []
    if (size > most) flow.resume()
    size = 0
    return { done: false, value }
  }

  async function cancel(): Promise<void> {
    pieces = []
    settle({})
    flow.close()
  }

  function push(piece: Uint8Array): void {
    if (ending) return
    pieces.push(piece)
    const before = size
    size += piece.byteLength
    if (before <= most && size > most) flow.pause()
    wake()
  }

  function settle(how: { cause?: unknown }): void {
    ending ??= how
    wake()
  }
}
