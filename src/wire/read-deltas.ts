import type { Clock } from '../core/clock.ts'
import type { Delta, TextKind } from '../core/events.ts'
import { type ByteRange, restOf } from '../http-client/byte-range.ts'
import type { EventParser, PayloadReader } from './event-parser.ts'
import { concatenateMatches, type EventTemplate, matchedTexts, matchTemplate, unescaped } from './event-template.ts'
import type { PartialEvent } from './partial-event.ts'

export interface ReadDeltasOptions {
  decoder: PayloadReader
  parser: EventParser
  partial: PartialEvent
  clock: Clock
  /** The client gets the reply in one piece, so the events of one read may become one delta. */
  whole: boolean
}

/**
 * Turns the bytes of one network read into deltas and appends them to `batch`. It uses the template if the decoder has
 * one, otherwise the parser. It stops early, and returns the rest, in two cases: at `until` (milliseconds of the
 * monotonic clock), and after the first text of a kind, so that the receiver of that text may offer to write the rest
 * directly.
 */
export type ReadDeltas = (range: ByteRange, batch: Delta[], until: number) => ByteRange | undefined

export function deltaReader({ decoder, parser, partial, clock, whole }: ReadDeltasOptions): ReadDeltas {
  // The kind of text after which the last batch was ended. This happens once in each run of one kind.
  let endedAfter: TextKind | undefined

  return (range, batch, until) => {
    // Whether several events are parsed at once. It is set after a parse without deltas, because comments and events
    // without text come in large numbers, and inside an event, because long events come in parts.
    let several = false
    for (let rest = range; rest.start < rest.end; ) {
      const template = parser.isBetweenEvents() ? decoder.template?.(rest.end - rest.start) : undefined
      if (template && endsBatch(template.kind(), batch)) return rest
      if (template) rest = restOf(rest, readMatches(rest, template, batch))
      if (template && partial.keep(rest, template)) return undefined
      const before = batch.length
      // After a single event the decoder may know the template of the following ones.
      rest = restOf(rest, parser.parse(rest, batch, decoder.template !== undefined && !several))
      several = batch.length === before || !parser.isBetweenEvents()
      if (rest.start < rest.end && clock.monotonic() >= until) return rest
    }
    return undefined
  }

  function endsBatch(kind: TextKind | undefined, batch: readonly Delta[]): boolean {
    if (whole || kind === endedAfter || kind !== batch.at(-1)?.type) return false
    endedAfter = kind
    return true
  }

  /** Reads the events that match the template at the beginning of `range`, and returns where the rest begins. */
  function readMatches(range: ByteRange, template: EventTemplate, batch: Delta[]): number {
    if (whole) {
      const { text, end } = concatenateMatches(range, template)
      template.emit(text, batch)
      return end
    }
    const found = matchTemplate(range, template)
    for (const text of matchedTexts(found)) template.emit(unescaped(text), batch)
    return found.end
  }
}
