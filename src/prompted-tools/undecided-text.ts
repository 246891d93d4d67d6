import type { Delta, TextKind } from '../core/events.ts'
import type { ChannelText } from './channel-pieces.ts'

/** The text of a whole reply, held until it is known whether it is an answer or reasoning. */
export interface UndecidedText {
  /** Whether text is still held, and other deltas have to wait behind it. */
  readonly isOpen: boolean
  push(piece: ChannelText, out: Delta[]): void
  /** Adds a delta that keeps its place between the texts. */
  hold(delta: Delta): void
  /** Shows the held text: as reasoning where a leftover closing tag has followed it, else as an answer. */
  settle(out: Delta[]): void
  /** Shows the held text as an answer. */
  end(out: Delta[]): void
}

/**
 * Longest text that is held until its reasoning ends, in UTF-16 units. An endless reply must not be held forever.
 */
const longestUndecided = 100_000

/** `show` receives each piece as soon as its channel is known. */
export function undecidedText(show: (piece: ChannelText, out: Delta[]) => void): UndecidedText {
  let isOpen = true
  let held: Delta[] = []
  let length = 0
  // A leftover closing tag followed the held text, which is reasoning if anything else follows.
  let endsReasoning = false

  return {
    get isOpen() {
      return isOpen
    },
    push(piece, out) {
      const { type, text, afterReasoning } = piece
      const isBlank = text.trim() === ''
      if (type === 'reasoning') {
        // The reply has other reasoning, so its text is an answer.
        if (!isBlank) decide('text', out)
        show(piece, out)
        return
      }
      if (afterReasoning) endsReasoning = held.some((delta) => delta.type === 'text' && delta.text.trim() !== '')
      if (endsReasoning) {
        if (isBlank) return
        decide('reasoning', out)
        show({ type, text: text.trimStart() }, out)
        return
      }
      held.push({ type, text })
      length += text.length
      if (length > longestUndecided) decide('text', out)
    },
    hold: (delta) => void held.push(delta),
    settle: (out) => decide(endsReasoning ? 'reasoning' : 'text', out),
    end: (out) => decide('text', out),
  }

  function decide(type: TextKind, out: Delta[]): void {
    const deltas = held
    isOpen = false
    held = []
    for (const delta of deltas)
      if (delta.type === 'text') show({ type, text: delta.text }, out)
      else out.push(delta)
  }
}
