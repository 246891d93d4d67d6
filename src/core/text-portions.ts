import type { BatchStream } from './batch-stream.ts'
import { characterEnd } from './character-end.ts'
import type { Clock } from './clock.ts'
import type { Delta } from './events.ts'

/** UTF-16 units of text that take at most a few milliseconds to process, whatever they contain. */
const maxPortionLength = 4_096
/** The same of the arguments of a call, which fewer transforms look at. */
const maxArgumentsLength = 65_536
const argumentsWeight = maxPortionLength / maxArgumentsLength

/** Longest work in one turn of the event loop. */
const maxTurnMs = 4

/**
 * Splits long texts and arguments into portions and lets other requests run between them. The transforms behind it look at each
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

/** In units of text. */
function lengthOf(delta: Delta): number {
  if (delta.type === 'text' || delta.type === 'reasoning') return delta.text.length
  return delta.type === 'tool-call' ? (delta.arguments?.length ?? 0) * argumentsWeight : 0
}

function portionsOf(delta: Delta): Delta[] {
  if (lengthOf(delta) <= maxPortionLength) return [delta]
  if (delta.type === 'text' || delta.type === 'reasoning')
    return cut(delta.text, maxPortionLength).map((text) => ({ ...delta, text }))
  if (delta.type !== 'tool-call') return [delta]
  const { type, key, arguments: args = '' } = delta
  const [first, ...others] = cut(args, maxArgumentsLength)
  const begun = first === undefined ? delta : { ...delta, arguments: first }
  return [begun, ...others.map((piece) => ({ type, key, arguments: piece }))]
}

function cut(text: string, length: number): string[] {
  const pieces: string[] = []
  for (let at = 0; at < text.length; ) {
    const end = characterEnd(text, at + length)
    pieces.push(text.slice(at, end))
    at = end
  }
  return pieces
}
