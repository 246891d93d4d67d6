import type { TextKind } from '../core/events.ts'
import { codePlaces } from './markdown-code.ts'

/** A piece of the model's text, and the channel to which it belongs. */
export interface ChannelText {
  type: TextKind
  /** Empty if the piece only carries `afterReasoning`. */
  text: string
  /** Reasoning that began elsewhere ends before this text. */
  afterReasoning?: true
}

export interface TagReader {
  push(text: string): ChannelText[]
  /** Another kind of delta follows: a tag that is held back will not be completed. */
  onPause(): ChannelText[]
  end(): ChannelText[]
  /** Text without a tag currently passes unchanged. */
  readonly open: boolean
  /** Text is held back that has to be sent before anything in another channel. */
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

const quotes = /["'“‘«(]$/
const endQuotes = /^["'”’»)]/
/** What follows an opening tag that is only mentioned in a sentence. */
const behindMention = /^[ \t.,;:!?)"'”’»]/
/** What follows a closing tag that is only mentioned: the sentence continues or ends. */
const behindClosingMention = /^(?:[ \t]\p{Ll}|[.,;:!?)])/u

/**
 * Removes the tags of reasoning from a text, and moves the reasoning inside them out of the answer.
 *
 * Tags that the text only mentions are kept: those in code or in quotes, and a `<think>` in a sentence with the
 * `</think>` after it. Any other `</think>` is left over from reasoning and dropped, and so is a `<think>` that is
 * never closed. Text that may still become a tag is held back, so the output does not depend on how the text is split.
 */
export function tagReader({ channel, frames }: TagReaderOptions): TagReader {
  const tags = [opening, closing, ...calls, ...(frames ? frame : [])]
  let position: TagPosition = 'beginning'
  let held = ''
  // The text of the open inline `<think>` so far.
  let inlineReasoning = ''
  // Set by a tag before the first word: the white space between the two is dropped.
  let dropsLeadingSpace = false
  // The closing tag of the call that is being read; set when the call begins.
  let callEnd = ''
  // Mentioned opening tags whose closing tag has not followed. Each of them makes one later closing tag a mention.
  let mentions = 0
  const code = codePlaces()
  // Set by a leftover closing tag: the next piece gets `afterReasoning`.
  let afterLeftoverTag = false
  let out: ChannelText[] = []

  return {
    push(text) {
      out = []
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
      out = []
      if (isWaiting()) release('reasoning')
      addPendingMark()
      return out
    },
    end() {
      out = []
      release('text')
      addPendingMark()
      return out
    },
    get open() {
      return held === '' && !afterLeftoverTag && (position === 'words' || position === 'json')
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
        return until(callEnd, input, at, (text, ended) => {
          add(channel, text + (ended ? callEnd : ''))
          if (ended) position = 'words'
        })
      case 'json':
        add(channel, input.slice(at))
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
    if (tag === closing) afterLeftoverTag = true
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

  function tagAt(tag: string, input: string, at: number): number | undefined {
    const next = at + tag.length
    if (calls.includes(tag)) {
      position = 'call'
      callEnd = tag.replace('<', '</')
      write(tag)
      return next
    }
    if (tag === opening && next === input.length) return undefined
    if (tag === closing && mentions === 0 && mayBeMentioned(input.slice(next, next + 2))) return undefined
    if (tag === opening) {
      if (behindMention.test(input.charAt(next))) {
        mentions++
        write(tag)
      } else if (channel === 'text') {
        position = 'inline-reasoning'
        inlineReasoning = ''
      }
      return next
    }
    if (tag === closing) {
      const isMentioned =
        mentions > 0 ||
        (quotes.test(code.before) && endQuotes.test(input.charAt(next))) ||
        (isBlank(code.before) && behindClosingMention.test(input.slice(next, next + 2)))
      mentions = Math.max(0, mentions - 1)
      if (isMentioned) write(tag)
      else afterLeftoverTag = true
    }
    return next
  }

  /**
   * Whether a closing tag may turn out to be a mention: the text before it would fit, and too little after it is known.
   */
  function mayBeMentioned(behind: string): boolean {
    if (behind === '') return quotes.test(code.before) || isBlank(code.before)
    return isBlank(code.before) && isBlank(behind)
  }

  function reasoning(input: string, at: number): number | undefined {
    return until(closing, input, at, (text, ended) => {
      if (position === 'leading-reasoning') add('reasoning', text)
      else inlineReasoning += text
      if (!ended && (position === 'leading-reasoning' || inlineReasoning.length <= maxInlineReasoning)) return
      if (position === 'inline-reasoning') {
        if (ended) add('reasoning', inlineReasoning)
        else write(inlineReasoning)
      }
      position = position === 'leading-reasoning' ? 'beginning' : 'words'
      inlineReasoning = ''
    })
  }

  /**
   * Passes on the text before `end`, and whether `end` was found. Text that may be the beginning of `end` is held back.
   */
  function until(
    end: string,
    input: string,
    at: number,
    read: (text: string, ended: boolean) => void,
  ): number | undefined {
    const found = input.indexOf(end, at)
    if (found >= 0) {
      read(input.slice(at, found), true)
      return found + end.length
    }
    const safe = input.length - partialLength(input.slice(at), end)
    if (safe > at) read(input.slice(at, safe), false)
    return safe > at ? safe : undefined
  }

  function release(inlineReasoningAs: TextKind): void {
    const isLeftover = held.startsWith(closing)
    const rest = held === opening ? '' : held.slice(isLeftover ? closing.length : 0)
    afterLeftoverTag ||= isLeftover
    held = ''
    if (position === 'leading-reasoning') add('reasoning', rest)
    else if (position === 'inline-reasoning') {
      if (inlineReasoningAs === 'text') write(inlineReasoning + rest)
      else add('reasoning', inlineReasoning + rest)
      inlineReasoning = ''
      position = 'words'
    } else {
      write(rest)
      if (rest.trim() !== '') position = 'words'
    }
  }

  function write(text: string): void {
    code.read(text)
    add(channel, text)
  }

  /** Reports a leftover tag that no text follows. */
  function addPendingMark(): void {
    if (afterLeftoverTag) out.push({ type: channel, text: '', afterReasoning: true })
    afterLeftoverTag = false
  }

  function add(type: TextKind, text: string): void {
    const last = out.at(-1)
    if (text === '') return
    if (last?.type === type && !afterLeftoverTag) last.text += text
    else out.push({ type, text, ...(afterLeftoverTag && { afterReasoning: true }) })
    afterLeftoverTag = false
  }

  function mayBecomeTag(input: string, at: number): boolean {
    const rest = input.slice(at, at + 20)
    return tags.some((tag) => rest.length < tag.length && tag.startsWith(rest))
  }
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t'
}

/** Length of the longest beginning of `word` with which `text` ends. */
function partialLength(text: string, word: string): number {
  for (let length = Math.min(word.length - 1, text.length); length > 0; length--)
    if (text.endsWith(word.slice(0, length))) return length
  return 0
}
