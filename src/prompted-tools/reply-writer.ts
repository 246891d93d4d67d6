import type { Delta, FinishReason } from '../core/events.ts'
import { ReasoningOnlyError } from '../core/reasoning-only-error.ts'
import { callsInReasoning } from './calls-in-reasoning.ts'
import type { ChannelText } from './channel-pieces.ts'
import type { ChannelOptions } from './channels.ts'
import { heldCall } from './held-call.ts'

/** The reply as the client is shown it, whose end depends on whether there was an answer. */
export interface ReplyWriter {
  /** Adds text whose channel is known. */
  add(piece: ChannelText, out: Delta[]): void
  /** A call follows: from here on the reply has an answer. */
  markAnswered(): void
  addCall(call: Delta, out: Delta[]): void
  /** Ends the reply. If it has no answer, it ends with a call found in its reasoning, or with an error. */
  finish(end: Extract<Delta, { type: 'finish' }>, out: Delta[]): void
  fail(error: Delta, out: Delta[]): void
  /** Whether reasoning is held back. It has to be shown before anything else. */
  readonly holdsText: boolean
}

export function replyWriter(options: Pick<ChannelOptions, 'tools' | 'scanLimit' | 'empty' | 'annotate'>): ReplyWriter {
  const { tools, scanLimit, empty, annotate } = options
  // All reasoning, and the part of it after a closing tag; kept as long as there is no answer.
  let reasoning = ''
  let afterClosing = ''
  let answered = false
  // Reasoning from where a call may begin. It is shown once an answer begins, but never if it is the call.
  const held = heldCall()
  // The last text that was shown; empty after a call.
  let shownText = ''

  return {
    add({ type, text, afterReasoning }, out) {
      if (!answered && type === 'reasoning') {
        reasoning += text
        afterClosing = afterReasoning ? text : afterClosing + text
      }
      if (type === 'text') {
        answered ||= text.trim() !== ''
        showHeld(out)
        if (afterReasoning && /\S$/.test(shownText) && /^\S/.test(text)) out.push({ type, text: '\n\n' })
        shownText = text
      }
      const shown = type === 'reasoning' && !answered && tools.length > 0 ? held.push(text) : text
      if (shown !== '') out.push({ type, text: shown })
    },
    markAnswered() {
      answered = true
    },
    addCall(call, out) {
      shownText = ''
      showHeld(out)
      out.push(call)
    },
    finish(end, out) {
      if (!answered && isWhole(end.reason)) return endWithoutAnswer(out)
      showHeld(out)
      out.push(end)
    },
    fail(error, out) {
      showHeld(out)
      out.push(error)
    },
    get holdsText() {
      return held.text !== ''
    },
  }

  function showHeld(out: Delta[]): void {
    const text = held.release()
    if (text !== '') out.push({ type: 'reasoning', text })
  }

  function endWithoutAnswer(out: Delta[]): void {
    const written = callsInReasoning(tools, scanLimit)
    const calls = written.calls(reasoning)
    const words = held.text === '' ? '' : written.words(held.text)
    if (words !== '') out.push({ type: 'reasoning', text: words })
    if (calls.length > 0) {
      annotate('took a call out of the thinking, which held it instead of the answer')
      out.push(...calls, { type: 'finish', reason: 'tool-calls' })
    } else if (reasoning.trim() === '') out.push({ type: 'error', error: empty() })
    else {
      const last = afterClosing.trim() || reasoning.trim()
      const answer = tools.length === 0 ? last : written.words(last) || last
      out.push({ type: 'error', error: new ReasoningOnlyError(answer) })
    }
  }
}

/** Whether the reply ended normally: a reply that was cut or filtered may be empty. */
function isWhole(reason: FinishReason): boolean {
  return reason === 'stop' || reason === 'tool-calls'
}
