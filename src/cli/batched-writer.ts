import type { Clock } from '../core/clock.ts'

/** How long a text waits at most for those that come after it. */
const batchMs = 50
/** Texts; as lines of a log they are about as much as a pipe of Linux holds. */
const maxPending = 256

/** Asked for when it is written. */
export type Text = string | (() => string)

export interface BatchedWriter {
  write(text: Text, mayWait?: boolean): void
  /** Writes what waits. */
  flush(): void
}

/**
 * Writes texts in their order, those that may wait together with what comes meanwhile: a write each would cost a busy
 * server more than all else that it does for its log. After a quiet moment nothing waits.
 */
export function batchedWriter(write: (text: string) => void, clock: Clock): BatchedWriter {
  let waiting: Text[] = []
  // Since the last write, until a moment has gone by without another one.
  let resting = false
  return {
    write(text, mayWait = false) {
      waiting.push(text)
      if (!mayWait || !resting || waiting.length >= maxPending) flush()
      if (!mayWait || resting) return
      resting = true
      clock.after(batchMs, rested)
    },
    flush,
  }

  function rested(): void {
    resting = waiting.length > 0
    if (!resting) return
    clock.after(batchMs, rested)
    flush()
  }

  function flush(): void {
    if (waiting.length === 0) return
    const texts = waiting
    // First, for a write that fails may have something to say about it.
    waiting = []
    let all = ''
    for (const text of texts) all += typeof text === 'string' ? text : text()
    write(all)
  }
}
