/** An incoming HTTP/1.1 message of any framing. */
export interface MessageReader {
  /** Bytes of the connection. What lies behind the end of the message stays for the next one. */
  push(bytes: Buffer): void
}

export interface MessageEvents {
  /** The first line and the header lines, lower case. */
  onHead(head: string): void
  onBody(bytes: Buffer): void
  onEnd(): void
}

type State =
  | { at: 'head' }
  | { at: 'length'; left: number }
  | { at: 'chunk-size' }
  | { at: 'chunk'; left: number }
  | { at: 'chunk-end' }
  | { at: 'trailer' }

/** Reads messages one after the other: `Content-Length`, `chunked`, or no body. Rejects nothing; garbage never ends. */
export function messageReader(events: MessageEvents): MessageReader {
  let state: State = { at: 'head' }
  // The beginning of an incomplete line.
  let held: Buffer | undefined

  return {
    push(bytes) {
      let rest = held ? Buffer.concat([held, bytes]) : bytes
      held = undefined
      while (rest.length > 0) {
        const next = step(rest)
        if (next === undefined) {
          held = rest
          return
        }
        rest = next
      }
    },
  }

  /** What is left, or `undefined` when more bytes are needed. */
  function step(bytes: Buffer): Buffer | undefined {
    switch (state.at) {
      case 'head': {
        const end = bytes.indexOf('\r\n\r\n')
        if (end < 0) return undefined
        const head = bytes.toString('latin1', 0, end).toLowerCase()
        const length = Number(/\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0)
        events.onHead(head)
        if (/\ntransfer-encoding: *chunked/.test(head)) state = { at: 'chunk-size' }
        else if (length > 0) state = { at: 'length', left: length }
        else events.onEnd()
        return bytes.subarray(end + 4)
      }
      case 'length':
      case 'chunk': {
        const part = bytes.subarray(0, state.left)
        state.left -= part.length
        events.onBody(part)
        if (state.left === 0) {
          if (state.at === 'chunk') state = { at: 'chunk-end' }
          else over()
        }
        return bytes.subarray(part.length)
      }
      case 'chunk-end':
        if (bytes.length < 2) return undefined
        state = { at: 'chunk-size' }
        return bytes.subarray(2)
      case 'chunk-size': {
        const end = bytes.indexOf('\r\n')
        if (end < 0) return undefined
        const left = Number.parseInt(bytes.toString('latin1', 0, end), 16)
        state = left === 0 ? { at: 'trailer' } : { at: 'chunk', left }
        return bytes.subarray(end + 2)
      }
      case 'trailer': {
        const end = bytes.indexOf('\r\n')
        if (end < 0) return undefined
        if (end === 0) over()
        return bytes.subarray(end + 2)
      }
      default:
        return state satisfies never
    }
  }

  function over(): void {
    state = { at: 'head' }
    events.onEnd()
  }
}
