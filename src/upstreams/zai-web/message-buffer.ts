/** Hears the message as it grows, and goes back to an earlier moment when the message does. */
interface MessageReader<Snapshot> {
  read(text: string, thinking: boolean): void
  save(): Snapshot
  restore(snapshot: Snapshot): void
}

/** The text of one message, wrappers and tool blocks included, as the backend edits it. */
export interface MessageBuffer {
  append(text: string, thinking: boolean): void
  /** Keeps the first `units` UTF-16 units. */
  rewind(units: number): void
}

interface Chunk<Snapshot> {
  start: number
  text: string
  thinking: boolean
  /** The reader's moment before it read this chunk. */
  before: Snapshot
}

/** Longest chunk: bounds what is read again when an edit keeps the head of one. */
const chunkUnits = 1024

/**
 * Appends and rewinds, with the reader always up to date.
 *
 * Units: UTF-16 code units, as the backend's `edit_index` counts. A rewind beyond the end changes nothing; one into
 * a surrogate pair cuts before the pair.
 * Cost: an append costs its text; a rewind costs the chunks it takes away and less than one chunk read again.
 */
export function messageBuffer<Snapshot>(reader: MessageReader<Snapshot>): MessageBuffer {
  const chunks: Chunk<Snapshot>[] = []
  let length = 0

  return {
    append(text, thinking) {
      for (let at = 0; at < text.length; at += chunkUnits) push(text.slice(at, at + chunkUnits), thinking)
    },
    rewind(units) {
      const target = Math.max(0, Math.trunc(units))
      if (target >= length) return
      keep(target)
      // A half pair at the cut: what followed it is gone.
      const last = chunks.at(-1)
      if (last && /[\ud800-\udbff]$/.test(last.text)) keep(length - 1)
    },
  }

  function push(text: string, thinking: boolean): void {
    chunks.push({ start: length, text, thinking, before: reader.save() })
    length += text.length
    reader.read(text, thinking)
  }

  function keep(units: number): void {
    let cut: Chunk<Snapshot> | undefined
    while (length > units) {
      cut = chunks.pop()
      if (!cut) return
      length = cut.start
    }
    if (!cut) return
    reader.restore(cut.before)
    const kept = cut.text.slice(0, units - cut.start)
    if (kept !== '') push(kept, cut.thinking)
  }
}
