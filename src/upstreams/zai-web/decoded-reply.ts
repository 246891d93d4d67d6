import { annotateOnce } from '../../core/annotate-once.ts'
import type { CallMeter } from '../../core/call-meter.ts'
import type { GatewayError } from '../../core/errors.ts'
import type { Delta, FinishReason, Usage } from '../../core/events.ts'
import { emptyResponse, unreadablePart } from './errors.ts'
import { type FieldCalls, fieldCalls } from './field-calls.ts'
import { type MessageBuffer, messageBuffer } from './message-buffer.ts'
import { messageSegmenter } from './message-segmenter.ts'
import { type ReleaseBuffer, releaseBuffer } from './release-buffer.ts'
import { type ReplySender, replySender } from './reply-sender.ts'
import type { ToolSenderOptions } from './tool-sender.ts'

export interface DecodeOptions extends ToolSenderOptions {
  /** The client gets the reply in one piece, so all text is held back until it is final. */
  whole: boolean
  /**
   * The answer is held back from this text on, because a late edit may still complete the tool call that begins there.
   */
  holdFrom?: string
  annotate: (note: string) => void
  /** Counts the reply; absent where nobody pays. */
  meter?: CallMeter
}

/** One reply while it is decoded (decode.ts): the parts that read and send it, and what is known of it so far. */
export interface DecodedReply {
  readonly declaredTools: ToolSenderOptions['declaredTools']
  readonly annotate: (note: string) => void
  readonly meter: CallMeter | undefined
  /** The text of the message. */
  readonly message: MessageBuffer
  /** Ends the text: what was carried over because it might have been a tag is read as it is. */
  readonly endMessage: () => void
  /** What was read from the message and may still change. */
  readonly pending: ReleaseBuffer
  /** Calls that are sent once their result has arrived, or at the end. */
  readonly calls: FieldCalls
  readonly sender: ReplySender
  /** Length of the message when it was longest. An edit repeats what was written before, which is metered only once. */
  metered: number
  usage: Usage | undefined
  reason: FinishReason
  /** A call of a client's tool cannot be read. */
  hasLostCall: boolean
  /** The backend has said that the message is done. Only calls may follow. */
  isComplete: boolean
  /** The last delta was sent. */
  isOver: boolean
}

export function newReply(options: DecodeOptions): DecodedReply {
  const annotate = annotateOnce(options.annotate)
  const pending = releaseBuffer({ ...options, onRewrite: () => annotate('rewrote sent text') })
  const segmenter = messageSegmenter(pending.add)
  const message = messageBuffer({
    read: segmenter.read,
    save: () => ({ segmenter: segmenter.save(), position: pending.save() }),
    restore(snapshot) {
      pending.restore(snapshot.position)
      segmenter.restore(snapshot.segmenter)
    },
  })
  const reply: DecodedReply = {
    declaredTools: options.declaredTools,
    annotate,
    meter: options.meter,
    message,
    endMessage: segmenter.end,
    pending,
    calls: fieldCalls(),
    sender: replySender(options, {
      annotate,
      onLostCall() {
        reply.hasLostCall = true
      },
    }),
    metered: 0,
    usage: undefined,
    reason: 'stop',
    hasLostCall: false,
    isComplete: false,
    isOver: false,
  }
  return reply
}

/** Sends all text that was held back. */
export function flush(reply: DecodedReply, out: Delta[]): void {
  reply.endMessage()
  reply.sender.send(reply.pending.rest(), out)
  reply.sender.end(out)
}

/** The backend has ended the reply: the calls and the usage follow its text. */
export function finish(reply: DecodedReply, out: Delta[]): void {
  const { calls, sender, meter, usage, reason } = reply
  reply.isOver = true
  meter?.finished()
  flush(reply, out)
  if (reply.hasLostCall) {
    out.push({ type: 'error', error: unreadablePart() })
    return
  }
  for (const call of calls.takeNamed()) sender.sendCall(call, out)
  // A reply with reasoning alone is handled later.
  if (!sender.hasContent) {
    out.push({ type: 'error', error: emptyResponse() })
    return
  }
  if (usage) out.push({ type: 'usage', usage })
  out.push({ type: 'finish', reason })
}

/** The connection ended. A reply that was complete lacks nothing but its end; another one gets no `finish`. */
export function stop(reply: DecodedReply, out: Delta[]): void {
  if (reply.isComplete) {
    finish(reply, out)
    return
  }
  reply.isOver = true
  flush(reply, out)
}

/** More was written than is paid for. Later limits do not see text that is held back here, so this one ends the reply. */
export function cut(reply: DecodedReply, out: Delta[]): void {
  reply.isOver = true
  flush(reply, out)
  out.push({ type: 'finish', reason: 'length' })
}

/** The backend sent an error, or what cannot be read. After the whole reply, that takes nothing from it. */
export function refuse(reply: DecodedReply, error: GatewayError, out: Delta[]): void {
  if (reply.isComplete) {
    finish(reply, out)
    return
  }
  reply.meter?.refused()
  fail(reply, error, out)
}

export function fail(reply: DecodedReply, error: GatewayError, out: Delta[]): void {
  reply.isOver = true
  flush(reply, out)
  out.push({ type: 'error', error })
}
