import { createParser } from 'eventsource-parser'
import type { Clock } from '../core/clock.ts'
import { asGatewayError, GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Machine } from '../core/machine.ts'
import type { Source } from '../core/source.ts'
import { cancelled, type Pieces, piecesOf } from './http.ts'
import { type Likeness, readAlike } from './likeness.ts'

/** Longest wait for the end of a body whose last delta has come; with it the connection can serve the next call. */
const lingerMs = 1_000

const blankLine = Buffer.from('\n\n')

/** Hears the `data` of every event, one string an event. */
export interface PayloadReader extends Machine<string, Delta> {
  /** Of the events to come, where it knows: those need no parser. */
  likeness?(): Likeness | undefined
}

export interface SseOptions {
  decoder: PayloadReader
  clock: Clock
  signal: AbortSignal
  /** Longest silence between two reads before the stream ends in an error. */
  idleMs: number
}

/**
 * A response body of server-sent events as batches of deltas, one batch a network read.
 *
 * Liberal in what it reads: a BOM, CRLF, comments, `event:` and `id:` lines, a last event without its blank line.
 * A body that fails or falls silent ends in an `error` delta; what came before it is delivered first.
 */
export function sseDeltas(body: ReadableStream<Uint8Array> | Pieces, options: SseOptions): Source<Delta[]> {
  const { decoder, clock, signal, idleMs } = options
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
  let lastReadAt = clock.now()
  let stopTimer = clock.after(idleMs, watch)
  const parser = createParser({ onEvent: (event) => decoder.push(event.data, batch) })

  return {
    next(hear) {
      waiting = hear
      if (over) hear(undefined)
      else pieces.next(heard)
    },
    cancel: close,
  }

  function heard(piece: Uint8Array | undefined, failure?: { cause: unknown }): void {
    batch = []
    lastReadAt = clock.now()
    if (over) {
      waiting(undefined)
      return
    }
    try {
      if (silent) fail(fellSilent(idleMs))
      else if (piece) read(bufferOf(piece))
      else if (failure) fail(signal.aborted ? cancelled(failure.cause) : broken(failure.cause))
      else finish()
    } catch (thrown) {
      fail(asGatewayError(thrown))
    }
    waiting(batch)
  }

  function read(bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0; ) {
      const alike = betweenEvents ? decoder.likeness?.() : undefined
      if (alike) rest = rest.subarray(readAlike(rest, alike, batch))
      rest = rest.subarray(parse(rest))
    }
    finished = batch.at(-1)?.type === 'finish'
  }

  /** As far as it takes until the events behind may be known to be alike. */
  function parse(bytes: Buffer): number {
    const end = decoder.likeness ? bytes.indexOf(blankLine) : -1
    const all = end < 0 ? bytes : bytes.subarray(0, end + blankLine.length)
    parser.feed(textIn(all))
    betweenEvents = end >= 0
    return all.length
  }

  function textIn(bytes: Buffer): string {
    if (text === undefined && (bytes.at(-1) ?? 0) < 0x80) return withoutMark(bytes.toString('utf8'))
    text ??= new TextDecoder('utf-8', { ignoreBOM: true })
    return withoutMark(text.decode(bytes, { stream: true }))
  }

  /** A byte order mark is no part of the first line. */
  function withoutMark(words: string): string {
    const isMarked = !begun && words.startsWith('\ufeff')
    begun ||= words !== ''
    return isMarked ? words.slice(1) : words
  }

  // One timer a stream, not one a read: it looks when it fires whether anything came since.
  function watch(): void {
    const quietMs = clock.now() - lastReadAt
    if (quietMs < idleMs) {
      stopTimer = clock.after(idleMs - quietMs, watch)
      return
    }
    silent = true
    pieces.cancel()
  }

  function finish(): void {
    // A last event may lack its blank line.
    parser.feed(`${text?.decode() ?? ''}\n\n`)
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
  }

  function linger(): void {
    const stop = clock.after(lingerMs, pieces.cancel)
    // All of the answer is here: how its connection ends is nobody's business.
    const drop = (piece: Uint8Array | undefined) => {
      if (piece) pieces.next(drop)
      else stop()
    }
    pieces.next(drop)
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
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
