import type { Clock } from './clock.ts'
import type { Delta } from './events.ts'
import type { Source } from './source.ts'

/** UTF-16 units of text that are dealt with in a millisecond or a few, whatever they say. */
const mostAtOnce = 4_096

/** Of one turn of the event loop. */
const longestTurnMs = 4

/**
 * The same deltas, but that long texts come in portions, with others having their turn between two of them: what
 * stands behind looks at each character, and nobody else is answered meanwhile. No character is cut in two.
 */
export function inPortions(source: Source<Delta[]>, clock: Clock): Source<Delta[]> {
  let left: Delta[] = []
  let over = false
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  let turnBeganAt = 0

  return {
    next(hear, direct) {
      waiting = hear
      if (left.length === 0) source.next(heard, direct)
      else if (clock.monotonic() - turnBeganAt < longestTurnMs) give()
      else
        clock.after(0, () => {
          turnBeganAt = clock.monotonic()
          give()
        })
    },
    cancel() {
      over = true
      left = []
      source.cancel()
    },
  }

  function heard(batch: Delta[] | undefined): void {
    if (batch === undefined || isShort(batch)) {
      waiting(batch)
      return
    }
    left = batch.flatMap(portionsOf).reverse()
    turnBeganAt = clock.monotonic()
    give()
  }

  function give(): void {
    const batch: Delta[] = []
    let length = 0
    for (let next = left.at(-1); next && (length === 0 || length + lengthOf(next) <= mostAtOnce); next = left.at(-1)) {
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
  return length <= mostAtOnce
}

function lengthOf(delta: Delta): number {
  return delta.type === 'text' || delta.type === 'reasoning' ? delta.text.length : 0
}

function portionsOf(delta: Delta): Delta[] {
  if ((delta.type !== 'text' && delta.type !== 'reasoning') || delta.text.length <= mostAtOnce) return [delta]
  const portions: Delta[] = []
  for (let at = 0; at < delta.text.length; ) {
    const end = characterEnd(delta.text, at + mostAtOnce)
    portions.push({ ...delta, text: delta.text.slice(at, end) })
    at = end
  }
  return portions
}

/** The place, or the one before it where it stands inside a character of two units. */
function characterEnd(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}
