/** The part of a process stream that is used here. */
export interface OutputStream {
  /** `done` is called once the text is written, or with the error. */
  write(text: string, done: (error?: Error | null) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Lines that could not be written to a stream. */
export interface Losses {
  count(): number
  /** `recovered` is called at the first successful write after losses, with the number of lines lost since the last call. */
  watch(recovered: (lines: number) => void): void
}

export interface Output {
  write(text: string): void
  losses: Losses
}

/** Characters that may wait for a reader that is too slow or has stopped reading. */
const maxPending = 1_000_000

/**
 * Writes to a stream that may fail because the disk is full or because its reader has left or does not read. Text that
 * cannot be written is dropped and counted: a log without a reader must neither end the program nor fill its memory.
 */
export function output(stream: OutputStream): Output {
  let pending = 0
  let lost = 0
  let unreported = 0
  let recovered: (lines: number) => void = () => {}
  // The callback of `write` reports the same error. Without a listener the stream would throw it.
  stream.on('error', () => {})

  return {
    write(text) {
      if (pending > maxPending) return lose(text)
      pending += text.length
      try {
        stream.write(text, (error) => {
          pending -= text.length
          if (error) lose(text)
          else reportRecovery()
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
    unreported += lines
  }

  function reportRecovery(): void {
    if (unreported === 0) return
    const lines = unreported
    unreported = 0
    recovered(lines)
  }
}
