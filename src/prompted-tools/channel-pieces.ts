import type { TextKind } from '../core/events.ts'

/** A piece of the model's text, and the channel to which it belongs. */
export interface ChannelText {
  type: TextKind
  /** Empty if the piece only carries `afterReasoning`. */
  text: string
  /** Reasoning that began elsewhere ends before this text. */
  afterReasoning?: true
}

/** The pieces of one read. Adjacent pieces of a channel are joined. */
export interface ChannelPieces {
  /** Begins a new list. */
  begin(): ChannelText[]
  add(type: TextKind, text: string): void
  /** Marks the next piece: reasoning that began elsewhere ends before it. */
  markEnd(): void
  /** Reports a mark that no text follows, in a piece of its own. */
  addMark(type: TextKind): void
  /** Whether the next piece is marked. */
  readonly isMarked: boolean
}

export function channelPieces(): ChannelPieces {
  let pieces: ChannelText[] = []
  let isMarked = false

  return {
    begin() {
      pieces = []
      return pieces
    },
    add(type, text) {
      if (text === '') return
      const last = pieces.at(-1)
      if (last?.type === type && !isMarked) last.text += text
      else pieces.push(isMarked ? { type, text, afterReasoning: true } : { type, text })
      isMarked = false
    },
    markEnd() {
      isMarked = true
    },
    addMark(type) {
      if (isMarked) pieces.push({ type, text: '', afterReasoning: true })
      isMarked = false
    },
    get isMarked() {
      return isMarked
    },
  }
}
