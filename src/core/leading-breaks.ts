import type { TextKind } from './events.ts'

/** The beginnings of text blocks. Line breaks are held back until a word follows: a block of line breaks alone is not opened. */
export interface LeadingBreaks {
  /** Adds text in front of a block. Returns the text with which the block opens; `undefined` while there are only breaks. */
  add(kind: TextKind, text: string): string | undefined
  /** Another block has begun. */
  drop(): void
}

export function leadingBreaks(): LeadingBreaks {
  let held = ''
  let heldKind: TextKind | undefined
  let hasText = false

  return {
    add(kind, text) {
      if (heldKind !== kind) {
        held = ''
        heldKind = kind
      }
      held += text
      const first = held.search(/[^\r\n]/)
      if (first < 0) return undefined
      // Later text blocks keep their line breaks: clients that join blocks would lose a paragraph otherwise.
      const start = kind === 'reasoning' || !hasText ? held.slice(first) : held
      hasText ||= kind === 'text'
      drop()
      return start
    },
    drop,
  }

  function drop(): void {
    held = ''
    heldKind = undefined
  }
}
