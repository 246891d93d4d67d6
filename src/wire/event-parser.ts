import { createParser } from 'eventsource-parser'
import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'
import type { ByteRange } from '../http-client/byte-range.ts'
import type { EventTemplate } from './event-template.ts'

/** Bytes of events that are passed to the parser at once. */
const maxParsedBytes = 2_048
/** Longest event in characters: an upstream that never ends an event would fill the memory. */
const maxEventLength = 16 * 1024 * 1024

const blankLine = Buffer.from('\n\n')

/** Receives the `data` of every event, one string per event. */
export interface PayloadReader extends Transform<string, Delta> {
  /**
   * The template of the coming events, if the reader knows it: those need no parser. `ahead` is their size in bytes so
   * far.
   */
  template?(ahead: number): EventTemplate | undefined
  /** Reads the payload of an event that is named `error`. Without it, such events are read like all others. */
  pushError?(payload: string, out: Delta[]): void
  /** Whether the whole reply has arrived, except for the end of the stream, which not every server sends. */
  isComplete?(): boolean
}

export interface EventParserOptions {
  /** Name of the upstream, for errors: `Z.AI`. */
  label: string
  decoder: PayloadReader
}

/** Parses server-sent events from bytes, however they are split, and passes their payloads to the decoder. */
export interface EventParser {
  /** Whether all bytes so far are whole events. */
  isBetweenEvents(): boolean
  /**
   * Parses events from the beginning of `range`, of which the last may be incomplete, and returns where the rest
   * begins. With `onlyOne` it stops after the first event.
   * Errors: throws `upstream-malformed` for an event that is too long.
   */
  parse(range: ByteRange, out: Delta[], onlyOne: boolean): number
  /** Ends the body, with its last bytes: the last event may lack its blank line. */
  end(rest: Buffer, out: Delta[]): void
}

export function eventParser({ label, decoder }: EventParserOptions): EventParser {
  // A decoder for bytes that end inside a character. It is created only then, because creating one costs as much as
  // twenty events.
  let textDecoder: TextDecoder | undefined
  // Whether any text has arrived. After that, a byte order mark is content.
  let hasText = false
  let betweenEvents = false
  let isTooLarge = false
  // Receives the deltas of the current bytes.
  let deltas: Delta[] = []
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent({ event, data }) {
      if (event === 'error' && decoder.pushError) decoder.pushError(data, deltas)
      else decoder.push(data, deltas)
    },
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

  /** Removes the byte order mark at the beginning of the stream. */
  function withoutMark(text: string): string {
    const isMarked = !hasText && text.startsWith('\ufeff')
    hasText ||= text !== ''
    return isMarked ? text.slice(1) : text
  }
}

function lastBlankLine(bytes: Buffer, start: number, end: number): number {
  // `subarray` is expensive, but limits the search, which would otherwise go back to the start of the buffer every
  // time.
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
