import { type ByteRange, bytesOf, rangeOf } from '../http-client/byte-range.ts'
import { type EventTemplate, isPartialMatch } from './event-template.ts'

/** The longest beginning of an event that is kept, in bytes. Longer ones go to the parser as they arrive. */
const maxPartialBytes = 16_384

const nothing = Buffer.alloc(0)

/**
 * The beginning of an event whose rest is in the next read. It is kept because the whole event may match the template.
 */
export interface PartialEvent {
  /**
   * Keeps `range` if it is empty or may be the beginning of an event that matches `template`. Returns whether it did.
   */
  keep(range: ByteRange, template: EventTemplate): boolean
  /** The kept bytes followed by `range`. */
  before(range: ByteRange): ByteRange
  /** The beginning of an event that is still kept, for the end of the body. */
  bytes(): Buffer
}

export function partialEvent(): PartialEvent {
  let kept: Buffer = nothing
  return {
    keep(range, template) {
      if (range.start === range.end) return true
      const bytes = bytesOf(range)
      if (bytes.length > maxPartialBytes || !isPartialMatch(bytes, template)) return false
      kept = bytes
      return true
    },
    before(range) {
      if (kept.length === 0) return range
      const all = Buffer.concat([kept, bytesOf(range)])
      kept = nothing
      return rangeOf(all)
    },
    bytes: () => kept,
  }
}
