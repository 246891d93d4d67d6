/** Reads the message as it grows, and returns to an earlier state when the message is cut back. */
interface MessageReader<Snapshot> {
  read(text: string, isReasoning: boolean): void
  save(): Snapshot
  restore(snapshot: Snapshot): void
}

/** The text of one message, wrappers and tool blocks included, as the backend edits it. */
export interface MessageBuffer {
  /** In UTF-16 units. */
  readonly length: number
  append(text: string, isReasoning: boolean): void
  /** Keeps the first `units` UTF-16 units of the text. */
  rewind(units: number): void
}

interface Chunk<Snapshot> {
  start: number
  text: string
  isReasoning: boolean
  /** The reader's state before it read this chunk. */
  before: Snapshot
}

/** Longest chunk, in UTF-16 units: it limits what is read again when an edit keeps the beginning of a chunk. */
const chunkUnits = 1024

/**
 * The text of a message, with a reader that is always up to date.
 *
 * Units: UTF-16 code units, as the backend's `edit_index` counts. A rewind beyond the end changes nothing; a rewind
 * into a surrogate pair cuts before the pair.
 * Cost: an append costs the length of its text; a rewind costs the chunks it removes, and less than one chunk that is
 * read again.
 */
export function messageBuffer<Snapshot>(reader: MessageReader<Snapshot>): MessageBuffer {
  const chunks: Chunk<Snapshot>[] = []
  let length = 0

  return {
    get length() {
      return length
    },
    append(text, isReasoning) {
      for (let at = 0; at < text.length; at += chunkUnits) push(text.slice(at, at + chunkUnits), isReasoning)
    },
    rewind(units) {
      const target = Math.max(0, Math.trunc(units))
      if (target >= length) return
      truncateTo(target)
      // The cut was inside a surrogate pair: the first half is removed as well.
      const last = chunks.at(-1)
      if (last && /[\ud800-\udbff]$/.test(last.text)) truncateTo(length - 1)
    },
  }

  function push(text: string, isReasoning: boolean): void {
    chunks.push({ start: length, text, isReasoning, before: reader.save() })
    length += text.length
    reader.read(text, isReasoning)
  }

  function truncateTo(units: number): void {
    let cut: Chunk<Snapshot> | undefined
    while (length > units) {
      cut = chunks.pop()
      if (!cut) return
      length = cut.start
    }
    if (!cut) return
    reader.restore(cut.before)
    const kept = cut.text.slice(0, units - cut.start)
    if (kept !== '') push(kept, cut.isReasoning)
  }
}
