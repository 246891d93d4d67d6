import type { GatewayError } from '../core/errors.ts'
import type { Delta, TextKind } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'
import type { ChannelText } from './channel-pieces.ts'
import { anyMark } from './parse.ts'
import { replyWriter } from './reply-writer.ts'
import { tagReader } from './think-tags.ts'
import { undecidedText } from './undecided-text.ts'

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
  const shown = replyWriter({ tools, scanLimit, empty, annotate })
  const undecided = whole ? undecidedText(shown.add) : undefined
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
          shown.markAnswered()
          onPause(out)
          undecided?.settle(out)
          shown.addCall(delta, out)
          break
        case 'server-tool':
          onPause(out)
          if (undecided?.isOpen) undecided.hold(delta)
          else out.push(delta)
          break
        case 'finish':
          end(out)
          shown.finish(delta, out)
          break
        case 'error':
          end(out)
          shown.fail(delta, out)
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
      if (shown.holdsText || undecided?.isOpen) return false
      const other = readers[kind === 'text' ? 'reasoning' : 'text']
      return readers[kind].open && !other.waiting && pattern
    },
  }

  function send(pieces: readonly ChannelText[], out: Delta[]): void {
    for (const piece of pieces)
      if (undecided?.isOpen) undecided.push(piece, out)
      else shown.add(piece, out)
  }

  function onPause(out: Delta[]): void {
    send(readers.reasoning.onPause(), out)
    send(readers.text.onPause(), out)
  }

  function end(out: Delta[]): void {
    send(readers.reasoning.end(), out)
    send(readers.text.end(), out)
    if (undecided?.isOpen) undecided.end(out)
  }
}
