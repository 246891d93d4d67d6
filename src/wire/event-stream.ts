import type { BatchStream } from '../core/batch-stream.ts'
import type { Clock } from '../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import { inPortions } from '../core/text-portions.ts'
import type { ByteRange } from '../http-client/byte-range.ts'
import { type ByteStream, byteStreamOf } from '../http-client/send.ts'
import { directText } from './direct-text.ts'
import { drain } from './drain.ts'
import { eventParser, type PayloadReader } from './event-parser.ts'
import { idleWatch } from './idle-watch.ts'
import { partialEvent } from './partial-event.ts'
import { eventReader } from './read-events.ts'

/** Bytes of one read that may be dealt with in the turn of the event loop in which it came. */
const maxBytesPerTurn = 65_536
/** How long that may take before the rest waits for the next turn. */
const maxTurnMs = 4

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
  return inPortions(batches(body, options), options.clock)
}

function batches(body: ReadableStream<Uint8Array> | ByteStream, options: SseOptions): BatchStream<Delta[]> {
  const { label, decoder, clock, signal, idleMs, whole = false, onClose } = options
  if (onClose) signal.addEventListener('abort', onClose, { once: true })
  const stream = byteStreamOf(body)
  const partial = partialEvent()
  const parser = eventParser({ label, decoder })
  const readEvents = eventReader({ decoder, parser, partial, clock, whole })
  const direct = directText(partial)
  const idle = idleWatch(clock, idleMs, stream.cancel)
  // The deltas of the read at hand.
  let batch: Delta[] = []
  // Takes the next batch.
  let onNext: (batch: Delta[] | undefined) => void = () => {}
  // Nothing more is read.
  let over = false
  // The last delta has come; what is left of the body is its end.
  let finished = false
  // What is left of a read, for the next batch.
  let held: ByteRange | undefined
  // What was read last is enough for one turn of the event loop.
  let isTurnOver = false

  return {
    next(onBatch, writer) {
      onNext = onBatch
      direct.offer(writer, writer && parser.isBetweenEvents() ? decoder.template?.(0) : undefined)
      if (over) onBatch(undefined)
      else goOn()
    },
    cancel: close,
  }

  function goOn(): void {
    if (isTurnOver) clock.after(0, readOn)
    else readOn()
  }

  function readOn(): void {
    isTurnOver = false
    const rest = held
    held = undefined
    if (rest) onRange(rest)
    else stream.next(onRange)
  }

  function onRange(range: ByteRange | undefined, failure?: { cause: unknown }): void {
    batch = []
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
        goOn()
        return
      }
      direct.account(batch)
      if (idle.isIdle()) fail(idleTimeout(label, idleMs))
      else if (rest) read(rest, readAt + maxTurnMs)
      else if (failure) fail(signal.aborted ? cancelled(failure.cause) : broken(label, failure.cause))
      else finish()
    } catch (thrown) {
      fail(asGatewayError(thrown))
    }
    onNext(batch)
  }

  function read(range: ByteRange, until: number): void {
    held = readEvents(range, batch, until)
    isTurnOver ||= held !== undefined && clock.monotonic() >= until
    finished = batch.at(-1)?.type === 'finish'
  }

  function finish(): void {
    parser.end(partial.bytes(), batch)
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
    if (finished) drain(stream, clock)
    else stream.cancel()
    onClose?.()
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
