import type { GatewayError } from '../core/errors.ts'
import type { Delta, TextKind } from '../core/events.ts'
import type { Tool } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'
import type { ChannelText } from './channel-pieces.ts'
import { anyMark } from './parse.ts'
import { replyWriter } from './reply-writer.ts'
import { type TagReader, tagReader } from './think-tags.ts'
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
  // Created with the first text of their channel.
  const readers: { text?: TagReader; reasoning?: TagReader } = {}
  const shown = replyWriter({ tools, scanLimit, empty, annotate })
  const undecided = whole ? undecidedText(shown.add) : undefined
  const pattern = tools.length > 0 ? anyMark : anyTag

  return {
    push(delta, out) {
      switch (delta.type) {
        case 'text':
          pause(readers.reasoning, out)
          readers.text ??= tagReader({ channel: 'text', frames })
          send(readers.text.push(delta.text), out)
          break
        case 'reasoning':
          pause(readers.text, out)
          readers.reasoning ??= tagReader({ channel: 'reasoning', frames: false })
          send(readers.reasoning.push(delta.text), out)
          break
        case 'tool-call':
          shown.markAnswered()
          pauseBoth(out)
          undecided?.settle(out)
          shown.addCall(delta, out)
          break
        case 'server-tool':
          pauseBoth(out)
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
      return readers[kind]?.open === true && other?.waiting !== true && pattern
    },
  }

  function send(pieces: readonly ChannelText[], out: Delta[]): void {
    for (const piece of pieces)
      if (undecided?.isOpen) undecided.push(piece, out)
      else shown.add(piece, out)
  }

  function pause(reader: TagReader | undefined, out: Delta[]): void {
    if (reader) send(reader.onPause(), out)
  }

  function pauseBoth(out: Delta[]): void {
    pause(readers.reasoning, out)
    pause(readers.text, out)
  }

  function end(out: Delta[]): void {
    if (readers.reasoning) send(readers.reasoning.end(), out)
    if (readers.text) send(readers.text.end(), out)
    if (undecided?.isOpen) undecided.end(out)
  }
}
