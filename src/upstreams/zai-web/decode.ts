import { annotateOnce } from '../../core/annotate-once.ts'
import type { CallMeter } from '../../core/call-meter.ts'
import type { GatewayError } from '../../core/errors.ts'
import type { Delta, FinishReason, Usage } from '../../core/events.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { usageOf } from '../../core/usage-counts.ts'
import type { PayloadReader } from '../../wire/event-parser.ts'
import { usageCounts } from '../chat-completions/schema.ts'
import { emptyResponse, frameError, unreadablePart } from './errors.ts'
import { fieldCalls } from './field-calls.ts'
import { messageBuffer } from './message-buffer.ts'
import { applyEdit } from './message-edit.ts'
import { messageSegmenter } from './message-segmenter.ts'
import { releaseBuffer } from './release-buffer.ts'
import { replySender } from './reply-sender.ts'
import { type Frame, frame as frames, type MessagePart, messagePart } from './schema.ts'
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

/**
 * Decodes a reply of the chat backend: the `data` of one event in, deltas out.
 *
 * The backend edits one text per message, which holds reasoning, tool blocks and answer. Each frame is applied to that
 * text (message-buffer.ts). The text is then separated into reasoning, answer and blocks (message-segmenter.ts). What
 * will not change any more (release-buffer.ts) is sent, with links in place of citation marks (reply-sender.ts).
 * Errors: an `error` delta for an error that the backend sends, for a frame that held a part of the reply and cannot be
 * read, and for an end without any content. A stream that just stops gets no `finish`.
 */
export function decoder(options: DecodeOptions): PayloadReader {
  const { meter } = options
  const annotate = annotateOnce(options.annotate)
  const pending = releaseBuffer({ ...options, onRewrite: () => annotate('rewrote sent text') })
  const reader = messageSegmenter(pending.add)
  const buffer = messageBuffer({
    read: reader.read,
    save: () => ({ segmenter: reader.save(), position: pending.save() }),
    restore(snapshot) {
      pending.restore(snapshot.position)
      reader.restore(snapshot.segmenter)
    },
  })
  // A call of a client's tool cannot be read.
  let hasLostCall = false
  const reply = replySender(options, {
    annotate,
    onLostCall() {
      hasLostCall = true
    },
  })
  // Calls that are sent once their result has arrived, or at the end.
  const calls = fieldCalls()
  // Length of the message when it was longest. An edit repeats what was written before.
  let counted = 0
  let usage: Usage | undefined
  let reason: FinishReason = 'stop'
  // The backend has said that the message is done. Only calls may follow.
  let complete = false
  let over = false

  return {
    push(payload, out) {
      if (over) return
      const value = parse(payload)
      const error = frameError(value)
      if (error) refuse(error, out)
      else if (isDone(value)) finish(out)
      else if (frames.Check(value)) readFrame(payload, value, out)
      else skip(payload, value, out)
    },
    pushError(payload, out) {
      if (over) return
      const value = parseJson(payload)
      refuse(frameError(value) ?? frameError({ error: value ?? payload }) ?? unreadablePart(), out)
    },
    isComplete: () => complete,
    end(out) {
      if (over) return
      if (complete) {
        finish(out)
        return
      }
      over = true
      flush(out)
    },
  }

  function readFrame(payload: string, frame: Frame, out: Delta[]): void {
    const part = partOf(frame)
    if (part === undefined) return
    if (!messagePart.Check(part)) {
      skip(payload, frame, out)
      return
    }
    if (complete && part.phase !== 'tool_call') return
    applyEdit(buffer, part)
    count(part)
    if (part.phase === 'tool_call') {
      const written = calls.read(part)
      meter?.wrote(written)
    }
    if (part.phase === 'tool_response') readToolResult(part, out)
    const reported = usageCounts.Check(part.usage) ? usageOf(part.usage) : undefined
    if (reported) {
      usage = reported
      meter?.reported(reported)
    }
    if (part.choices?.[0]?.finish_reason === 'length') reason = 'length'
    if (part.done === true && !complete) {
      complete = true
      flush(out)
    } else if (meter?.isExceeded) cut(out)
    else reply.send(pending.release(), out)
    if (hasLostCall) fail(unreadablePart(), out)
  }

  function skip(payload: string, value: unknown, out: Delta[]): void {
    if (isLoss(payload, value)) refuse(unreadablePart(), out)
    else annotate('skipped an unreadable frame')
  }

  /** Counts what the message has grown by. Results of tools are what the model has read. */
  function count({ phase, content, edit_content, delta_content }: MessagePart): void {
    const grown = buffer.length - counted
    if (grown <= 0) return
    counted = buffer.length
    const text = (delta_content || edit_content || content || '').slice(-grown)
    if (phase === 'tool_call' || phase === 'tool_response') meter?.read(text)
    else meter?.wrote(text)
  }

  function readToolResult(part: MessagePart, out: Delta[]): void {
    const { delta_content: result } = part
    if (!result) return // the result of a block, written into the text
    meter?.read(result)
    const call = calls.withResult(part)
    call.sources = reply.learn(result)
    // A call of the client's tool waits for the end: text before it may still be held back.
    if (!options.declaredTools.has(call.name)) reply.sendCall(calls.take(call), out)
  }

  function flush(out: Delta[]): void {
    reader.end()
    reply.send(pending.rest(), out)
    reply.end(out)
  }

  function finish(out: Delta[]): void {
    over = true
    meter?.finished()
    flush(out)
    if (hasLostCall) {
      out.push({ type: 'error', error: unreadablePart() })
      return
    }
    for (const call of calls.takeNamed()) reply.sendCall(call, out)
    // A reply with reasoning alone is handled later.
    if (!reply.hasContent) {
      out.push({ type: 'error', error: emptyResponse() })
      return
    }
    if (usage) out.push({ type: 'usage', usage })
    out.push({ type: 'finish', reason })
  }

  /** What is held back would never reach the limit that the gateway sets. */
  function cut(out: Delta[]): void {
    over = true
    flush(out)
    out.push({ type: 'finish', reason: 'length' })
  }

  /** An error that comes after the whole reply takes nothing of it. */
  function refuse(error: GatewayError, out: Delta[]): void {
    if (complete) {
      finish(out)
      return
    }
    meter?.refused()
    fail(error, out)
  }

  function fail(error: GatewayError, out: Delta[]): void {
    over = true
    flush(out)
    out.push({ type: 'error', error })
  }
}

const done = '[DONE]'
/** The type of a frame with a message part. */
const messageType = 'chat:completion'

function parse(payload: string): unknown {
  const text = payload.trim()
  return text === done ? { data: done } : parseJson(text)
}

function isDone(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'data' in value && value.data === done
}

/** The message part in a frame. Most types of frame have none; OpenAI-shaped frames have no type. */
function partOf({ type, data, choices, usage }: Frame): unknown {
  if (typeof type === 'string') return type === messageType ? data : undefined
  if (!choices) return data
  const delta = choices[0]?.delta
  const part: MessagePart = delta?.reasoning_content
    ? { phase: 'thinking', delta_content: delta.reasoning_content, usage, choices }
    : { phase: 'answer', delta_content: delta?.content, usage, choices }
  return part
}

/** Whether an unreadable frame was a part of the reply. */
function isLoss(payload: string, value: unknown): boolean {
  if (value === undefined) return payload.trimStart().startsWith('{')
  if (!isRecord(value)) return false
  const { type, data, choices } = value
  if (type === messageType && data) return true
  return typeof type !== 'string' && (isRecord(data) || Boolean(choices))
}
