import { createParser } from 'eventsource-parser'
import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'
import type { ByteRange } from '../http-client/byte-range.ts'
import type { EventTemplate } from './event-template.ts'

/** Bytes of events that go through the parser together. */
const maxParsedBytes = 2_048
/** Characters of one event. An upstream that never ends one would fill the memory. */
const maxEventLength = 16 * 1024 * 1024

const blankLine = Buffer.from('\n\n')

/** Takes the `data` of every event, one string an event. */
export interface PayloadReader extends Transform<string, Delta> {
  /** Of the events to come, where it knows: those need no parser. `ahead` bytes of them are here. */
  template?(ahead: number): EventTemplate | undefined
}

export interface EventParserOptions {
  /** Who answers, in errors: `Z.AI`. */
  label: string
  decoder: PayloadReader
}

/** Server-sent events out of bytes, cut anywhere; their payloads go to the decoder. */
export interface EventParser {
  /** All bytes so far are whole events. */
  isBetweenEvents(): boolean
  /**
   * Parses whole events from the beginning of `range`, or as much as is there of one, and returns where the rest begins.
   * With `onlyOne` it stops behind the first event. Throws `upstream-malformed` for an event without an end.
   */
  parse(range: ByteRange, out: Delta[], onlyOne: boolean): number
  /** The body is over, and `rest` its last bytes: a last event may lack its blank line. */
  end(rest: Buffer, out: Delta[]): void
}

export function eventParser({ label, decoder }: EventParserOptions): EventParser {
  // Made only for bytes that end inside a character: to make one costs as much as twenty events.
  let textDecoder: TextDecoder | undefined
  // Text has come: a byte order mark from here on is part of it.
  let hasText = false
  let betweenEvents = false
  let isTooLarge = false
  // Where the deltas of the bytes at hand go.
  let deltas: Delta[] = []
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent: (event) => decoder.push(event.data, deltas),
    onError: ({ type }) => {
      isTooLarge ||= type === 'max-buffer-size-exceeded'
    },
  })

  return {
    isBetweenEvents: () => betweenEvents,
    parse({ bytes, start, end: limit }, out, onlyOne) {
      deltas = out
      const few = Math.min(limit, start + maxParsedBytes)
      const found = onlyOne && few < limit ? bytes.indexOf(blankLine, start) : lastBlankLine(bytes, start, few)
      const next = found + blankLine.length
      betweenEvents = found >= start && next <= limit
      const end = betweenEvents ? next : few
      parser.feed(textIn(bytes, start, end))
      if (isTooLarge) throw tooLarge(label)
      return end
    },
    end(rest, out) {
      deltas = out
      parser.feed(`${textIn(rest, 0, rest.length)}${textDecoder?.decode() ?? ''}\n\n`)
    },
  }

  function textIn(bytes: Buffer, start: number, end: number): string {
    if (textDecoder === undefined && (end === start || (bytes[end - 1] ?? 0) < 0x80))
      return withoutMark(bytes.toString('utf8', start, end))
    textDecoder ??= new TextDecoder('utf-8', { ignoreBOM: true })
    return withoutMark(textDecoder.decode(bytes.subarray(start, end), { stream: true }))
  }

  /** A byte order mark is no part of the first line. */
  function withoutMark(text: string): string {
    const isMarked = !hasText && text.startsWith('\ufeff')
    hasText ||= text !== ''
    return isMarked ? text.slice(1) : text
  }
}

function lastBlankLine(bytes: Buffer, start: number, end: number): number {
  // A view is expensive, but keeps the search from going back to the beginning of the buffer again and again.
  if (end < bytes.length) return start + bytes.subarray(start, end).lastIndexOf(blankLine)
  return bytes.lastIndexOf(blankLine, end - blankLine.length)
}

function tooLarge(label: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `${label} sent an event of more than ${maxEventLength / 1024 / 1024} MB.`,
    { code: 'upstream_event_too_large', retry: false },
  )
}
