import { createParser } from 'eventsource-parser'
import type { BatchStream, DirectWriter } from '../core/batch-stream.ts'
import type { Clock } from '../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../core/errors.ts'
import type { Delta, TextKind } from '../core/events.ts'
import { inPortions } from '../core/text-portions.ts'
import type { Transform } from '../core/transform.ts'
import { type ByteRange, bytesOf, rangeOf, restOf } from '../http-client/byte-range.ts'
import { type ByteStream, byteStreamOf } from '../http-client/send.ts'
import {
  concatenateMatches,
  type EventTemplate,
  isPartialMatch,
  matchedText,
  matchedTexts,
  matchTemplate,
  unescaped,
} from './event-template.ts'

/** Longest wait for the end of a body whose last delta has come; with it the connection can serve the next call. */
const drainMs = 1_000

const blankLine = Buffer.from('\n\n')
const nothing = Buffer.alloc(0)

/** Characters that may have been written directly before those who count them hear of it. */
const maxUnaccounted = 2_048
/** Bytes of events that go through the parser together. */
const maxParsedBytes = 2_048
/** Bytes of one read that may be dealt with in the turn of the event loop in which it came, */
const maxBytesPerTurn = 65_536
/** and how long that may take before the rest waits for the next turn. */
const maxTurnMs = 4
/** Characters of one event; an upstream that never ends one would fill the memory. */
const maxEventLength = 16 * 1024 * 1024
/** Bytes of half an event that wait for the other half; longer ones are read as they come. */
const maxPartialBytes = 16_384

/** Hears the `data` of every event, one string an event. */
export interface PayloadReader extends Transform<string, Delta> {
  /** Of the events to come, where it knows: those need no parser. So many bytes of them are here. */
  template?(ahead: number): EventTemplate | undefined
}

export interface SseOptions {
  /** Who answers, in errors: `Z.AI`. */
  label: string
  decoder: PayloadReader
  clock: Clock
  signal: AbortSignal
  /** Longest silence between two reads before the stream ends in an error. */
  idleMs: number
  /** Nobody will see the pieces of a whole reply: those of one read may come as one. */
  whole?: boolean
  /** Called when all was read, nobody wants more of it, or `signal` has fired; maybe more than once. */
  onClose?: () => void
}

/**
 * A response body of server-sent events as batches of deltas, one batch a network read.
 *
 * Liberal in what it reads: a BOM, CRLF, comments, `event:` and `id:` lines, a last event without its blank line.
 * A body that fails or falls silent ends in an `error` delta; what came before it is delivered first. Much at once is
 * read bit by bit, so that others have their turn meanwhile.
 */
export function sseDeltas(body: ReadableStream<Uint8Array> | ByteStream, options: SseOptions): BatchStream<Delta[]> {
  return inPortions(reader(body, options), options.clock)
}

function reader(body: ReadableStream<Uint8Array> | ByteStream, options: SseOptions): BatchStream<Delta[]> {
  const { label, decoder, clock, signal, idleMs, whole = false, onClose } = options
  if (onClose) signal.addEventListener('abort', onClose, { once: true })
  const stream = byteStreamOf(body)
  // Only bytes that end inside a character need one that remembers, and to make it costs as much as twenty events.
  let text: TextDecoder | undefined
  let batch: Delta[] = []
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  let over = false
  let isIdle = false
  // All bytes so far are whole events.
  let betweenEvents = false
  let hasText = false
  // The last delta has come; what is left of the body is its end.
  let finished = false
  let lastReadAt = clock.monotonic()
  let stopTimer = clock.after(idleMs, checkIdle)
  let isTooLarge = false
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent: (event) => decoder.push(event.data, batch),
    onError: ({ type }) => {
      isTooLarge ||= type === 'max-buffer-size-exceeded'
    },
  })
  let writer: DirectWriter | undefined
  // Of the events whose text it may write.
  let currentTemplate: EventTemplate | undefined
  // What it has written and nobody has heard of yet, as it stands in JSON.
  let unaccounted = ''
  // The beginning of an event that may be alike, too.
  let partial: Buffer = nothing
  // What is left of a read when the first text of its kind is told: whoever hears it may offer to write the rest directly.
  let held: ByteRange | undefined
  let heldAfter: TextKind | undefined
  // What was read last is enough for one turn.
  let tired = false

  return {
    next(onBatch, nextWriter) {
      waiting = onBatch
      writer = nextWriter
      currentTemplate = nextWriter && betweenEvents ? decoder.template?.(0) : undefined
      if (currentTemplate?.kind() !== nextWriter?.kind) currentTemplate = undefined
      if (over) onBatch(undefined)
      else if (tired) clock.after(0, goOn)
      else goOn()
    },
    cancel: close,
  }

  function goOn(): void {
    tired = false
    const rest = held
    held = undefined
    if (rest) onRange(rest)
    else stream.next(onRange)
  }

  function onRange(range: ByteRange | undefined, failure?: { cause: unknown }): void {
    batch = []
    lastReadAt = clock.monotonic()
    if (over) {
      waiting(undefined)
      return
    }
    try {
      tired = range !== undefined && range.end - range.start > maxBytesPerTurn
      const rest = range && passThrough(range)
      if (range && rest === undefined) {
        if (tired) clock.after(0, goOn)
        else goOn()
        return
      }
      catchUp()
      if (isIdle) fail(idleTimeout(label, idleMs))
      else if (rest) read(rest)
      else if (failure) fail(signal.aborted ? cancelled(failure.cause) : broken(label, failure.cause))
      else finish()
    } catch (thrown) {
      fail(asGatewayError(thrown))
    }
    waiting(batch)
  }

  /** What cannot be written directly, and `undefined` where nothing is left and more of the same may come. */
  function passThrough(range: ByteRange): ByteRange | undefined {
    const all = partial.length === 0 ? range : rangeOf(withPartial(range))
    if (writer === undefined || currentTemplate === undefined) return all
    const found = matchTemplate(all, currentTemplate, writer.except)
    const rest = restOf(all, found.end)
    unaccounted += matchedText(found)
    const next = found.texts.length > 0 ? writer.write(found.texts, found.areBytes) : 'go on'
    const more = next === 'go on' && unaccounted.length <= maxUnaccounted
    return more && keepPartial(rest, currentTemplate) ? undefined : rest
  }

  /** Keeps what may be half an event of this likeness until the other half comes. */
  function keepPartial(range: ByteRange, template: EventTemplate): boolean {
    if (range.start === range.end) return true
    const bytes = bytesOf(range)
    if (bytes.length > maxPartialBytes || !isPartialMatch(bytes, template)) return false
    partial = bytes
    return true
  }

  function withPartial(range: ByteRange): Buffer {
    const all = Buffer.concat([partial, bytesOf(range)])
    partial = nothing
    return all
  }

  /** What was written directly, for those it went around. */
  function catchUp(): void {
    if (unaccounted === '') return
    const deltas: Delta[] = []
    currentTemplate?.emit(unescaped(unaccounted), deltas)
    unaccounted = ''
    for (const delta of deltas)
      if (delta.type === writer?.kind && 'text' in delta) writer.account(delta.text)
      else batch.push(delta)
  }

  function read(range: ByteRange): void {
    // Comments and events without a word come in crowds, and long events in parts.
    let many = false
    for (let rest = range; rest.start < rest.end; ) {
      const template = betweenEvents ? decoder.template?.(rest.end - rest.start) : undefined
      if (template && endsBatchHere(template.kind())) {
        held = rest
        break
      }
      if (template) rest = restOf(rest, readMatches(rest, template))
      if (template && keepPartial(rest, template)) break
      const said = batch.length
      rest = restOf(rest, parse(rest, many))
      many = batch.length === said || !betweenEvents
      if (clock.monotonic() - lastReadAt < maxTurnMs || rest.start === rest.end) continue
      held = rest
      tired = true
      break
    }
    finished = batch.at(-1)?.type === 'finish'
  }

  function endsBatchHere(kind: TextKind | undefined): boolean {
    if (whole || kind === heldAfter || kind !== batch.at(-1)?.type) return false
    heldAfter = kind
    return true
  }

  function readMatches(range: ByteRange, template: EventTemplate): number {
    if (whole) {
      const { text, end } = concatenateMatches(range, template)
      template.emit(text, batch)
      return end
    }
    const found = matchTemplate(range, template)
    for (const text of matchedTexts(found)) template.emit(unescaped(text), batch)
    return found.end
  }

  /** Whole events: where many are at hand, one, for then those behind it may be known to be alike; else a few. */
  function parse({ bytes, start, end: limit }: ByteRange, many: boolean): number {
    const few = Math.min(limit, start + maxParsedBytes)
    const isOne = decoder.template !== undefined && !many && few < limit
    const found = isOne ? bytes.indexOf(blankLine, start) : lastBlankLine(bytes, start, few)
    const next = found + blankLine.length
    betweenEvents = found >= start && next <= limit
    const end = betweenEvents ? next : few
    parser.feed(textIn(bytes, start, end))
    if (isTooLarge) throw tooLarge(label)
    return end
  }

  function lastBlankLine(bytes: Buffer, start: number, end: number): number {
    // A view is dear, but it keeps the search from going back to the beginning time after time.
    if (end < bytes.length) return start + bytes.subarray(start, end).lastIndexOf(blankLine)
    return bytes.lastIndexOf(blankLine, end - blankLine.length)
  }

  function textIn(bytes: Buffer, start: number, end: number): string {
    if (text === undefined && (end === start || (bytes[end - 1] ?? 0) < 0x80))
      return withoutMark(bytes.toString('utf8', start, end))
    text ??= new TextDecoder('utf-8', { ignoreBOM: true })
    return withoutMark(text.decode(bytes.subarray(start, end), { stream: true }))
  }

  /** A byte order mark is no part of the first line. */
  function withoutMark(words: string): string {
    const isMarked = !hasText && words.startsWith('\ufeff')
    hasText ||= words !== ''
    return isMarked ? words.slice(1) : words
  }

  // One timer a stream, not one a read: it looks when it fires whether anything came since.
  function checkIdle(): void {
    const quietMs = clock.monotonic() - lastReadAt
    if (quietMs < idleMs) {
      stopTimer = clock.after(idleMs - quietMs, checkIdle)
      return
    }
    isIdle = true
    stream.cancel()
  }

  function finish(): void {
    // A last event may lack its blank line.
    parser.feed(`${textIn(partial, 0, partial.length)}${text?.decode() ?? ''}\n\n`)
    decoder.end(batch)
    close()
  }

  function fail(error: GatewayError): void {
    decoder.end(batch)
    batch.push({ type: 'error', error })
    close()
  }

  function close(): void {
    if (over) return
    over = true
    stopTimer()
    if (finished) drainBody()
    else stream.cancel()
    onClose?.()
  }

  function drainBody(): void {
    const stop = clock.after(drainMs, stream.cancel)
    // All of the answer is here: how its connection ends is nobody's business.
    const drop = (range: ByteRange | undefined) => {
      if (range) stream.next(drop)
      else stop()
    }
    stream.next(drop)
  }
}

function tooLarge(label: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `${label} sent an event of more than ${maxEventLength / 1024 / 1024} MB.`,
    { code: 'upstream_event_too_large', retry: false },
  )
}

function idleTimeout(label: string, idleMs: number): GatewayError {
  return new GatewayError('timeout', `${label} sent nothing for ${idleMs / 1000} s, so the answer was given up.`, {
    code: 'upstream_idle',
  })
}

function broken(label: string, cause: unknown): GatewayError {
  return new GatewayError('upstream-truncated', `The connection to ${label} broke before the answer was complete.`, {
    cause,
  })
}
