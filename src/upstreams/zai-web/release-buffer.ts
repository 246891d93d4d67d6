/** A separated piece of the message. `json` is the content of a tool block. */
export type MessagePiece = TextPiece | { type: 'block'; json: string }
type TextPiece = { type: 'text' | 'reasoning'; text: string }

/** How much of the message has been added: UTF-16 units of text and reasoning, and number of blocks. */
interface Position {
  text: number
  reasoning: number
  block: number
  /** The last units of the answer, in case the `holdFrom` text began there. */
  tail: string
  /** Where the `holdFrom` text begins in the answer. */
  heldAt: number | undefined
}

export interface ReleaseBuffer {
  add(piece: MessagePiece): void
  /** The pieces that can be sent now. */
  release(): MessagePiece[]
  /** All remaining pieces, at the end of the stream. */
  rest(): MessagePiece[]
  save(): Position
  /** Removes what was added since `save`. Text that was already sent stays sent. */
  restore(position: Position): void
}

interface ReleaseBufferOptions {
  /** Nothing is sent before the end. */
  whole: boolean
  /** The answer is held back from this text on. */
  holdFrom?: string
  /** Called when text that was already sent has changed. */
  onRewrite: () => void
}

/** UTF-16 units held back at the end: the backend often rewrites the last words of an answer at the very end. */
const holdBack = 24

/** A piece that is not sent yet. `start`: position of the piece among those of its kind, in units or blocks. */
type HeldPiece = MessagePiece & { start: number }

/**
 * Holds back what may still change, sends each unit once, and keeps the order of the message.
 *
 * The end of the answer is held back; text that is followed by reasoning or a block will not change any more. If an
 * edit starts before the end of what was sent, new text silently replaces the sent text up to that end, and sending
 * continues from there. This is correct if the edit repeats the old text, as the edit that closes a reasoning wrapper
 * does. Otherwise the client keeps the old text, since sent text cannot be changed.
 */
export function releaseBuffer({ whole, holdFrom, onRewrite }: ReleaseBufferOptions): ReleaseBuffer {
  let position: Position = { text: 0, reasoning: 0, block: 0, tail: '', heldAt: undefined }
  const waiting: HeldPiece[] = []
  const sent: Record<TextPiece['type'], { units: number; pieces: string[] }> = {
    text: { units: 0, pieces: [] },
    reasoning: { units: 0, pieces: [] },
  }
  // Sent text that an edit removed, and where it began. It is compared with the text that replaces it.
  const removedText = { text: { start: 0, text: '' }, reasoning: { start: 0, text: '' } }

  return {
    add(piece) {
      if (piece.type === 'block') {
        waiting.push({ ...piece, start: position.block })
        position.block++
        return
      }
      const { type, text } = piece
      const start = position[type]
      if (type === 'text') findHoldFrom(text)
      position[type] += text.length
      const skipped = skip(type, text, start)
      if (skipped < text.length) waiting.push({ type, text: text.slice(skipped), start: start + skipped })
    },
    release() {
      return whole ? [] : send(takeFinal())
    },
    rest() {
      const rest = send(waiting.splice(0))
      if (position.text < sent.text.units || position.reasoning < sent.reasoning.units) onRewrite()
      return rest
    },
    save: () => ({ ...position }),
    restore(saved) {
      position = { ...saved }
      while (isRemovedBy(waiting.at(-1), position)) waiting.pop()
      for (const type of ['text', 'reasoning'] as const) {
        const { units, pieces } = sent[type]
        removedText[type] = { start: position[type], text: lastUnits(pieces, Math.max(0, units - position[type])) }
      }
    },
  }

  /** Looks for the `holdFrom` text, which may come in pieces. */
  function findHoldFrom(text: string): void {
    if (holdFrom === undefined || position.heldAt !== undefined) return
    const seen = position.tail + text
    const found = seen.indexOf(holdFrom)
    if (found >= 0) position.heldAt = position.text - position.tail.length + found
    position.tail = seen.slice(Math.max(0, seen.length - holdFrom.length + 1))
  }

  /** Number of units at the beginning of new text that replace text which was already sent. */
  function skip(type: TextPiece['type'], text: string, start: number): number {
    const units = Math.min(sent[type].units - start, text.length)
    if (units <= 0) return 0
    const before = removedText[type]
    if (text.slice(0, units) !== before.text.slice(start - before.start, start - before.start + units)) onRewrite()
    return units + (isSecondHalf(text, units) ? 1 : 0)
  }

  function takeFinal(): HeldPiece[] {
    const end = waiting.at(-1)?.type === 'text' ? position.text - holdBack : position.text
    const limit = Math.min(end, position.heldAt ?? end)
    let count = 0
    for (const [index, piece] of waiting.entries()) {
      if (piece.type === 'block') continue // sent with what follows it, because until then it may still be filled in
      if (piece.type === 'text' && piece.start + piece.text.length > limit) {
        const units = Math.max(0, limit - piece.start)
        const cut = isSecondHalf(piece.text, units) ? units - 1 : units
        if (cut <= 0) break
        waiting.splice(
          index,
          1,
          { ...piece, text: piece.text.slice(0, cut) },
          {
            ...piece,
            text: piece.text.slice(cut),
            start: piece.start + cut,
          },
        )
        count = index + 1
        break
      }
      count = index + 1
    }
    return waiting.splice(0, count)
  }

  function send(pieces: HeldPiece[]): MessagePiece[] {
    const out: MessagePiece[] = []
    for (const { start, ...piece } of pieces) {
      const last = out.at(-1)
      if (piece.type === 'block') {
        out.push(piece)
        continue
      }
      const channel = sent[piece.type]
      channel.pieces.push(piece.text)
      channel.units = start + piece.text.length
      if (last?.type === piece.type) last.text += piece.text
      else out.push(piece)
    }
    return out
  }
}

function isRemovedBy(piece: HeldPiece | undefined, position: Position): boolean {
  return piece !== undefined && piece.start >= position[piece.type]
}

/** The last `units` units of a text in pieces. */
function lastUnits(pieces: readonly string[], units: number): string {
  let text = ''
  for (let index = pieces.length - 1; index >= 0 && text.length < units; index--) text = `${pieces[index]}${text}`
  return text.slice(text.length - units)
}

function isSecondHalf(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return at > 0 && unit >= 0xdc00 && unit <= 0xdfff
}
