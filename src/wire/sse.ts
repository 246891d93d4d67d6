import { createParser } from 'eventsource-parser'
import type { Clock } from '../core/clock.ts'
import { asGatewayError, GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Machine } from '../core/machine.ts'
import type { Source } from '../core/source.ts'
import { cancelled, type Pieces, piecesOf } from './http.ts'

/** Longest wait for the end of a body whose last delta has come; with it the connection can serve the next call. */
const lingerMs = 1_000

export interface SseOptions {
  /** Hears the `data` of every event, one string an event. */
  decoder: Machine<string, Delta>
  clock: Clock
  signal: AbortSignal
  /** Longest silence between two reads before the stream ends in an error. */
  idleMs: number
  /** Closes the connection behind the body. */
  abort: () => void
}

/**
 * A response body of server-sent events as batches of deltas, one batch a network read.
 *
 * Liberal in what it reads: a BOM, CRLF, comments, `event:` and `id:` lines, a last event without its blank line.
 * A body that fails or falls silent ends in an `error` delta; what came before it is delivered first.
 */
export function sseDeltas(body: ReadableStream<Uint8Array> | Pieces, options: SseOptions): Source<Delta[]> {
  const { decoder, clock, signal, idleMs, abort } = options
  const pieces = piecesOf(body)
  const text = new TextDecoder('utf-8')
  let batch: Delta[] = []
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  let over = false
  let silent = false
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
      else if (piece) read(piece)
      else if (failure) fail(signal.aborted ? cancelled(failure.cause) : broken(failure.cause))
      else finish()
    } catch (thrown) {
      fail(asGatewayError(thrown))
    }
    waiting(batch)
  }

  function read(bytes: Uint8Array): void {
    parser.feed(text.decode(bytes, { stream: true }))
    finished = batch.at(-1)?.type === 'finish'
  }

  // One timer a stream, not one a read: it looks when it fires whether anything came since.
  function watch(): void {
    const quietMs = clock.now() - lastReadAt
    if (quietMs < idleMs) {
      stopTimer = clock.after(idleMs - quietMs, watch)
      return
    }
    silent = true
    giveUp()
  }

  function finish(): void {
    // A last event may lack its blank line.
    parser.feed(`${text.decode()}\n\n`)
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
    else giveUp()
  }

  function linger(): void {
    const stop = clock.after(lingerMs, giveUp)
    // All of the answer is here: how its connection ends is nobody's business.
    const drop = (piece: Uint8Array | undefined) => {
      if (piece) pieces.next(drop)
      else stop()
    }
    pieces.next(drop)
  }

  function giveUp(): void {
    abort()
    pieces.cancel()
  }
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
