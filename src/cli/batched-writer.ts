import type { Clock } from '../core/clock.ts'

/** The longest time that a text waits to be written together with later ones. */
const batchMs = 50
/** In texts. This many log lines are about as much as a pipe holds on Linux (64 KiB). */
const maxPending = 256

/** A text, or a function that is called for it when it is written. */
export type LazyText = string | (() => string)

export interface BatchedWriter {
  write(text: LazyText, mayWait?: boolean): void
  /** Writes all waiting texts. */
  flush(): void
}

/**
 * Writes texts in their order. Texts that may wait are written together, because one write for each would cost a busy
 * server more than all its other work for the log. The first text after 50 ms without a write is written at once.
 */
export function batchedWriter(write: (text: string) => void, clock: Clock): BatchedWriter {
  let waiting: LazyText[] = []
  // True while a timer is running: from a write until 50 ms have passed without a new text.
  let batching = false
  return {
    write(text, mayWait = false) {
      waiting.push(text)
      if (!mayWait || !batching || waiting.length >= maxPending) flush()
      if (!mayWait || batching) return
      batching = true
      clock.after(batchMs, onTimer)
    },
    flush,
  }

  function onTimer(): void {
    batching = waiting.length > 0
    if (!batching) return
    clock.after(batchMs, onTimer)
    flush()
  }

  function flush(): void {
    if (waiting.length === 0) return
    const texts = waiting
    // Cleared before the write: a write that fails may log about it and call this function again.
    waiting = []
    let all = ''
    for (const text of texts) all += typeof text === 'string' ? text : text()
    write(all)
  }
}
