import { GatewayError } from '../../core/errors.ts'
import type { Delta, FinishReason, WebSource } from '../../core/events.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { truncate } from '../../core/truncate.ts'
import { usageOf } from '../../core/usage-counts.ts'
import type { PayloadReader } from '../../wire/event-parser.ts'
import { chunkTemplates } from './chunk-templates.ts'
import { citations } from './citations.ts'
import {
  type DecodeOptions,
  type DecoderState,
  decoderState,
  emitText,
  fail,
  finish,
  flush,
  isReply,
  refuse,
} from './decoder-state.ts'
import { type CallPiece, type Choice, type Chunk, chunk as chunks, searchResult, usageCounts } from './schema.ts'
import { maxCalls, toolCallAssembler } from './tool-calls.ts'

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
  const state = decoderState(options)
  const { errors, now } = state
  const templates = chunkTemplates({
    emit: (field, text, out) => emitText(state, field, text, out),
    isReply: (choice) => isReply(state, choice, [choice]),
    kind: (field) => (field !== 'content' ? 'reasoning' : state.marks ? undefined : 'text'),
  })

  return {
    push(payload, out) {
      if (state.isOver) return
      if (payload.trim() === '[DONE]') {
        finish(state, out)
        return
      }
      const value = parseJson(payload)
      const error = errors.ofFrame(value, now())
      if (error) refuse(state, error, out)
      else if (!chunks.Check(value)) skip(state, payload, value, out)
      else {
        readChunk(state, value, out)
        templates.add(payload, value)
      }
    },
    pushError(payload, out) {
      if (state.isOver) return
      const value = parseJson(payload)
      const named = { error: isRecord(value) ? value : payload }
      refuse(state, errors.ofFrame(value, now()) ?? errors.ofFrame(named, now()) ?? errors.unreadable(), out)
    },
    isComplete: () => state.isComplete,
    end: (out) => finish(state, out),
    template(ahead) {
      const template = templates.learned(ahead)
      return state.isOver ? undefined : template
    },
  }
}

function skip(state: DecoderState, payload: string, value: unknown, out: Delta[]): void {
  if (!isLoss(payload, value)) state.annotate('skipped an unreadable chunk')
  else if (state.isComplete) finish(state, out)
  else fail(state, state.errors.unreadable(), out)
}

function readChunk(state: DecoderState, { choices, usage: counts, web_search: results }: Chunk, out: Delta[]): void {
  if (results) readResults(state, results, out)
  const choice = choices && replyAmong(state, choices)
  if (choice?.delta) readDelta(state, choice.delta, out)
  const counted = usageCounts.Check(counts) ? usageOf(counts) : undefined
  if (counted) {
    state.usage = counted
    state.meter?.reported(counted)
  }
  const finishReason = choice?.finish_reason
  if (finishReason === 'network_error') {
    fail(state, state.errors.brokenOff(), out)
    return
  }
  if (finishReason && !state.isComplete) state.reason = reasonOf[finishReason] ?? unknownReason(state, finishReason)
  // After a late call, a finish reason or a usage says again that the reply is complete.
  const isEnding = Boolean(finishReason) || counted !== undefined
  if (isEnding && state.reason !== undefined && state.usage !== undefined) state.isComplete = true
}

function replyAmong(state: DecoderState, choices: readonly Choice[]): Choice | undefined {
  const own = choices.filter((choice) => isReply(state, choice, choices))
  if (own.length < choices.length) state.annotate('left out further choices of the reply')
  return own[0]
}

type ChunkDelta = NonNullable<Choice['delta']>

function readDelta(state: DecoderState, delta: ChunkDelta, out: Delta[]): void {
  const { content: text, tool_calls: pieces } = delta
  // Servers that are changing from one field name to the other send both.
  const reasoning = delta.reasoning_content || delta.reasoning
  if (reasoning) emitText(state, 'reasoning_content', reasoning, out)
  if (text) emitText(state, 'content', text, out)
  if (pieces?.length) state.isComplete = false
  for (const piece of pieces ?? []) if (!state.isOver) readCall(state, piece, out)
}

function readResults(state: DecoderState, results: readonly unknown[], out: Delta[]): void {
  state.meter?.read(JSON.stringify(results))
  const found = results.flatMap(sourceOf)
  if (found.length === 0) return
  state.marks ??= citations()
  const sources = state.marks.learn(found)
  if (sources.length === 0) return
  const id = `web_search_${state.searches++}`
  out.push({ type: 'server-tool', tool: { id, name: 'web_search', arguments: '{}', kind: 'web-search', sources } })
}

function readCall(state: DecoderState, piece: CallPiece, out: Delta[]): void {
  flush(state, out)
  state.toolCalls ??= toolCallAssembler(state.tools, state.meter)
  state.toolCalls.push(piece, out)
  if (state.toolCalls.tooMany) fail(state, tooManyCalls(), out)
}

function unknownReason({ annotate }: DecoderState, finishReason: string): FinishReason {
  annotate(`unknown finish reason ${truncate(finishReason, 40)}`)
  return 'stop'
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
