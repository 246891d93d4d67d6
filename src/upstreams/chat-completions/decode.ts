import { annotateOnce } from '../../core/annotate-once.ts'
import type { CallMeter } from '../../core/call-meter.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Delta, FinishReason, Usage, WebSource } from '../../core/events.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import type { Tool } from '../../core/request.ts'
import { truncate } from '../../core/truncate.ts'
import { usageOf } from '../../core/usage-counts.ts'
import type { PayloadReader } from '../../wire/event-parser.ts'
import { chunkTemplates, type TextField } from './chunk-templates.ts'
import { citations } from './citations.ts'
import { type VendorErrors, windowExceeded } from './errors.ts'
import { type CallPiece, type Chunk, chunk as chunks, isFirstChoice, searchResult, usageCounts } from './schema.ts'
import { maxCalls, toolCallAssembler } from './tool-calls.ts'

export interface DecodeOptions {
  /** The tools that the reply may call. */
  tools: readonly Tool[]
  errors: VendorErrors
  /** Epoch milliseconds, for errors that name the time when a limit resets. */
  now: () => number
  annotate: (note: string) => void
  /** Counts the reply; absent where nobody pays. */
  meter?: CallMeter
}

const reasonOf: Record<string, FinishReason> = {
  stop: 'stop',
  tool_calls: 'tool-calls',
  length: 'length',
  model_context_window_exceeded: 'context-window',
  sensitive: 'content-filter',
}

/**
 * Decodes a reply: the `data` of one event in, deltas out.
 *
 * The `finish` delta comes once the upstream has sent `[DONE]`, or has closed the stream after a finish reason: some send
 * a call after the finish reason and the usage. A stream that just stops gets no `finish`.
 * Errors: an `error` delta for an error that the upstream sends, for a failed generation (`network_error`), for a
 * chunk that held a part of the reply and cannot be read, and for an end without any content.
 */
export function decoder(options: DecodeOptions): PayloadReader {
  const { meter } = options
  const annotate = annotateOnce(options.annotate)
  const toolCalls = toolCallAssembler(options.tools, meter)
  const marks = citations()
  const templates = chunkTemplates({
    emit: emitText,
    kind: (field) => (field !== 'content' ? 'reasoning' : marks.any ? undefined : 'text'),
  })
  let searches = 0
  let usage: Usage | undefined
  let reason: FinishReason | undefined
  let reasoned = false
  let answered = false
  // The finish reason and the usage have arrived, and nothing else since.
  let complete = false
  let over = false

  return {
    push(payload, out) {
      if (over) return
      if (payload.trim() === '[DONE]') {
        close(out)
        return
      }
      const value = parseJson(payload)
      const error = options.errors.ofFrame(value, options.now())
      if (error) refuse(error, out)
      else if (!chunks.Check(value)) {
        if (!isLoss(payload, value)) annotate('skipped an unreadable chunk')
        else if (complete) close(out)
        else fail(options.errors.unreadable(), out)
      } else {
        readChunk(value, out)
        templates.add(payload, value)
      }
    },
    pushError(payload, out) {
      if (over) return
      const { errors, now } = options
      const value = parseJson(payload)
      const named = { error: isRecord(value) ? value : payload }
      refuse(errors.ofFrame(value, now()) ?? errors.ofFrame(named, now()) ?? errors.unreadable(), out)
    },
    isComplete: () => complete,
    end: close,
    template(ahead) {
      const template = templates.learned(ahead)
      return over ? undefined : template
    },
  }

  function emitText(field: TextField, text: string, out: Delta[]): void {
    if (text === '') return
    meter?.wrote(text)
    if (field === 'content') sendText(marks.push(text), out)
    else {
      reasoned = true
      out.push({ type: 'reasoning', text })
    }
  }

  function readChunk({ choices, usage: counts, web_search: results }: Chunk, out: Delta[]): void {
    if (results) learn(results, out)
    const choice = choices?.find(isFirstChoice)
    if (choices?.some((other) => !isFirstChoice(other))) annotate('left out further choices of the reply')
    if (choice?.delta?.content || choice?.delta?.tool_calls?.length) complete = false
    if (choice?.delta) {
      const { content: text, tool_calls: pieces } = choice.delta
      // Servers that are changing from one field name to the other send both.
      const reasoning = choice.delta.reasoning_content || choice.delta.reasoning
      if (reasoning) emitText('reasoning_content', reasoning, out)
      if (text) emitText('content', text, out)
      for (const piece of pieces ?? []) if (!over) readCall(piece, out)
    }
    const counted = usageCounts.Check(counts) ? usageOf(counts) : undefined
    if (counted) {
      usage = counted
      meter?.reported(counted)
    }
    const finishReason = choice?.finish_reason
    if (finishReason === 'network_error') {
      fail(options.errors.brokenOff(), out)
      return
    }
    if (finishReason && !complete) reason = reasonOf[finishReason] ?? unknownReason(finishReason)
    if (reason !== undefined && counted !== undefined) complete = true
  }

  function learn(results: readonly unknown[], out: Delta[]): void {
    meter?.read(JSON.stringify(results))
    const sources = marks.learn(results.flatMap(sourceOf))
    if (sources.length === 0) return
    const id = `web_search_${searches++}`
    out.push({ type: 'server-tool', tool: { id, name: 'web_search', arguments: '{}', kind: 'web-search', sources } })
  }

  function readCall(piece: CallPiece, out: Delta[]): void {
    flush(out)
    toolCalls.push(piece, out)
    if (toolCalls.tooMany) fail(tooManyCalls(), out)
  }

  function sendText(text: string, out: Delta[]): void {
    if (text === '') return
    answered ||= text.trim() !== ''
    out.push({ type: 'text', text })
  }

  /** Sends the text that was held back because it could become a citation mark. */
  function flush(out: Delta[]): void {
    sendText(marks.end(), out)
  }

  function close(out: Delta[]): void {
    if (over) return
    over = true
    flush(out)
    // If the reply broke off, an incomplete call is dropped.
    if (reason === undefined) return
    meter?.finished()
    toolCalls.end(out)
    if (reason === 'context-window' && !answered && !toolCalls.any) {
      // With the reason `length` the client would send the same full context window again.
      out.push({ type: 'error', error: windowExceeded() })
      return
    }
    if (isEmpty()) {
      out.push({ type: 'error', error: options.errors.empty() })
      return
    }
    if (usage) out.push({ type: 'usage', usage })
    out.push({ type: 'finish', reason: reason === 'tool-calls' && !toolCalls.any ? 'stop' : reason })
  }

  /** A reply that was cut or filtered may be empty, and a reply with reasoning alone is handled later. */
  function isEmpty(): boolean {
    const endedNormally = reason === 'stop' || reason === 'tool-calls'
    return endedNormally && !answered && !reasoned && !toolCalls.any
  }

  /** An error that comes after the whole reply takes nothing of it. */
  function refuse(error: GatewayError, out: Delta[]): void {
    if (complete) {
      close(out)
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

  function unknownReason(finishReason: string): FinishReason {
    annotate(`unknown finish reason ${truncate(finishReason, 40)}`)
    return 'stop'
  }
}

/** Whether an unreadable chunk was a part of the reply. Some servers send other words to keep the connection alive. */
function isLoss(payload: string, value: unknown): boolean {
  return value === undefined ? payload.trimStart().startsWith('{') : isRecord(value) && 'choices' in value
}

function sourceOf(result: unknown): WebSource[] {
  return searchResult.Check(result) ? [{ refId: result.refer, title: result.title ?? '', url: result.link }] : []
}

function tooManyCalls(): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model began more than ${maxCalls} tool calls in one reply, so it was stopped. Ask again, or in other words.`,
    { code: 'repetition_loop' },
  )
}
