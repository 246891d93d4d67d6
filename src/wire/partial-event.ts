import { type ByteRange, bytesOf, rangeOf } from '../http-client/byte-range.ts'
import { type EventTemplate, isPartialMatch } from './event-template.ts'

/** Bytes of a partial event that wait for the rest of it; longer ones go to the parser as they come. */
const maxPartialBytes = 16_384

const nothing = Buffer.alloc(0)

/** The beginning of an event whose rest is in the next read. Kept back, it may still match the template as a whole. */
export interface PartialEvent {
  /** Keeps `range` if it may be the beginning of an event of `template`, or is empty. False where it is not kept. */
  keep(range: ByteRange, template: EventTemplate): boolean
  /** `range` with what was kept in front of it. */
  before(range: ByteRange): ByteRange
  /** What is kept. */
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
