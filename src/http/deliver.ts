import { type Clock, within } from '../core/clock.ts'
import { collector } from '../core/collect.ts'
import type { Encoder, ProseWriter } from '../core/dialect.ts'
import { asGatewayError, cancelled, GatewayError } from '../core/errors.ts'
import type { Reply, StreamEvent } from '../core/events.ts'
import { type Redact, redactError } from '../core/redact.ts'
import { type FastPath, read, type Source } from '../core/source.ts'
import type { RequestRecord } from '../observe/record.ts'

export interface StreamOptions {
  /** Settles with the events, or rejects with what went wrong before the first. */
  events: Promise<Source<StreamEvent[]>>
  encoder: Encoder
  /** Said while the upstream is silent. */
  keepAlive: string
  keepAliveMs: number
  clock: Clock
  record: RequestRecord
  redact: Redact
  /** Asked for when they leave. */
  headers: () => Record<string, string>
  /** Longest time in which the client reads nothing. */
  stallMs: number
  /** Ends the connection without a polite end of the reply. */
  hangUp: () => void
  /** Has `leave` called once the client has left. */
  onLeave: (leave: () => void) => void
  /** Tells the upstream that nobody listens any more. */
  abort: () => void
  /** Called once, when the last byte is out or the client is gone. */
  done: () => void
}

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx buffers a proxied reply unless it is told not to.
  'x-accel-buffering': 'no',
}

/**
 * A streaming reply. Waits up to one keep-alive interval for the first event, so that the usual failure still gets
 * its own status; then commits to 200 and keeps the client company.
 *
 * Errors: rejects with GatewayError while a status can still tell; afterwards failure is the dialect's error event.
 */
export async function streamReply(options: StreamOptions): Promise<Response> {
  const { events, keepAliveMs, clock, record, headers } = options
  const early = await within(events, keepAliveMs, () => undefined, clock)
  record.status = 200
  return new Response(body(options, early), { headers: { ...streamHeaders, ...headers() } })
}

/**
 * Written straight into the connection, one write a batch: a queue and a promise between them would cost as much as
 * all that is done with an event.
 */
function body(options: StreamOptions, early: Source<StreamEvent[]> | undefined): ReadableStream<Uint8Array> {
  const { events, encoder, keepAlive, keepAliveMs, stallMs, clock, record, redact, onLeave, abort, hangUp, done } =
    options
  const ended = Promise.withResolvers<void>()
  let controller: ReadableStreamDirectController | undefined
  let source: Source<StreamEvent[]> | undefined
  let asking = false
  let over = false
  let lastSentAt = clock.monotonic()
  let lastTextAt: number | undefined
  // The record lies elsewhere in memory: with many streams a look at it would cost each event.
  let hearGap: RequestRecord['pulse']
  let writer: ProseWriter | undefined
  let path: FastPath | undefined
  // Since when something waits here for a client that does not read; `undefined` while it reads.
  let unreadSince: number | undefined
  let stopTimer = () => {}

  onLeave(leave)
  const direct: Bun.DirectUnderlyingSource<Uint8Array> = {
    type: 'direct',
    pull(opened) {
      controller = opened
      // What is written before this returns leaves together with the headers.
      if (early) begin(early)
      else {
        // They leave with the first byte, and the client has waited long enough for them.
        send(keepAlive)
        events.then(begin, (thrown) => fail(asGatewayError(thrown)))
      }
      // Short replies are over by now.
      if (!over) keepCompany()
      return ended.promise
    },
    cancel: leave,
  }
  // Bun's own kind of source, which the types of browsers do not know.
  return Reflect.construct(ReadableStream, [direct])

  function begin(begun: Source<StreamEvent[]>): void {
    source = begun
    if (over) begun.cancel()
    else ask()
  }

  function ask(): void {
    if (over || asking || unreadSince !== undefined || source === undefined) return
    asking = true
    source.next(hear, fastPath())
  }

  function fastPath(): FastPath | undefined {
    const prose = encoder.prose?.()
    if (prose !== writer) {
      writer = prose
      path = prose && pathBy(prose)
    }
    return path
  }

  function pathBy(prose: ProseWriter): FastPath {
    return {
      kind: prose.kind,
      write(pieces, areBytes) {
        const text = prose.write(pieces)
        if (!over) tell(areBytes ? Buffer.from(text, 'latin1') : text)
        return over || unreadSince !== undefined ? 'catch up' : 'go on'
      },
    }
  }

  function hear(batch: StreamEvent[] | undefined): void {
    asking = false
    if (over) return
    try {
      const text = encode(batch ?? [])
      if (isLast(batch)) end(text)
      else {
        tell(text)
        ask()
      }
    } catch (thrown) {
      fail(asGatewayError(thrown))
    }
  }

  function encode(batch: StreamEvent[]): string {
    const out: string[] = []
    for (const event of batch) {
      encoder.push(event.type === 'error' ? redacted(event.error) : event, out)
      note(event, record, clock)
    }
    return out.length === 1 ? (out[0] ?? '') : out.join('')
  }

  function redacted(error: GatewayError): StreamEvent {
    return { type: 'error', error: redactError(error, redact) }
  }

  function tell(text: string | Uint8Array): void {
    if (text.length > 0) send(text, pulse())
  }

  function pulse(): number {
    const now = clock.monotonic()
    if (lastTextAt === undefined) hearGap = record.pulse
    else hearGap?.(now - lastTextAt)
    lastTextAt = now
    return now
  }

  function send(text: string | Uint8Array, now = clock.monotonic()): void {
    lastSentAt = now
    const written = controller?.write(text)
    const flushed = controller?.flush()
    // A promise is what a client that does not keep up looks like.
    if (typeof written === 'number' && typeof flushed !== 'object') return
    unreadSince ??= lastSentAt
    Promise.all([written, flushed]).then(readAgain, leave)
  }

  function readAgain(): void {
    unreadSince = undefined
    ask()
  }

  function fail(error: GatewayError): void {
    if (over) return
    try {
      end(encode([{ type: 'error', error }]))
    } catch {
      // The encoder is what failed: then the reply has no end, and the client sees that.
      breakOff(error)
    }
  }

  function leave(): void {
    if (over) return
    record.error = cancelled()
    close()
    ended.resolve()
  }

  function breakOff(error: GatewayError): void {
    record.error = error
    close()
    hangUp()
  }

  /** The last words leave together with the end of the reply. */
  function end(text: string): void {
    const out = [text]
    encoder.end(out)
    const last = out.join('')
    if (last !== '') {
      pulse()
      controller?.write(last)
    }
    // What is to be said of the connection has to be said while the reply is not over.
    close()
    controller?.end()
    ended.resolve()
  }

  function close(): void {
    if (over) return
    over = true
    stopTimer()
    source?.cancel()
    // A reply that was told to its end leaves its connection fit for the next call.
    if (record.error) abort()
    done()
  }

  function keepCompany(): void {
    const now = clock.monotonic()
    if (unreadSince !== undefined && now - unreadSince >= stallMs) {
      breakOff(stalled(stallMs))
      return
    }
    const quietMs = now - lastSentAt
    // A client that does not read gets no pings either: they would only pile up.
    if (quietMs >= keepAliveMs && unreadSince === undefined) send(keepAlive)
    const nextMs = keepAliveMs - (clock.monotonic() - lastSentAt)
    stopTimer = clock.after(nextMs > 0 ? nextMs : keepAliveMs, () => {
      if (!over) keepCompany()
    })
  }
}

/** Nothing follows: the client need not wait for the source to say so. */
function isLast(batch: StreamEvent[] | undefined): boolean {
  const type = batch?.at(-1)?.type
  return batch === undefined || type === 'message-end' || type === 'error'
}

function stalled(stallMs: number): GatewayError {
  return new GatewayError('cancelled', `The client read nothing for ${stallMs / 1000} s.`, { code: 'client_stalled' })
}

/** A whole reply: the same stream, collected. Errors: whatever ended the stream, as GatewayError. */
export async function wholeReply(
  events: Promise<Source<StreamEvent[]>>,
  clock: Clock,
  record: RequestRecord,
): Promise<Reply> {
  const source = await events
  const gathered = collector()
  for (let batch = await read(source); batch; batch = await read(source))
    for (const event of batch) {
      gathered.push(event)
      note(event, record, clock)
    }
  const result = gathered.result()
  if (result === undefined || result instanceof Error)
    throw (
      result ?? new GatewayError('upstream-truncated', 'The upstream closed the stream before the answer was complete.')
    )
  return result
}

function note(event: StreamEvent, record: RequestRecord, clock: Clock): void {
  if (event.type === 'message-start') {
    record.firstTokenMs = clock.monotonic() - record.startedMonotonic
    record.promptTokens = event.inputTokens
  } else if (event.type === 'message-end') record.usage = event.usage
  else if (event.type === 'error') record.error = event.error
}
