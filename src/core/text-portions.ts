import type { BatchStream } from './batch-stream.ts'
import type { Clock } from './clock.ts'
import type { Delta } from './events.ts'

/** UTF-16 units of text that take at most a few milliseconds to process, whatever they contain. */
const maxPortionLength = 4_096

/** Longest work in one turn of the event loop. */
const maxTurnMs = 4

/**
 * Splits long texts into portions and lets other requests run between them. The transforms behind it look at each
 * character, and no other request is answered meanwhile. A character of two UTF-16 units is never split.
 */
export function inPortions(stream: BatchStream<Delta[]>, clock: Clock): BatchStream<Delta[]> {
  let left: Delta[] = []
  let over = false
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  let turnBeganAt = 0

  return {
    next(onBatch, writer) {
      waiting = onBatch
      if (left.length === 0) stream.next(split, writer)
      else if (clock.monotonic() - turnBeganAt < maxTurnMs) deliver()
      else
        clock.after(0, () => {
          turnBeganAt = clock.monotonic()
          deliver()
        })
    },
    cancel() {
      over = true
      left = []
      stream.cancel()
    },
  }

  function split(batch: Delta[] | undefined): void {
    if (batch === undefined || isShort(batch)) {
      waiting(batch)
      return
    }
    left = batch.flatMap(portionsOf).reverse()
    turnBeganAt = clock.monotonic()
    deliver()
  }

  function deliver(): void {
    const batch: Delta[] = []
    let length = 0
    for (
      let next = left.at(-1);
      next && (length === 0 || length + lengthOf(next) <= maxPortionLength);
      next = left.at(-1)
    ) {
      batch.push(next)
      length += lengthOf(next)
      left.pop()
    }
    waiting(over ? undefined : batch)
  }
}

function isShort(batch: readonly Delta[]): boolean {
  let length = 0
  for (const delta of batch) length += lengthOf(delta)
  return length <= maxPortionLength
}

function lengthOf(delta: Delta): number {
  return delta.type === 'text' || delta.type === 'reasoning' ? delta.text.length : 0
}

function portionsOf(delta: Delta): Delta[] {
  if ((delta.type !== 'text' && delta.type !== 'reasoning') || delta.text.length <= maxPortionLength) return [delta]
  const portions: Delta[] = []
  for (let at = 0; at < delta.text.length; ) {
    const end = characterEnd(delta.text, at + maxPortionLength)
    portions.push({ ...delta, text: delta.text.slice(at, end) })
    at = end
  }
  return portions
}

/** `at`, or one less if `at` is inside a character of two units. */
function characterEnd(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}
