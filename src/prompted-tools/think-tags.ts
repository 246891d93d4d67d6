import type { TextKind } from '../core/events.ts'
import { type ChannelText, channelPieces } from './channel-pieces.ts'
import { codePlaces } from './markdown-code.ts'
import { isClosingMention, isOpeningMention, mayBeClosingMention } from './tag-mentions.ts'

/** Reads the text of a model piece by piece. */
export interface TagReader {
  push(text: string): ChannelText[]
  /** Another kind of delta follows: a tag that is held back will not be completed. */
  onPause(): ChannelText[]
  end(): ChannelText[]
  /** Whether text without a tag currently passes unchanged. */
  readonly open: boolean
  /** Whether text is held back that has to be sent before anything in another channel. */
  readonly waiting: boolean
}

export interface TagReaderOptions {
  /** The channel that the model wrote to. */
  channel: TextKind
  /** Vision models put the final answer into a frame. */
  frames: boolean
}

type TagPosition =
  /** Before the first word. */
  | 'beginning'
  | 'words'
  /** In `<think>` before the answer. The reasoning is sent as it arrives. */
  | 'leading-reasoning'
  /** In `<think>` in the middle of the answer. Its text is held back until it is known whether the tag is closed. */
  | 'inline-reasoning'
  /** In a call written as text, whose arguments may hold any tag. */
  | 'call'
  /** JSON, whose strings may hold any tag. */
  | 'json'

const opening = '<think>'
const closing = '</think>'
const calls = ['<tool_call>', '<tool_calls>', '<function_calls>']
const frame = ['<|begin_of_box|>', '<|end_of_box|>']
/** Longest reasoning in the middle of an answer, in UTF-16 units. */
const maxInlineReasoning = 100_000
/** Longest white space before the first word, in UTF-16 units: it is read again with each piece. */
const longestLead = 2_000

/**
 * Removes the tags of reasoning from a text, and moves the reasoning inside them out of the answer.
 *
 * Tags that the text only mentions are kept: those in code or in quotes, and a `<think>` in a sentence with the
 * `</think>` after it. Any other `</think>` is left over from reasoning and dropped, and so is a `<think>` that is
 * never closed. Text that may still become a tag is held back, so the output does not depend on how the text is split.
 */
export function tagReader({ channel, frames }: TagReaderOptions): TagReader {
  const tags = [opening, closing, ...calls, ...(frames ? frame : [])]
  const code = codePlaces()
  const pieces = channelPieces()
  let position: TagPosition = 'beginning'
  // The end of the input, which may still become a tag.
  let held = ''
  // The text of the open inline `<think>` so far.
  let inlineReasoning = ''
  // Set by a tag before the first word: the white space between the two is dropped.
  let dropsLeadingSpace = false
  // The closing tag of the call that is being read; set when the call begins.
  let callEnd = ''
  // Mentioned opening tags whose closing tag has not followed. Each of them makes one later closing tag a mention.
  let mentions = 0

  return {
    push(text) {
      const out = pieces.begin()
      const input = held + text
      held = ''
      let at = 0
      while (at < input.length) {
        const next = step(input, at)
        if (next === undefined) {
          held = input.slice(at)
          break
        }
        at = next
      }
      return out
    },
    onPause() {
      const out = pieces.begin()
      if (isWaiting()) release('reasoning')
      pieces.addMark(channel)
      return out
    },
    end() {
      const out = pieces.begin()
      release('text')
      pieces.addMark(channel)
      return out
    },
    get open() {
      return held === '' && !pieces.isMarked && (position === 'words' || position === 'json')
    },
    get waiting() {
      return isWaiting()
    },
  }

  function isWaiting(): boolean {
    return held.trim() !== '' || position === 'inline-reasoning'
  }

  /** Reads from `at` and returns the position it reached; `undefined` if it needs more input. */
  function step(input: string, at: number): number | undefined {
    switch (position) {
      case 'beginning':
        return beginning(input, at)
      case 'words':
        return words(input, at)
      case 'leading-reasoning':
      case 'inline-reasoning':
        return reasoning(input, at)
      case 'call':
        return call(input, at)
      case 'json':
        pieces.add(channel, input.slice(at))
        return input.length
      default:
        return position satisfies never
    }
  }

  function beginning(input: string, at: number): number | undefined {
    const word = input.slice(at).search(/\S/)
    if (word > longestLead || (word < 0 && input.length - at > longestLead)) {
      // So much white space is not held back: it may go on without end.
      position = 'words'
      return at
    }
    if (word < 0) return undefined
    const first = at + word
    const tag = tags.find((one) => input.startsWith(one, first))
    if (tag === undefined && mayBecomeTag(input, first)) return undefined
    if (tag === undefined || calls.includes(tag)) {
      position = channel === 'text' && /[{[]/.test(input.charAt(first)) ? 'json' : 'words'
      return dropsLeadingSpace ? first : at
    }
    dropsLeadingSpace = true
    if (tag === opening && channel === 'text') position = 'leading-reasoning'
    if (tag === closing) pieces.markEnd()
    return first + tag.length
  }

  function words(input: string, at: number): number | undefined {
    const found = input.indexOf('<', at)
    const start = found < 0 ? input.length : found
    if (start > at) {
      write(input.slice(at, start))
      return start
    }
    if (!code.inside) {
      const tag = tags.find((one) => input.startsWith(one, start))
      if (tag !== undefined) return tagAt(tag, input, start)
      if (mayBecomeTag(input, start)) return undefined
    }
    write('<')
    return start + 1
  }

  /** Reads a tag, and returns the position behind it; `undefined` if what follows decides whether it is a mention. */
  function tagAt(tag: string, input: string, at: number): number | undefined {
    const next = at + tag.length
    if (calls.includes(tag)) {
      position = 'call'
      callEnd = tag.replace('<', '</')
      write(tag)
    } else if (tag === opening) {
      if (next === input.length) return undefined
      if (isOpeningMention(input.charAt(next))) {
        mentions++
        write(tag)
      } else if (channel === 'text') {
        position = 'inline-reasoning'
        inlineReasoning = ''
      }
    } else if (tag === closing) {
      const behind = input.slice(next, next + 2)
      if (mentions === 0 && mayBeClosingMention(code.before, behind)) return undefined
      if (mentions > 0 || isClosingMention(code.before, behind)) write(tag)
      else pieces.markEnd()
      mentions = Math.max(0, mentions - 1)
    }
    return next
  }

  function call(input: string, at: number): number | undefined {
    const stop = stopBefore(callEnd, input, at)
    const isEnd = input.startsWith(callEnd, stop)
    if (!isEnd && stop === at) return undefined
    pieces.add(channel, input.slice(at, stop) + (isEnd ? callEnd : ''))
    if (isEnd) position = 'words'
    return isEnd ? stop + callEnd.length : stop
  }

  function reasoning(input: string, at: number): number | undefined {
    const stop = stopBefore(closing, input, at)
    const isEnd = input.startsWith(closing, stop)
    if (!isEnd && stop === at) return undefined
    const text = input.slice(at, stop)
    if (position === 'inline-reasoning') readInline(text, isEnd)
    else {
      pieces.add('reasoning', text)
      if (isEnd) position = 'beginning'
    }
    return isEnd ? stop + closing.length : stop
  }

  /** Sends the held text as reasoning once its tag is closed, and as text once it is too long to be reasoning. */
  function readInline(text: string, isEnd: boolean): void {
    inlineReasoning += text
    if (!isEnd && inlineReasoning.length <= maxInlineReasoning) return
    if (isEnd) pieces.add('reasoning', inlineReasoning)
    else write(inlineReasoning)
    position = 'words'
    inlineReasoning = ''
  }

  function release(inlineReasoningAs: TextKind): void {
    const isLeftover = held.startsWith(closing)
    const rest = held === opening ? '' : held.slice(isLeftover ? closing.length : 0)
    if (isLeftover) pieces.markEnd()
    held = ''
    if (position === 'leading-reasoning') pieces.add('reasoning', rest)
    else if (position === 'inline-reasoning') {
      if (inlineReasoningAs === 'text') write(inlineReasoning + rest)
      else pieces.add('reasoning', inlineReasoning + rest)
      inlineReasoning = ''
      position = 'words'
    } else {
      write(rest)
      if (rest.trim() !== '') position = 'words'
    }
  }

  function write(text: string): void {
    code.read(text)
    pieces.add(channel, text)
  }

  function mayBecomeTag(input: string, at: number): boolean {
    const rest = input.slice(at, at + 20)
    return tags.some((tag) => rest.length < tag.length && tag.startsWith(rest))
  }
}

/** Where the text before `end` stops: at `end`, or at the beginning of it with which the input ends. */
function stopBefore(end: string, input: string, at: number): number {
  const found = input.indexOf(end, at)
  return found >= 0 ? found : input.length - partialLength(input.slice(at), end)
}

/** Length of the longest beginning of `word` with which `text` ends. */
function partialLength(text: string, word: string): number {
  for (let length = Math.min(word.length - 1, text.length); length > 0; length--)
    if (text.endsWith(word.slice(0, length))) return length
  return 0
}
