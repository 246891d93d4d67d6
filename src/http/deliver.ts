import { type Clock, withTimeout } from '../core/clock.ts'
import { collector } from '../core/collect.ts'
import { asGatewayError, cancelled, GatewayError } from '../core/errors.ts'
import type { Reply, StreamEvent } from '../core/events.ts'
import { pipeline, type ReplyStream } from '../core/pipeline.ts'
import { type Redact, redactError } from '../core/redact.ts'
import type { Encoder } from '../core/reply-encoder.ts'
import { enterPhase, type RequestRecord } from '../observe/record.ts'
import { clientWriter } from './client-writer.ts'
import { keepAlive } from './keep-alive.ts'

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

export function streamHeaders(contentType: string): Record<string, string> {
  return {
    'content-type': contentType,
    'cache-control': 'no-cache, no-transform',
    // nginx buffers a proxied reply without this header.
    'x-accel-buffering': 'no',
  }
}

/**
 * A streaming reply. Waits up to one keep-alive interval for the first event, so that most failures still get a status of
 * their own. Then it sends 200, and keep-alives until the first event comes.
 *
 * Errors: rejects with GatewayError before the status is sent; afterwards a failure is the dialect's error event.
 */
export async function streamReply(options: ClientStreamOptions): Promise<Response> {
  const { reply, contentType, keepAliveMs, clock, record, headers } = options
  const early = await withTimeout(reply, keepAliveMs, () => undefined, clock)
  record.status = 200
  const responseHeaders = { ...streamHeaders(contentType), ...headers() }
  record.capture?.replyHead({ status: 200, headers: Object.entries(responseHeaders) })
  return new Response(body(options, early), { headers: responseHeaders })
}

/** The body of the response, with one write for each batch. */
function body(options: ClientStreamOptions, early: ReplyStream | undefined): ReadableStream<Uint8Array> {
  const { reply, encoder, stallMs, clock, record, redact } = options
  const ended = Promise.withResolvers<void>()
  const client = clientWriter({
    clock,
    onDrain: readNext,
    onGone: disconnect,
    onWrite: record.capture?.written,
  })
  const pipe = pipeline({ encoder, onEvent, writeDirectly, onBroken: breakOff })
  const measureGap = gapMeter(record)
  let begun = false
  let isReading = false
  let over = false
  let stopPings = () => {}
  // The last text, while the reply is being stored.
  let held: string | undefined
  // The error that ended the reply before anything of it could be written.
  let cutBy: GatewayError | undefined

  options.onDisconnect(disconnect)
  record.end = (error) => {
    if (client.isOpen()) fail(error)
    else cutBy = error
  }
  const direct: Bun.DirectUnderlyingSource<Uint8Array> = {
    type: 'direct',
    pull(controller) {
      client.open(controller)
      if (cutBy) {
        early?.rest.cancel()
        fail(cutBy)
      } else if (early) start(early)
      else {
        // The headers are sent with the first byte, and the client has waited a whole interval for them.
        client.write(options.keepAlive)
        reply.then(start, (thrown) => fail(asGatewayError(thrown)))
      }
      // A short reply may have ended already.
      if (!over) stopPings = keepAlive({ client, clock, everyMs: options.keepAliveMs, stallMs, ping, onStall })
      return ended.promise
    },
    cancel: disconnect,
  }
  // Bun's direct sources are not in the DOM types.
  return Reflect.construct(ReadableStream, [direct])

  function start(stream: ReplyStream): void {
    begun = true
    pipe.begin(stream)
    readNext()
  }

  function readNext(): void {
    if (over || isReading || !begun || client.unreadSince() !== undefined) return
    isReading = true
    pipe.next(onText)
  }

  function onText(text: string, isLast: boolean): void {
    isReading = false
    if (over) return
    if (isLast) {
      endOnceStored(text)
      return
    }
    if (text !== '') client.write(text, measureGap(clock.monotonic()))
    readNext()
  }

  function writeDirectly(text: string | Uint8Array): 'go on' | 'catch up' {
    if (text.length > 0) client.write(text, measureGap(clock.monotonic()))
    return over || client.unreadSince() !== undefined ? 'catch up' : 'go on'
  }

  function onEvent(event: StreamEvent): StreamEvent {
    const shown: StreamEvent =
      event.type === 'error' ? { type: 'error', error: redactError(event.error, redact) } : event
    recordEvent(event, record, clock)
    return shown
  }

  function endOnceStored(text: string): void {
    const storing = options.storing?.()
    if (storing === undefined) {
      end(text)
      return
    }
    record.timeline?.begin('store')
    held = text
    storing.then(() => {
      if (!over) end(text)
    })
  }

  function fail(error: GatewayError): void {
    if (over) return
    if (held !== undefined) {
      end(held)
      return
    }
    let text: string
    try {
      text = pipe.fail(error)
    } catch {
      // If the encoder itself failed, the reply cannot be ended, so the connection is aborted.
      breakOff(error)
      return
    }
    end(text)
  }

  function disconnect(): void {
    if (over) return
    record.error = cancelled()
    close()
    ended.resolve()
  }

  function onStall(): void {
    breakOff(stalled(stallMs))
  }

  function breakOff(error: GatewayError): void {
    record.error = error
    close()
    options.abortConnection()
  }

  /** Writes the last text together with the end of the reply. */
  function end(text: string): void {
    if (text !== '') {
      measureGap(clock.monotonic())
      client.writeLast(text)
    }
    // `done` sets the timeout of the connection, which is possible only before the reply has ended.
    close()
    client.end()
    ended.resolve()
  }

  function close(): void {
    if (over) return
    over = true
    stopPings()
    pipe.cancel()
    // After a reply that was read to its end, the upstream's connection can be reused, so the call is not cancelled.
    if (record.error) options.abort()
    options.done()
  }

  function ping(): void {
    client.write(options.keepAlive)
  }
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

/** A whole reply, collected from the same stream. Errors: the GatewayError that ended the stream. */
export async function wholeReply(reply: Promise<ReplyStream>, clock: Clock, record: RequestRecord): Promise<Reply> {
  const stream = await reply
  const collected = collector()
  await new Promise<void>((resolve, reject) => {
    const pipe = pipeline({
      encoder: { push: collected.push, end() {} },
      onEvent(event) {
        recordEvent(event, record, clock)
        return event
      },
      writeDirectly: () => 'catch up',
      onBroken: reject,
    })
    record.end = (error) => {
      pipe.fail(error)
      resolve()
    }
    pipe.begin(stream)
    pipe.next(() => resolve())
  })
  const result = collected.result()
  if (result === undefined || result instanceof Error)
    throw (
      result ?? new GatewayError('upstream-truncated', 'The upstream closed the stream before the answer was complete.')
    )
  return result
}

function recordEvent(event: StreamEvent, record: RequestRecord, clock: Clock): void {
  switch (event.type) {
    case 'text-delta':
    case 'reasoning-delta':
    case 'tool-call-delta':
      return
    case 'message-start':
      record.firstTokenMs = clock.monotonic() - record.startedMonotonic
      record.promptTokens = event.inputTokens
      return
    case 'reasoning-start':
      record.timeline?.begin('reasoning')
      enterPhase(record, 'reasoning')
      return
    case 'text-start':
      record.timeline?.begin('text')
      enterPhase(record, 'writing')
      return
    case 'tool-call-start':
      record.timeline?.begin('tool', event.name)
      enterPhase(record, 'tool', event.name)
      return
    case 'message-end':
      record.usage = event.usage
      record.stopReason = event.reason
      record.timeline?.begin('close')
      return
    case 'error':
      record.error = event.error
      if (event.usage) record.usage = event.usage
      record.timeline?.begin('close')
      return
    default:
  }
}
