import { annotateOnce } from '../../core/annotate-once.ts'
import type { CallMeter } from '../../core/call-meter.ts'
import type { GatewayError } from '../../core/errors.ts'
import type { Delta, FinishReason, Usage } from '../../core/events.ts'
import type { Tool } from '../../core/request.ts'
import type { TextField } from './chunk-templates.ts'
import type { Citations } from './citations.ts'
import { type VendorErrors, windowExceeded } from './errors.ts'
import { type Choice, indexOf } from './schema.ts'
import type { ToolCallAssembler } from './tool-calls.ts'

export interface DecodeOptions {
  /** The tools that the reply may call. */
  tools: readonly Tool[]
  errors: VendorErrors
  /** Epoch milliseconds, for errors that name the time when a limit resets. */
  now: () => number
  annotate: (note: string) => void
  /** Counts the tokens of the reply for whoever pays; absent where nobody does. */
  meter?: CallMeter
}

/** What is known of a reply while its chunks are decoded one after the other. */
export interface DecoderState {
  readonly errors: VendorErrors
  readonly now: () => number
  readonly meter: CallMeter | undefined
  /** Passes each note on once. */
  readonly annotate: (note: string) => void
  /** The tools that the reply may call. */
  readonly tools: readonly Tool[]
  /** The calls so far; `undefined` until the first one has begun. */
  toolCalls: ToolCallAssembler | undefined
  /** The search results so far, and text that could become a mark of one; `undefined` until there are results. */
  marks: Citations | undefined
  /**
   * The number of the choice that is the reply; `undefined` until a choice with a number has arrived. Only one choice is
   * asked for, so others are left out.
   */
  choiceIndex: string | undefined
  /** The number of web searches so far, for their ids. */
  searches: number
  /** The last usage that the upstream has sent. */
  usage: Usage | undefined
  reason: FinishReason | undefined
  /** Whether reasoning was sent. */
  hasReasoned: boolean
  /** Whether text was sent that is not only white space. */
  hasAnswered: boolean
  /** Whether the finish reason and the usage have arrived, and no text or call since. */
  isComplete: boolean
  /** Whether the last delta was sent. */
  isOver: boolean
}

export function decoderState({ tools, errors, now, annotate, meter }: DecodeOptions): DecoderState {
  return {
    ...{ errors, now, meter, tools },
    annotate: annotateOnce(annotate),
    toolCalls: undefined,
    marks: undefined,
    choiceIndex: undefined,
    searches: 0,
    usage: undefined,
    reason: undefined,
    hasReasoned: false,
    hasAnswered: false,
    isComplete: false,
    isOver: false,
  }
}

export function emitText(state: DecoderState, field: TextField, text: string, out: Delta[]): void {
  if (text === '') return
  state.meter?.wrote(text)
  if (field === 'content') {
    state.isComplete = false
    sendText(state, state.marks?.push(text) ?? text, out)
  } else {
    state.hasReasoned = true
    out.push({ type: 'reasoning', text })
  }
}

function sendText(state: DecoderState, text: string, out: Delta[]): void {
  if (text === '') return
  state.hasAnswered ||= text.trim() !== ''
  out.push({ type: 'text', text })
}

/** Sends the text that was held back because it could become a citation mark. */
export function flush(state: DecoderState, out: Delta[]): void {
  if (state.marks) sendText(state, state.marks.end(), out)
}

/** Whether a choice is the reply. If there are several, the reply is the one with the number 0, or else the first. */
export function isReply(state: DecoderState, choice: Choice, all: readonly Choice[]): boolean {
  if (state.choiceIndex === undefined) {
    const indexes = all.map(indexOf)
    state.choiceIndex = indexes.includes('0') ? '0' : indexes.find((index) => index !== undefined)
  }
  const index = indexOf(choice)
  return index === undefined || index === state.choiceIndex
}

/** Ends the reply. If it broke off before a finish reason, an incomplete call is dropped and no `finish` is sent. */
export function finish(state: DecoderState, out: Delta[]): void {
  if (state.isOver) return
  state.isOver = true
  flush(state, out)
  const { reason, toolCalls, usage, meter } = state
  if (reason === undefined) return
  meter?.finished()
  toolCalls?.end(out)
  const error = emptinessOf(state, reason)
  if (error !== undefined) {
    out.push({ type: 'error', error })
    return
  }
  if (usage) out.push({ type: 'usage', usage })
  out.push({ type: 'finish', reason: reason === 'tool-calls' && !toolCalls?.any ? 'stop' : reason })
}

/**
 * The error for a reply without content. A reply that was cut or filtered may be empty, and a reply with reasoning alone
 * is handled later.
 */
function emptinessOf(state: DecoderState, reason: FinishReason): GatewayError | undefined {
  if (state.hasAnswered || state.toolCalls?.any) return undefined
  // With the reason `length` the client would send the same full context window again.
  if (reason === 'context-window') return windowExceeded()
  const endedNormally = reason === 'stop' || reason === 'tool-calls'
  return endedNormally && !state.hasReasoned ? state.errors.empty() : undefined
}

/** Ends the reply with an error of the upstream. If the whole reply has arrived before, the error changes nothing. */
export function refuse(state: DecoderState, error: GatewayError, out: Delta[]): void {
  if (state.isComplete) {
    finish(state, out)
    return
  }
  state.meter?.refused()
  fail(state, error, out)
}

export function fail(state: DecoderState, error: GatewayError, out: Delta[]): void {
  state.isOver = true
  flush(state, out)
  out.push({ type: 'error', error })
}
