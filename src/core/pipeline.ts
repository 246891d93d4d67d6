import type { BatchStream, DirectWriter } from './batch-stream.ts'
import { asGatewayError, type GatewayError } from './errors.ts'
import type { ReplyDelta, StreamEvent } from './events.ts'
import { isLongText } from './long-json.ts'
import type { Encoder, TextWriter } from './reply-encoder.ts'
import type { Passthrough, Transform } from './transform.ts'

/** A reply that has begun, with the transform for its deltas. */
export interface ReplyStream {
  first: ReplyDelta[]
  rest: BatchStream<ReplyDelta[]>
  transform: Transform<ReplyDelta, StreamEvent>
}

export interface PipelineOptions {
  encoder: Encoder
  /** Called for every event except text that is written directly. What it returns is encoded. */
  onEvent: (event: StreamEvent) => StreamEvent
  /** Writes text from the direct writer. Returns 'catch up' when the client's connection takes no more for now. */
  writeDirectly: (text: string | Uint8Array) => 'go on' | 'catch up'
  /**
   * The encoder failed twice: at an event and at the error event that should have reported it. The reply has no end.
   */
  onBroken: (error: GatewayError) => void
  /**
   * Runs something in a later turn of the event loop. With it, the end of a long block is encoded in a turn of its own:
   * making it, and what follows it, take long as well.
   */
  inLaterTurn?: (run: () => void) => void
}

/** Carries one reply from the upstream's bytes to the client's bytes. */
export interface Pipeline {
  /** Called once, before `next`. */
  begin(reply: ReplyStream): void
  /**
   * Reads until there is text for the client, or to the end. It also stops where text that was written directly has filled
   * the client's connection; then `text` may be empty. `onText` must not throw. It is called once, possibly before `next`
   * returns, and not after `fail` or `cancel`. Call `next` again only after it was called.
   */
  next(onText: (text: string, isLast: boolean) => void): void
  /** Ends the reply with an error, and returns the text to send. Throws what the encoder throws. */
  fail(error: GatewayError): string
  /** Stops reading and closes the upstream's stream. */
  cancel(): void
}

/**
 * The hops of a streamed chunk, one file each, in this order:
 *
 * 1. `wire/event-stream.ts`: one network read becomes one batch, or several where it is long.
 * 2. `wire/read-deltas.ts`: the bytes become payloads of events.
 * 3. `upstreams/<name>/decode.ts`: a payload becomes deltas.
 * 4. `core/text-portions.ts`: splits long texts, so that other requests get their turn.
 * 5. `prompted-tools/channels.ts`: reasoning in tags becomes reasoning deltas.
 * 6. `prompted-tools/parse.ts`: tool calls written as text become tool-call deltas.
 * 7. `prompted-tools/doubled-calls.ts`: drops the copy of a call that was made natively and written as well.
 * 8. `core/tool-names.ts`: tools get the client's own names back.
 * 9. `wire/first-delta.ts`: waits for the first delta, so that a failure before it still sets the HTTP status.
 * 10. `upstreams/opening/await-tool-call.ts`: holds a reply back until it calls a tool, where the client requires a call.
 * 11. `gateway/retry-without-reasoning.ts`: a reply of reasoning alone continues with a second call.
 * 12. `gateway/reply-rules.ts`: stops endless repetition, and applies `max_tokens`, `tool_choice` and stop sequences.
 * 13. `gateway/structured/structured-reply.ts`: holds a JSON answer back until it is valid.
 * 14. `gateway/learn-usage.ts`: teaches the token meter with the usage of a reply that is not JSON.
 * 15. `gateway/web-search.ts`: shows searches that the client asked for.
 * 16. `gateway/reasoning-placement.ts`: puts reasoning where the client wants it.
 * 17. `core/stream-normaliser.ts`: deltas become events with the guarantees that every encoder relies on.
 * 18. `core/tool-names.ts`: errors name tools as the client does where the dialect had changed the name.
 * 19. `gateway/tool-arguments.ts`: holds calls of strict tools back until their arguments are valid.
 * 20. `mcp/rounds.ts`: runs calls of MCP servers, and goes on with another reply of the upstream.
 * 21. `dialects/<name>/encode.ts`: an event becomes messages of the client's dialect.
 * 22. `http/streamed-body.ts`: writes text to the client's connection.
 *
 * Hop 3 also tells the meter of the call (`core/call-meter.ts`) what arrived, before any other hop can change it.
 *
 * Hops 5 to 8 are one transform (`prompted-tools/channels-and-calls.ts`). Hops 12 to 19 are another, the `transform` of a
 * `ReplyStream`; for a JSON answer, hops 12 and 13 lie before it. This file runs that transform and the encoder. With MCP
 * servers, hop 20 lies around all before it: it has one such transform after the other.
 *
 * Text that no hop would change is written directly: hop 1 hands it to hop 22 (`wire/direct-text.ts`), and the hops
 * between are told what was written once for dozens of events. This takes `Transform.passthrough`, `TextWriter` in
 * `core/reply-encoder.ts` and the `DirectWriter` made here. test/promises/direct-writer.test.ts proves that the output is the same
 * either way.
 */
export function pipeline(options: PipelineOptions): Pipeline {
  const run: Run = {
    ...options,
    reply: undefined,
    first: undefined,
    isOver: false,
    onBatch: (batch) => take(run, batch),
    onText() {},
    events: [],
    later: [],
    isEnd: false,
    afterDirect: [],
    isFull: false,
    direct: undefined,
  }

  return {
    begin(reply) {
      if (run.isOver) reply.rest.cancel()
      run.reply = reply
      run.first = reply.first
    },
    next(onText) {
      run.onText = onText
      if (run.later.length > 0) {
        deliverLater(run)
        return
      }
      const { first } = run
      if (first === undefined) read(run)
      else {
        run.first = undefined
        take(run, first)
      }
    },
    fail(error) {
      cancel(run)
      return encode(run, [{ type: 'error', error }], true)
    },
    cancel: () => cancel(run),
  }
}

/** One reply on its way through the pipeline. */
interface Run extends Readonly<PipelineOptions> {
  reply: ReplyStream | undefined
  /** The deltas that were read before the reply was handed over; delivered before anything else is read. */
  first: ReplyDelta[] | undefined
  isOver: boolean
  /** `take` for this reply, created once because it is passed on for every read. */
  readonly onBatch: (batch: ReplyDelta[] | undefined) => void
  /** Takes the next text for the client. */
  onText: (text: string, isLast: boolean) => void
  /** The events of the current batch. */
  events: StreamEvent[]
  /** Those of them that are left for a later turn. */
  later: StreamEvent[]
  /** Whether the current batch is the end of the stream. */
  isEnd: boolean
  /** Encoder output that follows text which was written directly, such as counts. */
  afterDirect: string[]
  /**
   * Whether the client's connection took no more at the last direct write. Reading on would pile up what it does not
   * read.
   */
  isFull: boolean
  /** The last direct writer, and what it was made for. */
  direct: { writer: TextWriter; passthrough: Passthrough; to: DirectWriter } | undefined
}

function cancel(run: Run): void {
  if (run.isOver) return
  run.isOver = true
  run.reply?.rest.cancel()
}

function read(run: Run): void {
  const { reply } = run
  reply?.rest.next(run.onBatch, directWriter(run, reply))
}

function take(run: Run, batch: ReplyDelta[] | undefined): void {
  const { reply } = run
  if (run.isOver || reply === undefined) return
  run.isEnd = batch === undefined
  transform(reply, batch, run.events)
  deliverOnceDecided(run, reply)
}

/** An error that the transform throws becomes the last event. */
function transform(reply: ReplyStream, batch: readonly ReplyDelta[] | undefined, out: StreamEvent[]): void {
  try {
    if (batch === undefined) reply.transform.end(out)
    else for (const delta of batch) reply.transform.push(delta, out)
  } catch (thrown) {
    out.push({ type: 'error', error: asGatewayError(thrown) })
  }
}

/** Delivers the events, after the transform has done what it has to wait for. */
function deliverOnceDecided(run: Run, reply: ReplyStream): void {
  const pending = reply.transform.pending?.()
  if (pending) pending.then(() => resume(run, reply))
  else deliver(run)
}

function resume(run: Run, reply: ReplyStream): void {
  if (run.isOver) return
  try {
    reply.transform.resume?.(run.events)
  } catch (thrown) {
    run.events.push({ type: 'error', error: asGatewayError(thrown) })
  }
  deliverOnceDecided(run, reply)
}

function deliver(run: Run): void {
  const batch = takeEvents(run)
  const isLast = run.later.length === 0 && (run.isEnd || endsReply(batch.at(-1)))
  if (isLast) cancel(run)
  let text: string
  try {
    text = encode(run, batch, isLast)
  } catch (thrown) {
    fallBack(run, asGatewayError(thrown))
    return
  }
  if (text === '' && !isLast && !run.isFull) {
    if (run.later.length > 0) deliverLater(run)
    else read(run)
    return
  }
  run.isFull = false
  run.onText(text, isLast)
}

/** The events to encode now. The others are left for a later turn. */
function takeEvents(run: Run): StreamEvent[] {
  const wasLeft = run.later.length > 0
  const batch = wasLeft ? run.later : run.events
  if (!wasLeft) run.events = []
  const longAt = run.inLaterTurn ? batch.findIndex(endsLongBlock) : -1
  if (longAt < 0) run.later = []
  else run.later = batch.splice(wasLeft && longAt === 0 ? 1 : longAt)
  return batch
}

/** Delivers the events that were left for a later turn. */
function deliverLater(run: Run): void {
  run.inLaterTurn?.(() => {
    if (!run.isOver) deliver(run)
  })
}

function endsLongBlock(event: StreamEvent): boolean {
  if (event.type === 'tool-call-end') return isLongText(event.arguments)
  return (event.type === 'text-end' || event.type === 'reasoning-end') && isLongText(event.text)
}

/** Ends the reply with the encoder's own failure, if the encoder can still write that. */
function fallBack(run: Run, error: GatewayError): void {
  cancel(run)
  let text: string
  try {
    text = encode(run, [{ type: 'error', error }], true)
  } catch {
    run.onBroken(error)
    return
  }
  run.onText(text, true)
}

function encode(run: Run, batch: readonly StreamEvent[], isLast: boolean): string {
  const { encoder } = run
  const out = run.afterDirect
  run.afterDirect = []
  for (const event of batch) encoder.push(run.onEvent(event), out)
  if (isLast) encoder.end(out)
  return out.length === 1 ? (out[0] ?? '') : out.join('')
}

/** A direct writer for more text of the open block, if the encoder and the transform pass that text on unchanged. */
function directWriter(run: Run, reply: ReplyStream): DirectWriter | undefined {
  const writer = run.encoder.textWriter?.()
  const passthrough = writer !== undefined && reply.transform.passthrough?.(writer.kind)
  if (!passthrough) return undefined
  if (run.direct?.writer !== writer || run.direct.passthrough !== passthrough)
    run.direct = { writer, passthrough, to: newDirectWriter(run, reply, writer, passthrough) }
  return run.direct.to
}

function newDirectWriter(run: Run, reply: ReplyStream, writer: TextWriter, passthrough: Passthrough): DirectWriter {
  const { kind } = writer
  return {
    kind,
    except: passthrough instanceof RegExp ? passthrough : undefined,
    write(pieces, areBytes) {
      const text = writer.write(pieces)
      if (run.isOver) return 'catch up'
      const next = run.writeDirectly(areBytes ? Buffer.from(text, 'latin1') : text)
      run.isFull = next === 'catch up'
      return next
    },
    account(text) {
      const accounted: StreamEvent[] = []
      transform(reply, [{ type: kind, text }], accounted)
      for (const event of accounted)
        if (event.type === `${kind}-delta` && 'text' in event) writer.account(event.text, run.afterDirect)
        else run.events.push(event)
    },
  }
}

function endsReply(event: StreamEvent | undefined): boolean {
  return event?.type === 'message-end' || event?.type === 'error'
}
