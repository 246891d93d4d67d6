/** What is used of a stream of the process. */
export interface OutputStream {
  /** `done` is called once the text is out, or with what kept it in. */
  write(text: string, done: (error?: Error | null) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Lines that never reached a stream. */
export interface Losses {
  count(): number
  /** `recovered` is called when a stream that lost lines takes them again, with their number since the last call. */
  watch(recovered: (lines: number) => void): void
}

export interface Output {
  write(text: string): void
  losses: Losses
}

/** Characters that may wait for a reader that is slower than what is written, or has stopped reading. */
const maxPending = 1_000_000

/**
 * Writes to a stream that may fail: a full disk, a reader that has left or does not read. What cannot be written is
 * counted and dropped: a program must neither end nor fill its memory because nobody takes its log.
 */
export function output(stream: OutputStream): Output {
  let pending = 0
  let lost = 0
  let untold = 0
  let recovered: (lines: number) => void = () => {}
  // `write` reports the same failure; without a listener the stream would throw it.
  stream.on('error', () => {})

  return {
    write(text) {
      if (pending > maxPending) return lose(text)
      pending += text.length
      try {
        stream.write(text, (error) => {
          pending -= text.length
          if (error) lose(text)
          else tellRecovered()
        })
      } catch {
        pending -= text.length
        lose(text)
      }
    },
    losses: {
      count: () => lost,
      watch(listener) {
        recovered = listener
      },
    },
  }

  function lose(text: string): void {
    const lines = text.split('\n').length - 1
    lost += lines
    untold += lines
  }

  function tellRecovered(): void {
    if (untold === 0) return
    const lines = untold
    untold = 0
    recovered(lines)
  }
}
