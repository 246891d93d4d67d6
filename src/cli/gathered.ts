import type { Clock } from '../core/clock.ts'

/** How long a text waits at most for those that come after it. */
const gatherMs = 50
/** Characters; a pipe of Linux holds as many bytes. */
const mostWaiting = 65_536

export interface Gathered {
  write(text: string, mayWait?: boolean): void
  /** Writes what waits. */
  flush(): void
}

/**
 * Writes texts in their order, those that may wait together with what comes meanwhile: a write each would cost a busy
 * server more than all else that it does for its log. After a quiet moment nothing waits.
 */
export function gathered(write: (text: string) => void, clock: Clock): Gathered {
  let waiting = ''
  // Since the last write, until a moment has gone by without another one.
  let resting = false
  return {
    write(text, mayWait = false) {
      waiting += text
      if (!mayWait || !resting || waiting.length >= mostWaiting) flush()
      if (!mayWait || resting) return
      resting = true
      clock.after(gatherMs, rested)
    },
    flush,
  }

  function rested(): void {
    resting = waiting !== ''
    if (!resting) return
    clock.after(gatherMs, rested)
    flush()
  }

  function flush(): void {
    if (waiting === '') return
    const texts = waiting
    // First, for a write that fails may have something to say about it.
    waiting = ''
    write(texts)
  }
}
