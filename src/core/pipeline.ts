import type { DirectWriter } from './batch-stream.ts'
import type { Encoder, TextWriter } from './dialect.ts'
import { asGatewayError, type GatewayError } from './errors.ts'
import type { Delta, StreamEvent } from './events.ts'
import type { Passthrough, Transform } from './transform.ts'
import type { OpenedReply } from './upstream.ts'

/** A reply that has begun, and what has to become of its deltas. */
export interface ReplyStream extends OpenedReply {
  transform: Transform<Delta, StreamEvent>
}

export interface PipelineOptions {
  encoder: Encoder
  /** Sees every event, but those of text that is written directly; what it returns is encoded. */
  onEvent: (event: StreamEvent) => StreamEvent
  /** Sends text on the direct way. 'catch up' where the client takes no more for now. */
  writeDirectly: (text: string | Uint8Array) => 'go on' | 'catch up'
  /** The encoder has failed, at the error that was to be told as well: the reply has no end. */
  onBroken: (error: GatewayError) => void
}

/** The way of one reply from the upstream's bytes to the client's. */
export interface Pipeline {
  /** Called once, before all else but `fail` and `cancel`. */
  begin(reply: ReplyStream): void
  /**
   * Reads on until there is text for the client, or the end. `onText` is called once, maybe before `next` returns, and
   * never after `fail` or `cancel`; it must not throw. Ask again only when it was called.
   */
  next(onText: (text: string, isLast: boolean) => void): void
  /** Ends the reply with an error, whatever else the upstream has to say. Throws what the encoder throws. */
  fail(error: GatewayError): string
  /** Gives up: closes whatever stands behind. */
  cancel(): void
}

/**
 * All that happens to a chunk of a stream, one file a hop:
 *
 * 1. `wire/event-stream.ts` — bytes of one network read become payloads of events.
 * 2. `upstreams/<name>/decode.ts` — a payload becomes deltas.
 * 3. `prompted-tools/channels.ts` — thoughts in tags become reasoning.
 * 4. `prompted-tools/parse.ts` — calls written as text become calls.
 * 5. `core/tool-names.ts` — tools get the client's own names back.
 * 6. `wire/first-delta.ts` — has waited for the first delta, so that a status could still tell of a failure.
 * 7. `gateway/retry-without-reasoning.ts` — a reply of reasoning alone goes on with a second call.
 * 8. `gateway/reply-rules.ts` — what the gateway promises: no endless repetition, `max_tokens`, `tool_choice`, stop sequences.
 * 9. `gateway/structured/structured-reply.ts` — an answer that has to be JSON is held until it is good.
 * 10. `gateway/web-search.ts` — searches that the client asked for are shown.
 * 11. `gateway/reasoning-placement.ts` — reasoning goes where the client wants it.
 * 12. `core/stream-normaliser.ts` — deltas become events that every dialect can trust.
 * 13. `gateway/tool-arguments.ts` — calls of strict tools are held until their arguments are good.
 * 14. `dialects/<name>/encode.ts` — an event becomes messages of the client's dialect.
 * 15. `http/deliver.ts` — text is written to the client's connection.
 *
 * 3 to 5 are one machine (`piped` in core/batch-stream.ts), behind `core/text-portions.ts`, which gives others their turn where much
 * comes at once; 8 to 13 are another, the `transform` of a reply. Here that transform and the encoder run, and text that none of them would change is written directly: hop 1 hands it to hop 15, and all
 * between hear of it later, once for dozens of events. What that takes is in this file, `core/transform.ts` (`passes`)
 * and `core/dialect.ts` (`TextWriter`); that nothing but speed comes of it is what test/direct-writer.test.ts proves.
 */
export function pipeline({ encoder, onEvent, writeDirectly, onBroken }: PipelineOptions): Pipeline {
  let reply: ReplyStream | undefined
  // What is read before the reply's first batch is asked for.
  let first: Delta[] | undefined
  let over = false
  let waiting: (text: string, isLast: boolean) => void = () => {}
  // What the batch at hand has become.
  let events: StreamEvent[] = []
  let isEnd = false
  // What follows from text that was written directly.
  let afterDirect: string[] = []
  let direct: { writer: TextWriter; passthrough: Passthrough; to: DirectWriter } | undefined

  return {
    begin(begun) {
      if (over) begun.rest.cancel()
      reply = begun
      first = begun.first
    },
    next(onText) {
      waiting = onText
      if (first === undefined) read()
      else {
        const batch = first
        first = undefined
        take(batch)
      }
    },
    fail(error) {
      cancel()
      return encoded([{ type: 'error', error }], true)
    },
    cancel,
  }

  function cancel(): void {
    if (over) return
    over = true
    reply?.rest.cancel()
  }

  function read(): void {
    reply?.rest.next(take, directWriter(reply))
  }

  function take(batch: Delta[] | undefined): void {
    if (over || reply === undefined) return
    isEnd = batch === undefined
    transform(reply, batch, events)
    const pending = reply.transform.pending?.()
    if (pending) pending.then(resume)
    else hand()
  }

  /** Whatever a transform throws, its stream ends and says so. */
  function transform(of: ReplyStream, batch: readonly Delta[] | undefined, out: StreamEvent[]): void {
    try {
      if (batch === undefined) of.transform.end(out)
      else for (const delta of batch) of.transform.push(delta, out)
    } catch (thrown) {
      out.push({ type: 'error', error: asGatewayError(thrown) })
    }
  }

  function resume(): void {
    if (over) return
    try {
      reply?.transform.resume?.(events)
    } catch (thrown) {
      events.push({ type: 'error', error: asGatewayError(thrown) })
    }
    const pending = reply?.transform.pending?.()
    if (pending) pending.then(resume)
    else hand()
  }

  function hand(): void {
    const batch = events
    events = []
    const isLast = isEnd || endsReply(batch.at(-1))
    if (isLast) cancel()
    let text: string
    try {
      text = encoded(batch, isLast)
    } catch (thrown) {
      fallBack(asGatewayError(thrown))
      return
    }
    if (text !== '' || isLast) waiting(text, isLast)
    else read()
  }

  /** The encoder has failed, which it may tell of. */
  function fallBack(error: GatewayError): void {
    cancel()
    let text: string
    try {
      text = encoded([{ type: 'error', error }], true)
    } catch {
      onBroken(error)
      return
    }
    waiting(text, true)
  }

  function encoded(batch: readonly StreamEvent[], isLast: boolean): string {
    const out = afterDirect
    afterDirect = []
    for (const event of batch) encoder.push(onEvent(event), out)
    if (isLast) encoder.end(out)
    return out.length === 1 ? (out[0] ?? '') : out.join('')
  }

  /** The way around for more of the text that was written last, where everybody lets it pass. */
  function directWriter(of: ReplyStream): DirectWriter | undefined {
    const writer = encoder.textWriter?.()
    const passthrough = writer !== undefined && of.transform.passthrough?.(writer.kind)
    if (!passthrough) return undefined
    if (direct?.writer !== writer || direct.passthrough !== passthrough)
      direct = { writer, passthrough, to: writingDirectly(of, writer, passthrough) }
    return direct.to
  }

  function writingDirectly(of: ReplyStream, writer: TextWriter, passthrough: Passthrough): DirectWriter {
    const { kind } = writer
    return {
      kind,
      except: passthrough instanceof RegExp ? passthrough : undefined,
      write(pieces, areBytes) {
        const text = writer.write(pieces)
        if (over) return 'catch up'
        return writeDirectly(areBytes ? Buffer.from(text, 'latin1') : text)
      },
      account(text) {
        const accounted: StreamEvent[] = []
        transform(of, [{ type: kind, text }], accounted)
        for (const event of accounted)
          if (event.type === `${kind}-delta` && 'text' in event) writer.account(event.text, afterDirect)
          else events.push(event)
      },
    }
  }
}

function endsReply(event: StreamEvent | undefined): boolean {
  return event?.type === 'message-end' || event?.type === 'error'
}
