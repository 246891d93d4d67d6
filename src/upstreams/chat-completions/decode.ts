import { GatewayError } from '../../core/errors.ts'
import type { Delta, FinishReason, Usage, WebSource } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import type { Tool } from '../../core/request.ts'
import { truncate } from '../../core/truncate.ts'
import { usageOf } from '../../core/usage-counts.ts'
import type { PayloadReader } from '../../wire/event-parser.ts'
import { type EventTemplate, eventTemplateOf } from '../../wire/event-template.ts'
import { citations } from './citations.ts'
import { type VendorErrors, windowExceeded } from './errors.ts'
import { type CallPiece, type Chunk, chunk as chunks, searchResult } from './schema.ts'
import { mostCalls, toolCallAssembler } from './tool-calls.ts'

export interface DecodeOptions {
  /** What may be called. */
  tools: readonly Tool[]
  errors: VendorErrors
  /** Epoch milliseconds; an error may name the time it ends. */
  now: () => number
  annotate: (note: string) => void
}

const reasonOf: Record<string, FinishReason> = {
  stop: 'stop',
  tool_calls: 'tool-calls',
  length: 'length',
  model_context_window_exceeded: 'context-window',
  sensitive: 'content-filter',
}

/**
 * Reads a reply: the `data` of one event in, deltas out.
 *
 * The end is told once the upstream has named its reason and counted, or has said `[DONE]`, or has closed after
 * naming its reason. Errors: an `error` delta for what the upstream complains of, for generation that failed
 * (`network_error`), and for an end without a word. A stream that just stops gets no `finish`.
 */
export function decoder(options: DecodeOptions): PayloadReader {
  const notes = new Set<string>()
  const toolCalls = toolCallAssembler(options.tools)
  const marks = citations()
  let template: EventTemplate | undefined
  let templatesLeft = maxTemplates
  // The newest chunk that held nothing but text since one was learned from, and how many there were.
  let plain: { payload: string; field: TextField } | undefined
  let unlearned = 0
  let searches = 0
  let usage: Usage | undefined
  let reason: FinishReason | undefined
  let reasoned = false
  let answered = false
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
      if (error) fail(error, out)
      else if (!chunks.Check(value)) annotateOnce('skipped an unreadable chunk')
      else {
        readChunk(value, out)
        const field = onlyField(value)
        if (field === undefined) return
        plain = { payload, field }
        unlearned++
      }
    },
    end: close,
    template(ahead) {
      const isWorthIt = plain && (unlearned >= minChunks || ahead >= minBufferedChunks * plain.payload.length)
      if (plain && isWorthIt && templatesLeft > 0) learnTemplate(plain.payload, plain.field)
      return over ? undefined : template
    },
  }

  function emitText(field: TextField, text: string, out: Delta[]): void {
    if (text === '') return
    if (field === 'content') sendText(marks.push(text), out)
    else {
      reasoned = true
      out.push({ type: 'reasoning', text })
    }
  }

  function learnTemplate(payload: string, field: TextField): void {
    plain = undefined
    unlearned = 0
    templatesLeft--
    template = eventTemplateOf(payload, {
      read(other) {
        const value = parseJson(other)
        return chunks.Check(value) && onlyField(value) === field ? textIn(value, field) : undefined
      },
      emit: (text, out) => emitText(field, text, out),
      kind: () => (field !== 'content' ? 'reasoning' : marks.any ? undefined : 'text'),
    })
  }

  function readChunk({ choices, usage: counts, web_search: results }: Chunk, out: Delta[]): void {
    if (results) learn(results, out)
    const choice = choices?.[0]
    if (choice?.delta) {
      const { content: text, tool_calls: pieces } = choice.delta
      // Servers that are on the way from one name to the other send both.
      const reasoning = choice.delta.reasoning_content || choice.delta.reasoning
      if (reasoning) emitText('reasoning_content', reasoning, out)
      if (text) emitText('content', text, out)
      for (const piece of pieces ?? []) if (!over) readCall(piece, out)
    }
    const counted = usageOf(counts)
    usage = counted ?? usage
    const why = choice?.finish_reason
    if (why === 'network_error') {
      fail(options.errors.brokenOff(), out)
      return
    }
    if (why) reason = reasonOf[why] ?? unknownReason(why)
    if (reason !== undefined && counted !== undefined) close(out)
  }

  function learn(results: readonly unknown[], out: Delta[]): void {
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

  /** What was held in case it became a mark. */
  function flush(out: Delta[]): void {
    sendText(marks.end(), out)
  }

  function close(out: Delta[]): void {
    if (over) return
    over = true
    flush(out)
    // Of a reply that breaks off, a call that waited for more is none.
    if (reason === undefined) return
    toolCalls.end(out)
    if (reason === 'context-window' && !answered && !toolCalls.any) {
      // As a mere `length` the client would send the same full window again.
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

  /** Cut or refused before the first word is an answer of its own; what becomes of reasoning alone is settled later. */
  function isEmpty(): boolean {
    const saidAll = reason === 'stop' || reason === 'tool-calls'
    return saidAll && !answered && !reasoned && !toolCalls.any
  }

  function fail(error: GatewayError, out: Delta[]): void {
    over = true
    flush(out)
    out.push({ type: 'error', error })
  }

  function unknownReason(why: string): FinishReason {
    annotateOnce(`unknown finish reason ${truncate(why, 40)}`)
    return 'stop'
  }

  function annotateOnce(note: string): void {
    if (notes.has(note)) return
    notes.add(note)
    options.annotate(note)
  }
}

const textFields = ['content', 'reasoning_content', 'reasoning'] as const
type TextField = (typeof textFields)[number]

/** Chunks of text before one is looked at so, for short replies end sooner, */
const minChunks = 4
/** unless as many bytes are here as so many of them have. */
const minBufferedChunks = 8
/** So many are tried in one reply: one that changes with every chunk is not worth the search. */
const maxTemplates = 8

/** The one field of a chunk that says something; `undefined` where another does, too. */
function onlyField({ choices, usage, web_search: results }: Chunk): TextField | undefined {
  const [choice, ...others] = choices ?? []
  if (!choice?.delta || choice.finish_reason || others.length > 0 || usage || results) return undefined
  const { tool_calls: pieces, ...texts } = choice.delta
  if (pieces) return undefined
  const [field, ...more] = textFields.filter((name) => texts[name])
  return more.length === 0 ? field : undefined
}

function textIn({ choices }: Chunk, field: TextField): string {
  return choices?.[0]?.delta?.[field] ?? ''
}

function sourceOf(result: unknown): WebSource[] {
  return searchResult.Check(result) ? [{ refId: result.refer, title: result.title ?? '', url: result.link }] : []
}

function tooManyCalls(): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model began more than ${mostCalls} tool calls in one reply, so it was stopped. Ask again, or in other words.`,
    { code: 'repetition_loop' },
  )
}
