import type { MessagePiece } from './release-buffer.ts'

export interface Stretch {
  text: string
  /** Whether its frame had the phase `thinking`; outside of wrappers this separates reasoning from the answer. */
  isReasoning: boolean
}

/** The complete state of the writer. Its values are replaced, never changed, so a shallow copy is a snapshot. */
export interface SegmentState {
  /**
   * White space that began in phase `thinking`: it belongs to the answer if a wrapper follows, otherwise to the
   * reasoning.
   */
  space: readonly Stretch[]
  /** Some reasoning was written earlier. */
  reasoned: boolean
  /** The open wrapper has no text yet. */
  isEmptyWrapper: boolean
}

/** Writes what was read of the message as text and reasoning. */
export interface SegmentWriter {
  /** Writes text outside of wrappers, whose phase says what it is. */
  plain(stretches: readonly Stretch[]): void
  /** Writes white space that waits for what follows it: nothing does. */
  endSpace(): void
  beginWrapper(): void
  /** Writes reasoning from a wrapper. A blank line separates it from earlier reasoning. */
  wrapped(text: string): void
  save(): SegmentState
  restore(state: SegmentState): void
}

export function segmentWriter(add: (piece: MessagePiece) => void): SegmentWriter {
  let state: SegmentState = { space: [], reasoned: false, isEmptyWrapper: false }

  return {
    plain(stretches) {
      for (const stretch of stretches) {
        const word = stretch.text.trimEnd()
        if (word !== '') {
          endSpace()
          write({ ...stretch, text: word })
        }
        const space = { ...stretch, text: stretch.text.slice(word.length) }
        if (space.text === '') continue
        if (stretch.isReasoning || state.space.length > 0) state.space = joined(state.space, space)
        else write(space)
      }
    },
    endSpace,
    beginWrapper() {
      for (const { text } of state.space) add({ type: 'text', text })
      state.space = []
      state.isEmptyWrapper = true
    },
    wrapped(text) {
      if (text === '') return
      const gap = state.isEmptyWrapper && state.reasoned ? '\n\n' : ''
      state.isEmptyWrapper = false
      reasoning(gap + text)
    },
    save: () => ({ ...state }),
    restore(saved) {
      state = { ...saved }
    },
  }

  function endSpace(): void {
    for (const stretch of state.space) write(stretch)
    state.space = []
  }

  function write({ text, isReasoning }: Stretch): void {
    if (isReasoning) reasoning(text)
    else add({ type: 'text', text })
  }

  function reasoning(text: string): void {
    state.reasoned = true
    add({ type: 'reasoning', text })
  }
}

/** Adds a stretch and merges it with the last one if possible: white space may come in thousands of frames. */
function joined(stretches: readonly Stretch[], next: Stretch): readonly Stretch[] {
  const last = stretches.at(-1)
  if (last?.isReasoning !== next.isReasoning) return [...stretches, next]
  return [...stretches.slice(0, -1), { text: last.text + next.text, isReasoning: next.isReasoning }]
}
