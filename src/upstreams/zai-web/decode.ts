import type { Delta } from '../../core/events.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { usageOf } from '../../core/usage-counts.ts'
import type { PayloadReader } from '../../wire/event-parser.ts'
import { usageCounts } from '../chat-completions/schema.ts'
import {
  cut,
  type DecodedReply,
  type DecodeOptions,
  fail,
  finish,
  flush,
  newReply,
  refuse,
  stop,
} from './decoded-reply.ts'
import { frameError, unreadablePart } from './errors.ts'
import { applyEdit } from './message-edit.ts'
import { type Frame, frame as frames, type MessagePart, messagePart } from './schema.ts'

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
  const reply = newReply(options)

  return {
    push(payload, out) {
      if (reply.isOver) return
      const value = parse(payload)
      const error = frameError(value)
      if (error) refuse(reply, error, out)
      else if (isDone(value)) finish(reply, out)
      else if (frames.Check(value)) readFrame(reply, payload, value, out)
      else skip(reply, payload, value, out)
    },
    pushError(payload, out) {
      if (reply.isOver) return
      const value = parseJson(payload)
      refuse(reply, frameError(value) ?? frameError({ error: value ?? payload }) ?? unreadablePart(), out)
    },
    isComplete: () => reply.isComplete,
    end(out) {
      if (!reply.isOver) stop(reply, out)
    },
  }
}

/** Reads a frame into the reply, and sends what will not change any more. */
function readFrame(reply: DecodedReply, payload: string, frame: Frame, out: Delta[]): void {
  const part = partOf(frame)
  if (part === undefined) return
  if (!messagePart.Check(part)) {
    skip(reply, payload, frame, out)
    return
  }
  if (reply.isComplete && part.phase !== 'tool_call') return
  applyEdit(reply.message, part)
  meterGrowth(reply, part)
  if (part.phase === 'tool_call') readCall(reply, part)
  if (part.phase === 'tool_response') readToolResult(reply, part, out)
  if (part.usage) readUsage(reply, part.usage)
  if (part.choices?.[0]?.finish_reason === 'length') reply.reason = 'length'
  if (part.done === true && !reply.isComplete) {
    reply.isComplete = true
    flush(reply, out)
  } else if (reply.meter?.isExceeded) cut(reply, out)
  else reply.sender.send(reply.pending.release(), out)
  if (reply.hasLostCall) fail(reply, unreadablePart(), out)
}

/** Goes on without a frame that cannot be read, unless a part of the reply is lost with it. */
function skip(reply: DecodedReply, payload: string, value: unknown, out: Delta[]): void {
  if (isLoss(payload, value)) refuse(reply, unreadablePart(), out)
  else reply.annotate('skipped an unreadable frame')
}

/** Meters what the message has grown by. Results of tools are what the model has read. */
function meterGrowth(reply: DecodedReply, { phase, content, edit_content, delta_content }: MessagePart): void {
  const { message, meter } = reply
  const grown = message.length - reply.metered
  if (grown <= 0) return
  reply.metered = message.length
  const text = (delta_content || edit_content || content || '').slice(-grown)
  if (phase === 'tool_call' || phase === 'tool_response') meter?.read(text)
  else meter?.wrote(text)
}

function readCall({ calls, meter }: DecodedReply, part: MessagePart): void {
  const written = calls.read(part)
  meter?.wrote(written)
}

function readToolResult({ calls, sender, meter, declaredTools }: DecodedReply, part: MessagePart, out: Delta[]): void {
  const { delta_content: result } = part
  if (!result) return // the result of a block, written into the text
  meter?.read(result)
  const call = calls.withResult(part)
  call.sources = sender.learn(result)
  // A call of the client's tool waits for the end: text before it may still be held back.
  if (!declaredTools.has(call.name)) sender.sendCall(calls.take(call), out)
}

/** The last usage of a reply counts. */
function readUsage(reply: DecodedReply, reported: unknown): void {
  const usage = usageCounts.Check(reported) ? usageOf(reported) : undefined
  if (usage === undefined) return
  reply.usage = usage
  reply.meter?.reported(usage)
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
