import { createParser } from 'eventsource-parser'
import type { Clock } from '../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../core/errors.ts'
import type { Delta, TextKind } from '../core/events.ts'
import type { Transform } from '../core/machine.ts'
import { inPortions } from '../core/portions.ts'
import type { BatchStream, DirectWriter } from '../core/source.ts'
import { type Pieces, piecesOf } from './http.ts'
import { apart, joined, type Likeness, mayBecome, readAlike, readTogether, unescaped } from './likeness.ts'
import { bytesOf, type Piece, pieceOf, restOf } from './piece.ts'

/** Longest wait for the end of a body whose last delta has come; with it the connection can serve the next call. */
const lingerMs = 1_000

const blankLine = Buffer.from('\n\n')
const nothing = Buffer.alloc(0)

/** Characters that may have been written directly before those who count them hear of it. */
const mostUnaccounted = 2_048
/** Bytes of events that go through the parser together. */
const mostParsed = 2_048
/** Bytes of one read that may be dealt with in the turn of the event loop in which it came, */
const mostInTurn = 65_536
/** and how long that may take before the rest waits for the next turn. */
const longestTurnMs = 4
/** Characters of one event; an upstream that never ends one would fill the memory. */
const mostInEvent = 16 * 1024 * 1024
/** Bytes of half an event that wait for the other half; longer ones are read as they come. */
const mostHalf = 16_384

/** Hears the `data` of every event, one string an event. */
export interface PayloadReader extends Transform<string, Delta> {
  /** Of the events to come, where it knows: those need no parser. So many bytes of them are here. */
  likeness?(ahead: number): Likeness | undefined
}

export interface SseOptions {
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
export function sseDeltas(body: ReadableStream<Uint8Array> | Pieces, options: SseOptions): BatchStream<Delta[]> {
  return inPortions(reader(body, options), options.clock)
}

function reader(body: ReadableStream<Uint8Array> | Pieces, options: SseOptions): BatchStream<Delta[]> {
  const { decoder, clock, signal, idleMs, whole = false, onClose } = options
  if (onClose) signal.addEventListener('abort', onClose, { once: true })
  const pieces = piecesOf(body)
  // Only bytes that end inside a character need one that remembers, and to make it costs as much as twenty events.
  let text: TextDecoder | undefined
  let batch: Delta[] = []
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  let over = false
  let silent = false
  // All bytes so far are whole events.
  let betweenEvents = false
  let begun = false
  // The last delta has come; what is left of the body is its end.
  let finished = false
  let lastReadAt = clock.monotonic()
  let stopTimer = clock.after(idleMs, watch)
  let isTooLarge = false
  const parser = createParser({
    maxBufferSize: mostInEvent,
    onEvent: (event) => decoder.push(event.data, batch),
    onError: ({ type }) => {
      isTooLarge ||= type === 'max-buffer-size-exceeded'
    },
  })
  let direct: DirectWriter | undefined
  // Of the events whose text it may write.
  let alike: Likeness | undefined
  // What it has written and nobody has heard of yet, as it stands in JSON.
  let unaccounted = ''
  // The beginning of an event that may be alike, too.
  let half: Buffer = nothing
  // What is left of a read when the first text of its kind is told: whoever hears it may offer to write the rest directly.
  let held: Piece | undefined
  let heldAfter: TextKind | undefined
  // What was read last is enough for one turn.
  let tired = false

  return {
    next(hear, directWriter) {
      waiting = hear
      direct = directWriter
      alike = directWriter && betweenEvents ? decoder.likeness?.(0) : undefined
      if (alike?.kind() !== directWriter?.kind) alike = undefined
      if (over) hear(undefined)
      else if (tired) clock.after(0, goOn)
      else goOn()
    },
    cancel: close,
  }

  function goOn(): void {
    tired = false
    const rest = held
    held = undefined
    if (rest) heard(rest)
    else pieces.next(heard)
  }

  function heard(piece: Piece | undefined, failure?: { cause: unknown }): void {
    batch = []
    lastReadAt = clock.monotonic()
    if (over) {
      waiting(undefined)
      return
    }
    try {
      tired = piece !== undefined && piece.end - piece.start > mostInTurn
      const rest = piece && passOn(piece)
      if (piece && rest === undefined) {
        if (tired) clock.after(0, goOn)
        else goOn()
        return
      }
      catchUp()
      if (silent) fail(fellSilent(idleMs))
      else if (rest) read(rest)
      else if (failure) fail(signal.aborted ? cancelled(failure.cause) : broken(failure.cause))
      else finish()
    } catch (thrown) {
      fail(asGatewayError(thrown))
    }
    waiting(batch)
  }

  /** What cannot be written directly, and `undefined` where nothing is left and more of the same may come. */
  function passOn(piece: Piece): Piece | undefined {
    const all = half.length === 0 ? piece : pieceOf(withHalf(piece))
    if (direct === undefined || alike === undefined) return all
    const found = readAlike(all, alike, direct.except)
    const rest = restOf(all, found.end)
    unaccounted += joined(found)
    const next = found.texts.length > 0 ? direct.write(found.texts, found.areBytes) : 'go on'
    const more = next === 'go on' && unaccounted.length <= mostUnaccounted
    return more && waits(rest, alike) ? undefined : rest
  }

  /** Keeps what may be half an event of this likeness until the other half comes. */
  function waits(piece: Piece, likeness: Likeness): boolean {
    if (piece.start === piece.end) return true
    const bytes = bytesOf(piece)
    if (bytes.length > mostHalf || !mayBecome(bytes, likeness)) return false
    half = bytes
    return true
  }

  function withHalf(piece: Piece): Buffer {
    const all = Buffer.concat([half, bytesOf(piece)])
    half = nothing
    return all
  }

  /** What was written directly, for those it went around. */
  function catchUp(): void {
    if (unaccounted === '') return
    const deltas: Delta[] = []
    alike?.hear(unescaped(unaccounted), deltas)
    unaccounted = ''
    for (const delta of deltas)
      if (delta.type === direct?.kind && 'text' in delta) direct.account(delta.text)
      else batch.push(delta)
  }

  function read(piece: Piece): void {
    // Comments and events without a word come in crowds, and long events in parts.
    let many = false
    for (let rest = piece; rest.start < rest.end; ) {
      const likeness = betweenEvents ? decoder.likeness?.(rest.end - rest.start) : undefined
      if (likeness && holds(likeness.kind())) {
        held = rest
        break
      }
      if (likeness) rest = restOf(rest, readPieces(rest, likeness))
      if (likeness && waits(rest, likeness)) break
      const said = batch.length
      rest = restOf(rest, parse(rest, many))
      many = batch.length === said || !betweenEvents
      if (clock.monotonic() - lastReadAt < longestTurnMs || rest.start === rest.end) continue
      held = rest
      tired = true
      break
    }
    finished = batch.at(-1)?.type === 'finish'
  }

  function holds(kind: TextKind | undefined): boolean {
    if (whole || kind === heldAfter || kind !== batch.at(-1)?.type) return false
    heldAfter = kind
    return true
  }

  function readPieces(piece: Piece, likeness: Likeness): number {
    if (whole) {
      const { text, end } = readTogether(piece, likeness)
      likeness.hear(text, batch)
      return end
    }
    const found = readAlike(piece, likeness)
    for (const text of apart(found)) likeness.hear(unescaped(text), batch)
    return found.end
  }

  /** Whole events: where many are at hand, one, for then those behind it may be known to be alike; else a few. */
  function parse({ bytes, start, end: limit }: Piece, many: boolean): number {
    const few = Math.min(limit, start + mostParsed)
    const isOne = decoder.likeness !== undefined && !many && few < limit
    const found = isOne ? bytes.indexOf(blankLine, start) : lastBlankLine(bytes, start, few)
    const next = found + blankLine.length
    betweenEvents = found >= start && next <= limit
    const end = betweenEvents ? next : few
    parser.feed(textIn(bytes, start, end))
    if (isTooLarge) throw tooLarge()
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
    const isMarked = !begun && words.startsWith('\ufeff')
    begun ||= words !== ''
    return isMarked ? words.slice(1) : words
  }

  // One timer a stream, not one a read: it looks when it fires whether anything came since.
  function watch(): void {
    const quietMs = clock.monotonic() - lastReadAt
    if (quietMs < idleMs) {
      stopTimer = clock.after(idleMs - quietMs, watch)
      return
    }
    silent = true
    pieces.cancel()
  }

  function finish(): void {
    // A last event may lack its blank line.
    parser.feed(`${textIn(half, 0, half.length)}${text?.decode() ?? ''}\n\n`)
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
    if (finished) linger()
    else pieces.cancel()
    onClose?.()
  }

  function linger(): void {
    const stop = clock.after(lingerMs, pieces.cancel)
    // All of the answer is here: how its connection ends is nobody's business.
    const drop = (piece: Piece | undefined) => {
      if (piece) pieces.next(drop)
      else stop()
    }
    pieces.next(drop)
  }
}

function tooLarge(): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The upstream sent an event of more than ${mostInEvent / 1024 / 1024} MB.`,
    { code: 'upstream_event_too_large', retry: false },
  )
}

function fellSilent(idleMs: number): GatewayError {
  return new GatewayError('timeout', `Z.AI sent nothing for ${idleMs / 1000} s, so the answer was given up.`, {
    code: 'upstream_idle',
  })
}

function broken(cause: unknown): GatewayError {
  return new GatewayError('upstream-truncated', 'The connection to Z.AI broke before the answer was complete.', {
    cause,
  })
}
