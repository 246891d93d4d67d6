import { appendText } from './append-text.ts'
import { GatewayError } from './errors.ts'
import { type Delta, type FinishReason, isCut, type ServerTool, type StreamEvent, type TextKind } from './events.ts'
import {
  closeAll,
  closeBlock,
  failMessage,
  type MessageState,
  type NormaliserOptions,
  newMessage,
  openCall,
  openText,
  startMessage,
} from './message-blocks.ts'
import { addToCall, isUnfinished, isWhole, newCall } from './streamed-call.ts'
import type { Transform } from './transform.ts'

/**
 * Turns the deltas of any upstream into a stream of events with guarantees for every encoder:
 *
 * - `message-start` comes first.
 * - One block is open at a time. Pieces of interleaved tool calls are put in order, because SDK helpers attach each
 *   delta to the *last* block.
 * - A block opens only when it has content, and its end carries the full text.
 * - There is exactly one final event. It is sent when the upstream says it has finished, not when its socket closes; a
 *   stream that stops without `finish` ends with an error.
 * - A call ends only with a name and with arguments that are a JSON object; otherwise the reply fails. Exception: in a
 *   reply that was cut for length, the last call may have partial arguments, and a call without a name is dropped.
 */
export function streamNormaliser(options: NormaliserOptions): Transform<Delta, StreamEvent> {
  const message = newMessage(options)

  return {
    push(delta, out) {
      if (message.over) return
      switch (delta.type) {
        case 'text':
        case 'reasoning':
          addText(message, delta.type, delta.text, out)
          break
        case 'tool-call':
          addCallPiece(message, delta, out)
          break
        case 'server-tool':
          addServerTool(message, delta.tool, out)
          break
        case 'usage':
          message.usage = delta.usage
          break
        case 'finish':
          finish(message, delta, out)
          break
        case 'error':
          failMessage(message, delta.error, out)
          break
        default:
          delta satisfies never
      }
    },
    end(out) {
      if (!message.over) failMessage(message, truncated(), out)
    },
    passthrough: (kind) => !message.over && message.open?.kind === kind,
  }
}

function addText(message: MessageState, kind: TextKind, text: string, out: StreamEvent[]): void {
  if (text === '') return
  startMessage(message, out)
  const { open, between } = message
  if (open?.kind === kind) {
    open.text = appendText(open.text, text)
    out.push({ type: `${kind}-delta`, index: open.index, text })
  } else if (areCallsUnfinished(message)) holdBetween(message, kind, text)
  else if (between.length > 0) {
    holdBetween(message, kind, text)
    sendBetween(message, out)
  } else openText(message, kind, text, out)
}

function areCallsUnfinished({ open, waiting }: MessageState): boolean {
  if (open?.kind === 'tool-call' && isUnfinished(open.call)) return true
  for (const call of waiting.values()) if (isUnfinished(call)) return true
  return false
}

function holdBetween({ between }: MessageState, kind: TextKind, text: string): void {
  const last = between.at(-1)
  if (last?.kind === kind) last.text = appendText(last.text, text)
  else between.push({ kind, text })
}

function sendBetween(message: MessageState, out: StreamEvent[]): void {
  for (const { kind, text } of message.between.splice(0)) if (!message.over) addText(message, kind, text, out)
}

function addCallPiece(message: MessageState, delta: Extract<Delta, { type: 'tool-call' }>, out: StreamEvent[]): void {
  const { open, waiting, closed } = message
  if (closed.has(delta.key)) return
  startMessage(message, out)
  if (open?.kind === 'tool-call' && open.key === delta.key) {
    const text = delta.arguments ?? ''
    if (text === '') return
    open.call.arguments = appendText(open.call.arguments, text)
    out.push({ type: 'tool-call-delta', index: open.index, text })
    return
  }
  const call = waiting.get(delta.key) ?? newCall()
  addToCall(call, delta)
  waiting.set(delta.key, call)
  // Another call is still open: this one waits until the arguments of that one are a complete object.
  if (open?.kind === 'tool-call' && !isWhole(open.call)) return
  if (call.name === '') return
  closeBlock(message, out)
  openCall(message, delta.key, call, out)
}

/** The upstream's tool has already finished: its result is a whole block between the blocks around it. */
function addServerTool(message: MessageState, tool: ServerTool, out: StreamEvent[]): void {
  startMessage(message, out)
  closeAll(message, out)
  sendBetween(message, out)
  closeBlock(message, out)
  if (message.over) return
  out.push({ type: 'server-tool', index: message.nextIndex++, tool })
}

function finish(
  message: MessageState,
  { reason, stopSequence }: Extract<Delta, { type: 'finish' }>,
  out: StreamEvent[],
) {
  const cut = isCut(reason)
  startMessage(message, out)
  closeAll(message, out, cut)
  sendBetween(message, out)
  closeBlock(message, out, cut)
  if (message.over) return
  if (message.waiting.size > 0 && !cut) {
    failMessage(message, namelessCall(), out)
    return
  }
  message.over = true
  out.push({
    type: 'message-end',
    reason: shownReason(message, reason),
    ...(stopSequence === undefined ? {} : { stopSequence }),
    usage: message.usage ?? message.estimate.usage(),
  })
}

/** Some upstreams end a reply with calls as if it had none. */
function shownReason({ calls }: MessageState, reason: FinishReason): FinishReason {
  return calls > 0 && reason === 'stop' ? 'tool-calls' : reason
}

function truncated(): GatewayError {
  return new GatewayError('upstream-truncated', 'The upstream closed the stream before the answer was complete.')
}

function namelessCall(): GatewayError {
  return new GatewayError('upstream-malformed', 'The model called a tool without naming it. Try again.')
}
