import type { Clock } from '../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../core/errors.ts'
import type { StreamEvent } from '../core/events.ts'
import { type Pipeline, pipeline, type ReplyStream } from '../core/pipeline.ts'
import { type Redact, redactError } from '../core/redact.ts'
import type { Encoder } from '../core/reply-encoder.ts'
import type { RequestRecord } from '../observe/record.ts'
import { type ClientWriter, clientWriter } from './client-writer.ts'
import { keepAlive } from './keep-alive.ts'
import { recordEvent } from './record-event.ts'

export interface ClientStreamOptions {
  /** Resolves when the reply has begun. Errors: GatewayError. */
  reply: Promise<ReplyStream>
  encoder: Encoder
  contentType: string
  /** Sent while the upstream is silent. */
  keepAlive: string
  keepAliveMs: number
  clock: Clock
  record: RequestRecord
  redact: Redact
  /**
   * Settles when the reply is stored. The end is held back until then, so that the client can refer to the reply at
   * once. Never rejects.
   */
  storing?: () => Promise<void> | undefined
  /** Called when the headers are sent. */
  headers: () => Record<string, string>
  /** Longest time in which the client reads nothing. */
  stallMs: number
  /** Ends the connection without an end of the reply. */
  abortConnection: () => void
  /** Registers a function to call when the client has disconnected. */
  onDisconnect: (disconnect: () => void) => void
  /** Cancels the upstream's call. */
  abort: () => void
  /** Called once, when the last byte was written or the client has disconnected. */
  done: () => void
}

/** One response while it is streamed. */
interface StreamedReply {
  readonly options: ClientStreamOptions
  readonly clock: Clock
  readonly client: ClientWriter
  readonly pipe: Pipeline
  /** Reports the gap since the last write. */
  readonly measureGap: (now: number) => number
  /** `onText` for this reply, created once because it is passed on for every read. */
  readonly onText: (text: string, isLast: boolean) => void
  /** Resolved when the response has ended. */
  readonly ended: PromiseWithResolvers<void>
  hasBegun: boolean
  /** Whether the next text was requested and has not come yet. */
  isReading: boolean
  isOver: boolean
  stopPings: () => void
  /** The last text, while the reply is being stored. */
  held: string | undefined
  /** The error that ended the reply before anything of it could be written. */
  cutBy: GatewayError | undefined
}

/** The body of the response, with one write for each batch. `early` is the reply, if it has begun before the status. */
export function streamedBody(options: ClientStreamOptions, early: ReplyStream | undefined): ReadableStream<Uint8Array> {
  const reply = newStreamedReply(options)
  const { client, ended } = reply
  options.onDisconnect(() => disconnect(reply))
  options.record.end = (error) => {
    if (client.isOpen()) fail(reply, error)
    else reply.cutBy = error
  }
  const direct: Bun.DirectUnderlyingSource<Uint8Array> = {
    type: 'direct',
    pull(controller) {
      client.open(controller)
      if (reply.cutBy) {
        early?.rest.cancel()
        fail(reply, reply.cutBy)
      } else if (early) start(reply, early)
      else {
        // The headers are sent with the first byte, and the client has waited a whole interval for them.
        ping(reply)
        options.reply.then(
          (stream) => start(reply, stream),
          (thrown) => fail(reply, asGatewayError(thrown)),
        )
      }
      // A short reply may have ended already.
      if (!reply.isOver) reply.stopPings = startPings(reply)
      return ended.promise
    },
    cancel: () => disconnect(reply),
  }
  // Bun's direct sources are not in the DOM types.
  return Reflect.construct(ReadableStream, [direct])
}

function newStreamedReply(options: ClientStreamOptions): StreamedReply {
  const { encoder, clock, record, redact } = options
  const client = clientWriter({
    clock,
    onDrain: () => readNext(reply),
    onGone: () => disconnect(reply),
    onWrite: record.capture?.written,
  })
  const pipe = pipeline({
    encoder,
    onEvent(event) {
      const shown: StreamEvent =
        event.type === 'error' ? { type: 'error', error: redactError(event.error, redact) } : event
      recordEvent(event, record, clock)
      return shown
    },
    writeDirectly: (text) => writeDirectly(reply, text),
    onBroken: (error) => breakOff(reply, error),
    inLaterTurn: (run) => clock.after(0, run),
  })
  const reply: StreamedReply = {
    ...{ options, clock, client, pipe },
    measureGap: gapMeter(record),
    onText: (text, isLast) => onText(reply, text, isLast),
    ended: Promise.withResolvers<void>(),
    hasBegun: false,
    isReading: false,
    isOver: false,
    stopPings() {},
    held: undefined,
    cutBy: undefined,
  }
  return reply
}

function start(reply: StreamedReply, stream: ReplyStream): void {
  reply.hasBegun = true
  reply.pipe.begin(stream)
  readNext(reply)
}

/** Requests the next text, unless the client still has to read what was written. */
function readNext(reply: StreamedReply): void {
  if (reply.isOver || reply.isReading || !reply.hasBegun || reply.client.unreadSince() !== undefined) return
  reply.isReading = true
  reply.pipe.next(reply.onText)
}

function onText(reply: StreamedReply, text: string, isLast: boolean): void {
  reply.isReading = false
  if (reply.isOver) return
  if (isLast) {
    endOnceStored(reply, text)
    return
  }
  write(reply, text)
  readNext(reply)
}

function writeDirectly(reply: StreamedReply, text: string | Uint8Array): 'go on' | 'catch up' {
  write(reply, text)
  return reply.isOver || reply.client.unreadSince() !== undefined ? 'catch up' : 'go on'
}

function write(reply: StreamedReply, text: string | Uint8Array): void {
  if (text.length > 0) reply.client.write(text, reply.measureGap(reply.clock.monotonic()))
}

function startPings(reply: StreamedReply): () => void {
  const { client, clock, options } = reply
  const { stallMs } = options
  return keepAlive({
    ...{ client, clock, stallMs, everyMs: options.keepAliveMs },
    ping: () => ping(reply),
    onStall: () => breakOff(reply, stalled(stallMs)),
  })
}

function ping({ client, options }: StreamedReply): void {
  client.write(options.keepAlive)
}

/** Ends the reply after it was stored, so that the client can refer to it at once. */
function endOnceStored(reply: StreamedReply, text: string): void {
  const { storing, record } = reply.options
  const stored = storing?.()
  if (stored === undefined) {
    end(reply, text)
    return
  }
  record.timeline?.begin('store')
  reply.held = text
  stored.then(() => {
    if (!reply.isOver) end(reply, text)
  })
}

/** Ends the reply with an error, unless it is complete and only its storing is awaited. */
function fail(reply: StreamedReply, error: GatewayError): void {
  if (reply.isOver) return
  if (reply.held !== undefined) {
    end(reply, reply.held)
    return
  }
  let text: string
  try {
    text = reply.pipe.fail(error)
  } catch {
    // If the encoder itself failed, the reply cannot be ended, so the connection is aborted.
    breakOff(reply, error)
    return
  }
  end(reply, text)
}

/** The client has closed its connection. */
function disconnect(reply: StreamedReply): void {
  if (reply.isOver) return
  reply.options.record.error = cancelled()
  close(reply)
  reply.ended.resolve()
}

/** Ends the connection without an end of the reply. */
function breakOff(reply: StreamedReply, error: GatewayError): void {
  const { record, abortConnection } = reply.options
  record.error = error
  close(reply)
  abortConnection()
}

/** Writes the last text together with the end of the reply. */
function end(reply: StreamedReply, text: string): void {
  const { client, clock } = reply
  if (text !== '') {
    reply.measureGap(clock.monotonic())
    client.writeLast(text)
  }
  // `done` sets the timeout of the connection, which is possible only before the reply has ended.
  close(reply)
  client.end()
  reply.ended.resolve()
}

function close(reply: StreamedReply): void {
  if (reply.isOver) return
  reply.isOver = true
  reply.stopPings()
  reply.pipe.cancel()
  const { record, abort, done } = reply.options
  // After a reply that was read to its end, the upstream's connection can be reused, so the call is not cancelled.
  if (record.error) abort()
  done()
}

/** Returns a function to call at each write. It reports the gap since the last one, and returns its argument. */
function gapMeter(record: RequestRecord): (now: number) => number {
  let lastAt: number | undefined
  // Copied, because with many streams, reading the record for every event would miss the CPU cache.
  let onGap: RequestRecord['observeGap']
  return (now) => {
    if (lastAt === undefined) onGap = record.observeGap
    else onGap?.(now - lastAt)
    lastAt = now
    return now
  }
}

function stalled(stallMs: number): GatewayError {
  return new GatewayError('cancelled', `The client read nothing for ${stallMs / 1000} s.`, { code: 'client_stalled' })
}
