import type { GatewayError } from '../core/errors.ts'
import type { Delta, FinishReason, TextKind } from '../core/events.ts'
import { ReasoningOnlyError } from '../core/reasoning-only-error.ts'
import type { Tool } from '../core/request.ts'
import { runTransform, type Transform } from '../core/transform.ts'
import type { ChannelText } from './channel-pieces.ts'
import { anyMark, toolCallParser } from './parse.ts'
import { tagReader } from './think-tags.ts'

export interface ChannelOptions {
  /** The tools that the reply may call. */
  tools: readonly Tool[]
  scanLimit: number
  /** Vision models put the final answer into a frame. */
  frames: boolean
  /** The client gets the reply in one piece, so text can be held back. */
  whole: boolean
  /** The error for a reply without content. */
  empty: () => GatewayError
  annotate: (note: string) => void
}

/**
 * Longest text of a whole reply that is held until its reasoning ends, in UTF-16 units. An endless reply must not be
 * held forever.
 */
const longestUndecided = 100_000

/** The first character of a tag. */
const anyTag = /</

/**
 * Moves text to the channel it belongs to: reasoning in tags becomes reasoning deltas, and leftover tags are dropped
 * (think-tags.ts).
 *
 * A leftover closing tag means that the text before it is reasoning, if a whole reply has no other reasoning. In a
 * stream that text was already shown, so only a paragraph break is added after it.
 *
 * A reply that ends normally with nothing but reasoning becomes a call, if the reasoning holds a complete call of a
 * declared tool. Otherwise it ends with a `ReasoningOnlyError`, and the caller decides whether to try again.
 */
export function channels({
  tools,
  scanLimit,
  frames,
  whole,
  empty,
  annotate,
}: ChannelOptions): Transform<Delta, Delta> {
  const readers = {
    text: tagReader({ channel: 'text', frames }),
    reasoning: tagReader({ channel: 'reasoning', frames: false }),
  }
  // All reasoning, and the part of it after a closing tag; kept as long as there is no answer.
  let reasoning = ''
  let afterClosing = ''
  let answered = false
  // Reasoning from the point where a call may begin. It is shown once an answer begins, but never if it is the call.
  let held = ''
  // Deltas held until it is known whether their text is reasoning; `undefined` once that is known.
  let undecided: Delta[] | undefined = whole ? [] : undefined
  let undecidedLength = 0
  // A leftover closing tag followed the undecided text, which is reasoning if anything else follows.
  let endsReasoning = false
  // The last text that was shown; empty after a call.
  let shownText = ''
  // What is held begins with the tag of a call: no more of it has to be looked at.
  let isCallHeld = false
  const pattern = tools.length > 0 ? anyMark : anyTag

  return {
    push(delta, out) {
      switch (delta.type) {
        case 'text':
          send(readers.reasoning.onPause(), out)
          send(readers.text.push(delta.text), out)
          break
        case 'reasoning':
          send(readers.text.onPause(), out)
          send(readers.reasoning.push(delta.text), out)
          break
        case 'tool-call':
          answered = true
          onPause(out)
          decide(endsReasoning ? 'reasoning' : 'text', out)
          shownText = ''
          showHeld(out)
          out.push(delta)
          break
        case 'server-tool':
          onPause(out)
          ;(undecided ?? out).push(delta)
          break
        case 'finish':
          end(out)
          if (answered || !isWhole(delta.reason)) {
            showHeld(out)
            out.push(delta)
          } else salvage(out)
          break
        case 'error':
          end(out)
          showHeld(out)
          out.push(delta)
          break
        case 'usage':
          out.push(delta)
          break
        default:
          delta satisfies never
      }
    },
    end,
    passthrough(kind: TextKind) {
      if (held !== '' || undecided) return false
      const other = readers[kind === 'text' ? 'reasoning' : 'text']
      return readers[kind].open && !other.waiting && pattern
    },
  }

  function send(pieces: readonly ChannelText[], out: Delta[]): void {
    for (const piece of pieces)
      if (undecided) wait(undecided, piece, out)
      else show(piece, out)
  }

  function wait(waiting: Delta[], piece: ChannelText, out: Delta[]): void {
    const { type, text, afterReasoning } = piece
    const isBlank = text.trim() === ''
    if (type === 'reasoning') {
      if (!isBlank) decide('text', out)
      show(piece, out)
      return
    }
    if (afterReasoning) endsReasoning = waiting.some((delta) => delta.type === 'text' && delta.text.trim() !== '')
    if (endsReasoning) {
      if (isBlank) return
      decide('reasoning', out)
      show({ type, text: text.trimStart() }, out)
      return
    }
    waiting.push({ type, text })
    undecidedLength += text.length
    if (undecidedLength > longestUndecided) decide('text', out)
  }

  /** Shows the undecided text as text or as reasoning. */
  function decide(type: TextKind, out: Delta[]): void {
    const deltas = undecided ?? []
    undecided = undefined
    for (const delta of deltas)
      if (delta.type === 'text') show({ type, text: delta.text }, out)
      else out.push(delta)
  }

  function show({ type, text, afterReasoning }: ChannelText, out: Delta[]): void {
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
    const shown = type === 'reasoning' && !answered && tools.length > 0 ? withoutCallBegun(text) : text
    if (shown !== '') out.push({ type, text: shown })
  }

  /** The reasoning up to where a call may begin; the rest is held. */
  function withoutCallBegun(text: string): string {
    if (isCallHeld) {
      held += text
      return ''
    }
    const all = held + text
    const at = callBeginsAt(all)
    held = all.slice(at)
    isCallHeld = isCallBegun(held)
    return all.slice(0, at)
  }

  function showHeld(out: Delta[]): void {
    if (held !== '') out.push({ type: 'reasoning', text: held })
    held = ''
    isCallHeld = false
  }

  function onPause(out: Delta[]): void {
    send(readers.reasoning.onPause(), out)
    send(readers.text.onPause(), out)
  }

  function end(out: Delta[]): void {
    send(readers.reasoning.end(), out)
    send(readers.text.end(), out)
    decide('text', out)
  }

  function salvage(out: Delta[]): void {
    const calls = tools.length > 0 ? callsIn(reasoning) : []
    const words = held === '' ? '' : wordsIn(held)
    if (words !== '') out.push({ type: 'reasoning', text: words })
    if (calls.length > 0) {
      annotate('took a call out of the thinking, which held it instead of the answer')
      out.push(...calls, { type: 'finish', reason: 'tool-calls' })
    } else if (reasoning.trim() === '') out.push({ type: 'error', error: empty() })
    else
      out.push({ type: 'error', error: new ReasoningOnlyError(withoutCalls(afterClosing.trim() || reasoning.trim())) })
  }

  function parsed(text: string, reason: FinishReason): Delta[] {
    return runTransform(toolCallParser(tools, { scanLimit }), [
      { type: 'text', text },
      { type: 'finish', reason },
    ])
  }

  /** The text without calls, complete or not: an incomplete call is not an answer. */
  function withoutCalls(text: string): string {
    return tools.length === 0 ? text : wordsIn(text) || text
  }

  function wordsIn(text: string): string {
    // With the reason `length` the parser drops an incomplete call.
    const words = parsed(text, 'length').map((delta) => (delta.type === 'text' ? delta.text : ''))
    return words.join('').trim()
  }

  function callsIn(text: string): Delta[] {
    const found = parsed(text, 'stop')
    // If one of several calls cannot be parsed, none of them is trusted.
    return found.some(({ type }) => type === 'error') ? [] : found.filter(({ type }) => type === 'tool-call')
  }
}

/** Tags with which models write a call; the first is that of the GLM models. */
const callTags = ['<tool_call', '<function_calls']

function isCallBegun(text: string): boolean {
  return callTags.some((tag) => text.startsWith(tag))
}

/** Index at which a call begins, or may begin; the length of the text if there is none. */
function callBeginsAt(text: string): number {
  const begun = callTags.map((tag) => text.indexOf(tag)).filter((at) => at >= 0)
  if (begun.length > 0) return Math.min(...begun)
  const last = text.lastIndexOf('<')
  return last >= 0 && callTags.some((tag) => tag.startsWith(text.slice(last))) ? last : text.length
}

/** Whether the reply ended normally: a reply that was cut or filtered may be empty. */
function isWhole(reason: FinishReason): boolean {
  return reason === 'stop' || reason === 'tool-calls'
}
