import type { BatchStream } from '../core/batch-stream.ts'
import type { Clock } from '../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import { onAbort } from '../core/on-abort.ts'
import { inPortions } from '../core/text-portions.ts'
import type { ByteRange } from '../http-client/byte-range.ts'
import { type ByteStream, byteStreamOf, type HttpResponse } from '../http-client/send.ts'
import { directText } from './direct-text.ts'
import { drain } from './drain.ts'
import { eventParser, type PayloadReader } from './event-parser.ts'
import { idleWatch } from './idle-watch.ts'
import { partialEvent } from './partial-event.ts'
import { deltaReader } from './read-deltas.ts'

/** Bytes of a read that may be processed in one turn of the event loop. */
const maxBytesPerTurn = 65_536
/** Bytes that are decoded after the stream has to end: more than a connection holds for a slow reader. */
const maxUnreadBytes = 524_288
/** Longest wait for the end of a reply, from the moment it is complete, whatever arrives meanwhile. */
const maxEndMs = 1_000
/** Longest processing time in one turn; the rest waits for the next turn. */
const maxTurnMs = 4

export interface SseOptions {
  /** Name of the upstream, for errors: `Z.AI`. */
  label: string
  decoder: PayloadReader
  clock: Clock
  signal: AbortSignal
  /** Longest silence between two reads before the stream ends with an error. */
  idleMs: number
  /** The client gets the reply in one piece, so the texts of one read may be joined. */
  whole?: boolean
  /** Called when everything was read, the stream was cancelled, or `signal` aborted; possibly more than once. */
  onClose?: () => void
}

export function isEventStream({ headers }: HttpResponse): boolean {
  return (headers.get('content-type') ?? '').includes('text/event-stream')
}

/**
 * Reads a response body of server-sent events as batches of deltas, one batch per network read.
 *
 * It accepts a BOM, CRLF, comments, `event:` and `id:` lines, and a last event without its blank line. If the body
 * fails or falls silent, the last delta is an `error`, unless the reply is complete. A complete reply ends after a
 * second at the latest, whatever the server goes on to send. A large read is processed in
 * parts, so that other requests get their turn.
 */
export function sseDeltas(body: ReadableStream<Uint8Array> | ByteStream, options: SseOptions): BatchStream<Delta[]> {
  return inPortions(batches(body, options), options.clock)
}

function batches(body: ReadableStream<Uint8Array> | ByteStream, options: SseOptions): BatchStream<Delta[]> {
  const { label, decoder, clock, signal, idleMs, whole = false, onClose } = options
  if (onClose) onAbort(signal, onClose)
  const stream = byteStreamOf(body)
  const partial = partialEvent()
  const parser = eventParser({ label, decoder })
  const readDeltas = deltaReader({ decoder, parser, partial, clock, whole })
  const direct = directText(partial)
  const idle = idleWatch(clock, idleMs, stream.cancel)
  // The deltas of the current read.
  let batch: Delta[] = []
  // Receives the next batch.
  let onNext: (batch: Delta[] | undefined) => void = () => {}
  // Whether reading has ended.
  let over = false
  // Whether the last delta has arrived. Only the end of the body may follow.
  let finished = false
  // The rest of the last read, for the next batch.
  let held: ByteRange | undefined
  // Whether the last read has used up this turn of the event loop.
  let isTurnOver = false
  // Whether the stream waits for more of the body, and has read everything that has arrived.
  let isAwaiting = false
  // Stops the wait for the end. The wait begins when the reply is first complete: what arrives later does not prolong it.
  let stopAwaitingEnd: (() => void) | undefined
  // Whether that wait is over. What had arrived before is still read.
  let isEndDue = false
  let unreadBytes = maxUnreadBytes

  return {
    next(onBatch, writer) {
      onNext = onBatch
      direct.offer(writer, writer && parser.isBetweenEvents() ? decoder.template?.(0) : undefined)
      if (over) onBatch(undefined)
      else continueReading()
    },
    cancel() {
      if (!over && !finished && !isAwaiting) decodeUnread()
      close()
    },
  }

  function continueReading(): void {
    if (isTurnOver) clock.after(0, readNext)
    else readNext()
  }

  function readNext(): void {
    isTurnOver = false
    const rest = held
    held = undefined
    if (rest) {
      onRange(rest)
      return
    }
    isAwaiting = true
    if (decoder.isComplete?.()) stopAwaitingEnd ??= clock.after(maxEndMs, endReply)
    stream.next(receive)
    if (isEndDue && isAwaiting) stream.cancel()
  }

  /** A body that is cancelled ends like a body that the server has closed. */
  function endReply(): void {
    isEndDue = true
    if (isAwaiting) stream.cancel()
  }

  /** Reads a piece of the body. Once the end is due, that is only what a slow client had left unread. */
  function receive(range: ByteRange | undefined, failure?: { cause: unknown }): void {
    if (isEndDue && range) unreadBytes -= range.end - range.start
    onRange(unreadBytes < 0 ? undefined : range, failure)
  }

  function onRange(range: ByteRange | undefined, failure?: { cause: unknown }): void {
    batch = []
    isAwaiting = false
    if (over) {
      onNext(undefined)
      return
    }
    const readAt = clock.monotonic()
    idle.touch(readAt)
    try {
      isTurnOver = range !== undefined && range.end - range.start > maxBytesPerTurn
      const rest = range && direct.write(partial.before(range))
      if (range && rest === undefined) {
        continueReading()
        return
      }
      direct.account(batch)
      if (isEndDue && rest === undefined) finish()
      else if (idle.isIdle()) fail(idleTimeout(label, idleMs))
      else if (rest) read(rest, readAt + maxTurnMs)
      else if (failure) fail(signal.aborted ? cancelled(failure.cause) : broken(label, failure.cause))
      else finish()
    } catch (thrown) {
      fail(asGatewayError(thrown))
    }
    onNext(batch)
  }

  function read(range: ByteRange, until: number): void {
    held = readDeltas(range, batch, until)
    isTurnOver ||= held !== undefined && clock.monotonic() >= until
    finished = batch.at(-1)?.type === 'finish'
  }

  function finish(): void {
    // A body that was cancelled may end with half an event.
    if (!isEndDue) parser.end(partial.bytes(), batch)
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
    idle.stop()
    stopAwaitingEnd?.()
    direct.abandon()
    if (finished) drain(stream, clock)
    else stream.cancel()
    onClose?.()
  }

  /**
   * Decodes the bytes that have arrived for a client that stopped reading and left, so that the decoder knows the whole
   * usage.
   */
  function decodeUnread(): void {
    const ignored: Delta[] = []
    let left = maxUnreadBytes
    const decode = (range: ByteRange | undefined) => {
      if (range === undefined || left <= 0) return
      left -= range.end - range.start
      try {
        for (let rest: ByteRange | undefined = range; rest; ) rest = readDeltas(rest, ignored, Number.POSITIVE_INFINITY)
      } catch {
        return // nobody reads the rest, so it does not matter what is wrong with it
      }
      ignored.length = 0
      readOn()
    }
    const readOn = () => stream.next((range) => decode(range && partial.before(range)))
    direct.abandon()
    if (held) decode(held)
    else readOn()
    // Only what had already arrived counts: `decode` ignores everything that comes later.
    left = 0
  }
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
